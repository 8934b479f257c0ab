"""Recovery of a damaged catalog: from its readable pages, and from what segments say of the index."""
