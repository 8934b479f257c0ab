"""The public API of the library: `open_index`, and the `Index` that it returns."""
