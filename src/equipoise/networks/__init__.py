"""Networks for classifiers and generators."""
