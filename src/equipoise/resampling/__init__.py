"""Resamplers change class counts; they only ever see the training split."""
