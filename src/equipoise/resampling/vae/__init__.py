"""Oversampling with a variational autoencoder."""
