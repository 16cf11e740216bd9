"""Why a bench stops."""


class BenchFailed(Exception):
    """Says in one line what is missing, wrong or broken."""
