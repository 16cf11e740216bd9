"""Finds worker counts by load tests: what it decides, why, and how sure it is."""
