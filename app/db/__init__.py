"""Access to the database: pools, named queries, COPY, migrations."""
