"""File formats: a module each, with a function from a file's bytes to a `Document`."""
