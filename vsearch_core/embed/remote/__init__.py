"""Embedders that send texts to a provider over HTTP."""
