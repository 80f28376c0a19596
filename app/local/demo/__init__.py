"""A simulated fleet that posts over HTTP to a served API, as devices would, and prints what the API answers."""
