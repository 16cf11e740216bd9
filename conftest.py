"""The folder `gateway` would be taken for the package of that name, were this not imported first."""

import gateway  # noqa: F401 - imported to be known: pytest names test modules after their folders
