"""Oversampling with generative adversarial networks."""
