"""The private PostgreSQL: a server in a data directory, reached only through a Unix socket."""
