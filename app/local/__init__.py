"""A laptop is enough: the embedded PostgreSQL, and a simulated fleet."""
