"""Contract tests that every member of a family passes; usable by third parties."""
