"""Scikit-learn estimators on image arrays."""
