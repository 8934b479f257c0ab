"""From files to chunks: which files to read, how their text is extracted, and where it is cut."""
