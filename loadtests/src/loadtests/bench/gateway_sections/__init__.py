"""What `make bench-gateway` measures, a module each: `measure(setup, quick=…)` gives what is kept as JSON."""
