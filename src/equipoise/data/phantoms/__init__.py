"""Drawn images and volumes, for demos and tests."""
