"""Events under everything that breaks, and their throughput; see `python -m benchmarks.events --help`."""
