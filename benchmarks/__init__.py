"""Benchmarks of vsearch and its peers in one run: `python -m benchmarks.NAME`. Results are in docs/benchmarks.md."""
