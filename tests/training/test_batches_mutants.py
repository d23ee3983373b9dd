"""What the mutation run found untested in `training.batches`."""

import numpy as np

from equipoise.training.batches import Pool, balanced


def test_places_that_are_left_over_go_to_classes_by_lot() -> None:
    labels = np.repeat([0, 1, 2], 20)
    rows = balanced(Pool(labels=labels, batch_size=4, n_steps=300, seed=0))
    counts = np.array([np.bincount(labels[rows(step)], minlength=3) for step in range(300)])
    assert counts.sum(axis=1).tolist() == [4] * 300
    twice = (counts == 2).sum(axis=0)  # one class of three has two places: 100 times each, 4 sd are 33
    assert (np.abs(twice - 100) < 33).all(), twice
