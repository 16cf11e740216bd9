"""Real processes die at random points, against a real Postgres and a real Valkey."""
