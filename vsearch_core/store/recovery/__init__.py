"""Recover a damaged catalog from its readable pages, and from the copies of catalog data in segments."""
