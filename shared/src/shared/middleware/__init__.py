"""Pure ASGI middleware: one job, one file."""
