"""From files to chunks: find the files, extract their text, and split it into chunks."""
