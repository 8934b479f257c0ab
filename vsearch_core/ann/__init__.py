"""Vector search: exact by scanning, approximate by a graph. Arrays in, arrays out; nothing here opens a file."""
