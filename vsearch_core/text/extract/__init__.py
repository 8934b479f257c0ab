"""Text extraction: the registry of file formats, and tools that the format modules share."""
