"""Why the stack does not come up."""


class StackFailed(Exception):
    """The message is for whoever started it: what is wrong, and what to do where that is known."""
