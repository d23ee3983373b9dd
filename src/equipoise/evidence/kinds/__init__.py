"""What is found out about a run beyond its scores, a file for each kind; see `experiments.gathering`."""
