"""Embedders: text to unit vectors, on this machine or at a provider."""
