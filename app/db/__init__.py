"""The way to the database: pools, named queries, COPY, migrations."""
