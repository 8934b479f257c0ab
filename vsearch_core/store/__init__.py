"""Store an index on disk: the SQLite catalog, segments of arrays, archives, locks and checksums."""
