"""Metrics as functions of stored predictions, and the statistics that compare them."""
