"""The self-contained report, made from stored files only."""
