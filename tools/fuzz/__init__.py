"""Damaged and hostile input against every reader and every file of a run; see `make fuzz`."""
