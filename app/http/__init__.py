"""HTTP: decode, call, encode."""
