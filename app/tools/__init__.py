"""Commands of operators and DBAs."""
