"""Write, read and maintain an index: commits, segments, snapshots, checks and repairs."""
