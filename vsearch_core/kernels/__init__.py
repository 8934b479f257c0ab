"""Kernels compiled by numba. Importing the package loads no numba; importing a module with kernels does."""
