"""What devices, operators and dashboards send and get, as msgspec structs: a file a subject."""
