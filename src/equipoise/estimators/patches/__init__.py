"""Patch samplers: where the patches of a training step lie (methods 6.3)."""
