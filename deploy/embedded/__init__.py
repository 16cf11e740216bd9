"""The whole system on one machine without Docker: `python -m deploy.embedded [--exit]`."""
