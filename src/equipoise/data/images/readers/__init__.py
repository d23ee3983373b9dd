"""One reader per way in which images lie on disk; a reader is found by its file name."""
