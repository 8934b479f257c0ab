"""Embedders: they turn texts into unit vectors, on this machine or at a remote provider."""
