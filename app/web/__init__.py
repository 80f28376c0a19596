"""Pages for a person with a browser."""
