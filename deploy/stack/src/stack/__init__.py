"""The whole system on one machine without Docker: `python -m stack [--exit]`."""
