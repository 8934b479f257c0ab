"""Keyword search: from text to terms, postings and BM25 scores. Arrays in, arrays out; nothing here opens a file."""
