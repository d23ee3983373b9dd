"""Oversampling with the original BAGAN."""
