"""One file per loss family."""
