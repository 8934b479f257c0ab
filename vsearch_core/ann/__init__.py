"""Vector search over arrays: exact (compare all vectors) or approximate (search a graph). It opens no files."""
