"""Our servers beside their peers: one core each, in one run, in turns."""
