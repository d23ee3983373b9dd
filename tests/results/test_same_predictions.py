"""Methods that predict the same in every run are one method under several names."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from equipoise.results.same_predictions import same_predictions
from equipoise.runs.run import open_run

WriteRun = Callable[..., Path]
ARMS = {"none": (1.2, -1.0), "weights": (1.2, 0.0), "head": (2.0, 0.0), "last": (0.9, -1.0)}


def copy_predictions(run: Path, method: str, other: str) -> None:
    for path in run.glob(f"cells/{method}/*/*/predictions.npz"):
        copy = run / "cells" / other / path.relative_to(run / "cells" / method)
        copy.write_bytes(path.read_bytes())


def test_groups_of_methods_that_predict_the_same(write_run: WriteRun) -> None:
    run = write_run(ARMS, n_splits=2, counts=(60, 30))
    assert same_predictions(open_run(run).images) == []
    copy_predictions(run, "weights", "head")
    copy_predictions(run, "none", "last")
    images = open_run(run).images
    assert same_predictions(images) == [("none", "last"), ("weights", "head")]
    path = next(run.glob("cells/last/split-1/*/predictions.npz"))
    with np.load(path) as arrays:
        stored = dict(arrays)
    stored["test_score"] = stored["test_score"][:, ::-1]
    np.savez(path, allow_pickle=False, **stored)
    assert same_predictions(open_run(run).images) == [("weights", "head")]
