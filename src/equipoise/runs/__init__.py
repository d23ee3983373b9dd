"""A run on disk: how its cells are stored and read."""
