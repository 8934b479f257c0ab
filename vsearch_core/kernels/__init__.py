"""Kernels, compiled by numba. Importing any of them tells numba first where to keep what it compiles."""

from vsearch_core import kernel_cache

kernel_cache.use()
