"""Classifiers on features of a frozen network: views, layers, cached features, heads."""
