"""vsearch as a library: text to chunks, chunks to vectors and postings, queries to hits. Prints nothing."""
