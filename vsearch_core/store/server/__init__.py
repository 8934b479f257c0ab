"""Parts that all engines for indexes on a server share: addresses, settings, and the interfaces to read and write."""
