"""Keyword search: turn text into terms, index them as postings, and score rows with BM25. It opens no files."""
