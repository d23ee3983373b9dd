"""Audit synthetic images: quality, memorization, and whether they may be released."""
