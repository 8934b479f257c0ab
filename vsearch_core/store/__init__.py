"""Bytes on disk: the catalog, segments, archives, and the recovery of damaged ones."""
