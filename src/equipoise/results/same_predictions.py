"""Methods whose predictions are the same, so that they are one method under several names."""

import numpy as np

from equipoise.runs.cell import Cell
from equipoise.runs.image_run import FinishedCell, ImageRun

TOLERANCE = 1e-6  # of a probability


def same_predictions(run: ImageRun) -> list[tuple[str, ...]]:
    """Return the groups of methods that give every test image the same probabilities.

    They have the same splits and seeds, and agree in all of them.
    """
    groups: list[list[str]] = []
    of_method: dict[str, list[FinishedCell]] = {}
    for method in run.methods:
        cells = sorted(run.cells_of(method), key=lambda finished: _place(finished.cell))
        if not cells:
            continue
        of_method[method] = cells
        for group in groups:
            if _are_same(of_method[group[0]], cells):
                group.append(method)
                break
        else:
            groups.append([method])
    return [tuple(group) for group in groups if len(group) > 1]


def _place(cell: Cell) -> tuple[str, int]:
    return cell.split, cell.seed


def _are_same(first: list[FinishedCell], second: list[FinishedCell]) -> bool:
    """Return whether the cells of two methods predict the same."""
    if [_place(a.cell) for a in first] != [_place(b.cell) for b in second]:
        return False
    for a, b in zip(first, second, strict=True):
        first_scores, second_scores = a.predictions.y_score, b.predictions.y_score
        if first_scores.shape != second_scores.shape:
            return False
        if not np.allclose(first_scores, second_scores, 0, TOLERANCE):
            return False
    return True
