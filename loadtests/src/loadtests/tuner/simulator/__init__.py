"""Simulated systems whose best configuration is known, for the tuner's own tests and for plans."""
