"""Ours beside our peers in one run: `python -m benchmarks.NAME`; docs/benchmarks.md shows what they printed."""
