"""What we compare ourselves with. These files run in an environment of their own, never in ours."""
