"""Score new images with the classifiers that a run kept."""

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from equipoise.arrays import Images, Scores
from equipoise.atomic import atomic_file, make_folder
from equipoise.discovery import pick
from equipoise.exceptions import DataError, SettingError
from equipoise.metrics.priors import correct_priors, fit_priors
from equipoise.results.best_method import best_method, narrow
from equipoise.runs.cell import Cell
from equipoise.runs.run import open_run
from equipoise.runs.store import RunStore
from equipoise.training.progress import report

FINISHED = "with finished cells"
FIRST = ("file", "predicted", "prior_corrected")  # columns before the probabilities

Best = Callable[[Sequence[str]], tuple[str, str]]


@dataclass(frozen=True)
class Panel:
    """The cells of one method whose networks vote, and why these, in a sentence."""

    cells: tuple[Cell, ...]
    reason: str


def choose_panel(
    store: RunStore, *, method: str | None = None, split: str | None = None, seed: int | None = None
) -> Panel:
    """Choose the finished cells of a method.

    Args:
        store: Folder of the run.
        method: Whose classifiers; where None, of the method with the best mean of the primary metric.
        split: Of the cells; all where None.
        seed: Of the cells; all where None.

    Raises:
        DataError: No run, or no finished cell.
        SettingError: No such method, split or seed, or none of it has finished.
    """
    run = open_run(store.folder).images
    return panel_of(
        [finished.cell for finished in run.finished],
        run.methods,
        lambda names: best_method(run, names, FINISHED),
        folder=store.folder,
        method=method,
        split=split,
        seed=seed,
    )


def panel_of(
    finished: Sequence[Cell], methods: Iterable[str], best: Best, *, folder: Path, method: str | None,
    split: str | None, seed: int | None,
) -> Panel:  # fmt: skip
    """Choose among finished cells, of whatever task; see `choose_panel`.

    Args:
        finished: Cells that kept a network.
        methods: Names of all methods of the run.
        best: Methods with finished cells to the best of them and why.
        folder: Of the run, for messages.
        method: See `choose_panel`.
        split: See `choose_panel`.
        seed: See `choose_panel`.
    """
    if not finished:
        raise DataError(
            f"No cell of {folder} has finished, so there is no network. Run the study first."
        )
    if method is None:
        method, reason = best(list(dict.fromkeys(cell.method for cell in finished)))
    else:
        pick(dict.fromkeys(methods), method, "method")
        reason = f"{method} was asked for."
    own = [cell for cell in finished if cell.method == method]
    if not own:
        raise SettingError(
            f"No cell of method '{method}' in {folder} has finished. Run the study to its end."
        )
    return Panel(tuple(narrow(own, split=split, seed=seed)), reason)


def score_images(
    store: RunStore, panel: Panel, images: Images, *, corrected: bool = False
) -> Scores:
    """Average the probabilities of the classifiers of a panel.

    Args:
        store: Folder of the run.
        panel: Which classifiers; see `choose_panel`.
        images: (n, c, h, w), of the kind that the run was trained on.
        corrected: Correct each classifier's probabilities from the class shares that it behaves as if it was
            trained with to those of its real validation images; see `equipoise.metrics.priors`.

    Returns:
        (n, k) for the run's classes; rows sum to 1. A class that a classifier never saw counts 0 for it.

    Raises:
        DataError: Images of another kind, a damaged classifier, or no validation image of a class to correct by.
    """
    k = len(store.study()["dataset"]["class_names"])
    total = np.zeros((len(images), k))
    for i, cell in enumerate(panel.cells):
        report(f"classifier {cell}", i, len(panel.cells))
        scores = _score(store, cell, images, k)
        total += _corrected(store, cell, scores) if corrected else scores
    report("classifiers", len(panel.cells), len(panel.cells))
    return total / len(panel.cells)


def write_predictions(
    path: Path, files: Sequence[str], scores: Scores, class_names: Sequence[str], *, corrected: bool
) -> None:
    """Write a CSV with a line for each image: file, most probable class, probability of each class."""
    header = [*FIRST, *(f"probability of {name}" for name in class_names)]
    with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for name, row in zip(files, scores, strict=True):
            writer.writerow(
                [name, class_names[int(row.argmax())], int(corrected), *(f"{p:.6f}" for p in row)]
            )


def check_table(path: Path) -> None:
    """See that a table of predictions may be written: an earlier one may be replaced, nothing else.

    Raises:
        SettingError: There is something else, or no file can be written there.
    """
    make_folder(path.parent)
    if not path.exists():
        return
    if path.is_dir() or not path.read_bytes().startswith(",".join(FIRST).encode()):
        raise SettingError(
            f"{path} exists and is no table of predictions. Name another file with --out."
        )


def _score(store: RunStore, cell: Cell, images: Images, k: int) -> Scores:
    from equipoise.estimators.classifier import ImageClassifier

    folder = store.path(cell) / "classifier"
    if not folder.resolve().is_relative_to(store.folder.resolve()):
        raise DataError(
            f"Expected the classifier of '{cell}' inside {store.folder}, it lies elsewhere: {folder}."
        )
    classifier = ImageClassifier.load(folder)
    scores = np.zeros((len(images), k))
    scores[:, classifier.classes_] = classifier.predict_proba(images)
    return scores


def _corrected(store: RunStore, cell: Cell, scores: Scores) -> Scores:
    held = store.predictions(cell)
    y_true, y_score = held["validation_true"], held["validation_score"]
    target = np.bincount(y_true, minlength=scores.shape[1])
    return correct_priors(scores, trained=fit_priors(y_true=y_true, y_score=y_score), target=target)
