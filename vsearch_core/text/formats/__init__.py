"""File formats. Each module has a function that extracts a `Document` (text and its structure) from a file's bytes."""
