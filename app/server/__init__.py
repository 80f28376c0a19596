"""Runs the service: its database, its sockets, its processes, its end."""
