"""Search: turn a request into hits, with any engine that implements the protocol `engine.Searcher`."""
