"""The error of a stack that cannot start."""


class StackFailed(Exception):
    """The message says what is wrong and, if that is known, what to do."""
