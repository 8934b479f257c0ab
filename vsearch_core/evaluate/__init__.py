"""Search quality: datasets, runs, measures, and the tuning of an index's fusion."""
