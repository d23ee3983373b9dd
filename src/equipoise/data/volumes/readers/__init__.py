"""Readers of volumes: each module is one way in which cases lie on disk."""
