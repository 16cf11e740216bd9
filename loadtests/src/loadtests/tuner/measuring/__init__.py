"""Starts applications and puts an open-loop load on them."""
