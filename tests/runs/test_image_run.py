"""The cells of a run under the other checkpoint policy."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from equipoise.runs.image_run import ImageRun
from equipoise.runs.run import open_run


def with_other_scores(folder: Path, *methods: str) -> ImageRun:
    """Store for some methods the scores of the other policy: those of the kept one, squared."""
    for method in methods:
        for path in (folder / "cells" / method).glob("*/*/predictions.npz"):
            arrays = dict(np.load(path))
            for part in ("test", "validation"):
                squares = arrays[f"{part}_score"] ** 2
                arrays[f"{part}_score_other"] = squares / squares.sum(axis=1, keepdims=True)
            np.savez(path, **arrays)
    return open_run(folder).images


def test_cells_without_scores_of_the_other_policy_are_left_out(
    write_run: Callable[..., Path],
) -> None:
    run = with_other_scores(write_run({"none": (1.0, 0.0), "old": (1.0, 0.0)}), "none")
    other = run.under_other_policy()
    assert [cell.cell for cell in other.finished] == [cell.cell for cell in run.cells_of("none")]
    for kept, swapped in zip(run.cells_of("none"), other.finished, strict=True):
        squares = kept.predictions.y_score**2
        expected = squares / squares.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(swapped.predictions.y_score, expected)
        squares = kept.validation.y_score**2
        expected = squares / squares.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(swapped.validation.y_score, expected)
        np.testing.assert_array_equal(swapped.ids, kept.ids)
        np.testing.assert_array_equal(swapped.predictions.y_true, kept.predictions.y_true)
    back = other.under_other_policy()
    np.testing.assert_array_equal(
        back.finished[0].predictions.y_score, run.finished[0].predictions.y_score
    )


def test_old_runs_have_none(write_run: Callable[..., Path]) -> None:
    assert open_run(write_run({"none": (1.0, 0.0)})).images.under_other_policy().finished == ()
