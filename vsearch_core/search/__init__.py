"""Search: from a request to its hits, through any engine that keeps the contract of `engine.Searcher`."""
