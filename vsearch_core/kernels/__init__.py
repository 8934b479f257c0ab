"""Kernels: inner loops that numba compiles to machine code. Importing this package alone does not load numba."""
