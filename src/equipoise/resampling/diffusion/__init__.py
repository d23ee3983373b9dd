"""Oversampling with diffusion models and rectified flows."""
