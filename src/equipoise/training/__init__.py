"""One training loop and the steps that it repeats."""
