"""One person's way through the system, from signing up to logging out, over HTTP and through the gateway."""
