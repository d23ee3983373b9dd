"""Classify new images with the classifiers of a run."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from equipoise.arrays import Images, Scores
from equipoise.atomic import make_folder, read_arrays
from equipoise.discovery import pick
from equipoise.exceptions import DataError, SettingError
from equipoise.metrics.priors import correct_priors, fit_priors
from equipoise.results.advice import advised_judgment
from equipoise.results.best_method import best_method, narrow
from equipoise.results.tables import summarize_run
from equipoise.runs.cell import Cell
from equipoise.runs.csv_records import write_csv
from equipoise.runs.run import Run
from equipoise.training.progress import report

REPORTED = 1024  # images between two reports of progress
FINISHED = "with finished cells"
# Columns before the probabilities.
FIRST = ("file", "predicted", "prior_corrected", "own_thresholds", "threshold")

ChooseBest = Callable[[Sequence[str]], tuple[str, str]]


@dataclass(frozen=True)
class Ensemble:
    """The cells of one method whose networks are averaged, and the reason, as a sentence."""

    cells: tuple[Cell, ...]
    reason: str


def choose_classifiers(
    run: Run, *, method: str | None = None, split: str | None = None, seed: int | None = None
) -> Ensemble:
    """Choose the finished cells of a method.

    Args:
        run: A run on images.
        method: The method; None for the one that the report advises: detectably better than the
            baseline and the best on validation images, else the baseline.
        split: Split of the cells; None for all.
        seed: Seed of the cells; None for all.

    Raises:
        DataError: A run on volumes, or no finished cell of the method.
        SettingError: No such method, split or seed.

    See Also:
        `equipoise.deployment.choose_segmenters.choose_segmenters`: the same of a run on volumes.
    """
    images = run.images

    def choose_best(methods: Sequence[str]) -> tuple[str, str]:
        results = summarize_run(run)
        if len(methods) == 1 or results.baseline not in methods:
            return best_method(images, methods, FINISHED)
        advised = advised_judgment(results, images)
        if advised is not None and advised.method in methods:
            return advised.method, f"{advised.method} is what the report advises."
        return results.baseline, (
            f"{results.baseline} is the baseline, and no method is detectably better."
        )

    return choose_ensemble(run, choose_best, method=method, split=split, seed=seed)


def choose_ensemble(
    run: Run, choose_best: ChooseBest, *, method: str | None, split: str | None, seed: int | None
) -> Ensemble:
    """Choose the finished cells of a method, of a run on images or volumes.

    Args:
        run: The run.
        choose_best: Methods with finished cells to the best of them and the reason.
        method: See `choose_classifiers`.
        split: See `choose_classifiers`.
        seed: See `choose_classifiers`.

    Raises:
        DataError: No finished cell, of the method where one is requested.
        SettingError: See `choose_classifiers`.
    """
    cells = run.require_finished()
    if method is None:
        method, reason = choose_best(list(dict.fromkeys(cell.method for cell in cells)))
    else:
        pick(dict.fromkeys(run.description.method_names), method, "method")
        reason = f"{method} was requested."
    of_method = narrow(run.require_finished(method), split=split, seed=seed)
    return Ensemble(tuple(of_method), reason)


def score_images(
    run: Run, ensemble: Ensemble, images: Images, *, corrected: bool = False
) -> Scores:
    """Average the probabilities of the classifiers of an ensemble; see `scores_of_cells`.

    Returns:
        (n, k) for the run's classes; rows sum to 1.
    """
    scores = scores_of_cells(run, ensemble, images, corrected=corrected)
    return np.asarray(np.mean(list(scores.values()), axis=0))


def scores_of_cells(
    run: Run, ensemble: Ensemble, images: Images, *, corrected: bool = False
) -> dict[Cell, Scores]:
    """Compute the probabilities of each classifier of an ensemble.

    Args:
        run: A run on images.
        ensemble: Which classifiers; see `choose_classifiers`.
        images: (n, c, h, w), of the kind that the run was trained on.
        corrected: Correct each classifier's probabilities from the class shares that they imply to
            those of its real validation images; see `equipoise.metrics.priors`.

    Returns:
        {cell: (n, k) for the run's classes}; rows sum to 1. A class that a classifier was not
        trained on counts 0 for it.

    Raises:
        DataError: Images of another kind, a damaged classifier, or no validation image of a class
            to correct by.
    """
    from equipoise.estimators.loading import load_classifier

    k = len(run.description.class_names)
    of_cells: dict[Cell, Scores] = {}
    n, n_cells = len(images), len(ensemble.cells)
    for i, cell in enumerate(ensemble.cells):
        classifier = load_classifier(run.path(cell) / "classifier")
        scores = np.zeros((n, k))
        for start in range(0, n, REPORTED):
            report(f"images x {n_cells} classifiers", i * n + start, n_cells * n)
            part = images[start : start + REPORTED]
            scores[start : start + REPORTED, classifier.classes_] = classifier.predict_proba(part)
        if corrected:
            stored = read_arrays(run.path(cell) / "predictions.npz")
            y_true, y_score = stored["validation_true"], stored["validation_score"]
            trained = fit_priors(y_true=y_true, y_score=y_score)
            target = np.bincount(y_true, minlength=k)
            scores = correct_priors(scores, trained=trained, target=target)
        of_cells[cell] = scores
    report(f"images x {n_cells} classifiers", n_cells * n, n_cells * n)
    return of_cells


def move_to_own_thresholds(run: Run, scores: Mapping[Cell, Scores]) -> Scores:
    """Return probabilities whose largest is what an ensemble calls at its networks' thresholds.

    The probabilities of each network are moved by its own offsets, so that its best threshold on
    its validation images is where the largest probability decides, and averaged.

    Args:
        run: A run on images.
        scores: What `scores_of_cells` returned, uncorrected.

    Returns:
        (n, k) moved probabilities.

    Raises:
        DataError: The validation images of a cell lack a class, or no threshold changes the metric
            on which the run's verdict rests.
    """
    decisions = run.images.decisions
    moved = []
    for cell, of_cell in scores.items():
        decision = decisions[cell]
        if decision is None:
            raise DataError(
                f"Expected a threshold chosen on the validation images of '{cell}', which lack a "
                "class, or whose metric needs none. Leave --own-thresholds out."
            )
        moved.append(decision.moved(of_cell))
    return np.asarray(np.mean(moved, axis=0))


def own_thresholds(run: Run, cells: Sequence[Cell]) -> list[float]:
    """Return the threshold of each network on the positive of two classes; none of more classes."""
    if len(run.description.class_names) > 2:
        return []
    decisions = [run.images.decisions[cell] for cell in cells]
    return [decision.threshold for decision in decisions if decision is not None]


def own_thresholds_sentence(run: Run, cells: Sequence[Cell]) -> str:
    """Return by which thresholds the networks of cells decide, chosen on their validation images.

    Example:
        "Called from a probability of malignant of 0.31 on; ..."
    """
    description = run.description
    beside = "the call is the largest moved probability in the table."
    thresholds = own_thresholds(run, cells)
    if not thresholds:
        return f"Called by each network's own offsets, see thresholds.csv of the run; {beside}"
    low, median, high = np.quantile(thresholds, [0.0, 0.5, 1.0])
    name = description.class_names[description.rare_class]
    if low == high:
        return f"Called from a probability of {name} of {median:.3g} on; {beside}"
    return (
        f"Each of {len(thresholds)} networks calls {name} from a probability of its own on "
        f"({low:.3g} to {high:.3g}, median {median:.3g}), which its moved probabilities put at "
        f"0.5. Their means are in the table, and {beside} No single threshold gives the same calls."
    )


def write_predictions(
    path: Path,
    files: Sequence[str],
    scores: Scores,
    class_names: Sequence[str],
    *,
    corrected: bool,
    moved: Scores | None = None,
    thresholds: Sequence[float] = (),
) -> None:
    """Write a CSV line for each image: file, called class, threshold, probability of each class.

    Of two classes, the threshold is the probability of the positive class from which it is called:
    0.5, or that of the networks, where they have the same one. With thresholds of their own the
    call is the largest of the moved probabilities, which are in further columns. Of more classes,
    the largest probability is called.

    Args:
        path: The file.
        files: Names of the images.
        scores: (n, k) probabilities.
        class_names: Names of the classes.
        corrected: Whether the probabilities were corrected to the real class shares.
        moved: (n, k) what `move_to_own_thresholds` returned; None where the largest of the
            probabilities is called.
        thresholds: What `own_thresholds` returned, with `moved`.
    """
    header = [*FIRST, *(f"probability of {name}" for name in class_names)]
    numbers = scores
    threshold = 0.5 if len(class_names) == 2 else math.nan
    if moved is not None:
        header += [f"moved probability of {name}" for name in class_names]
        numbers = np.hstack([scores, moved])
        threshold = thresholds[0] if len(set(thresholds)) == 1 else math.nan
    calls = (scores if moved is None else moved).argmax(axis=1)
    lines: list[Sequence[object]] = []
    for name, label, row in zip(files, calls.tolist(), numbers.tolist(), strict=True):
        flags = (int(corrected), int(moved is not None))
        lines.append((name, class_names[label], *flags, threshold, *row))
    write_csv(path, header, lines)


def check_table(path: Path) -> None:
    """Check that a table of predictions may be written: only an earlier one may be replaced.

    Raises:
        SettingError: Another file or folder has this path, or no file can be written there.
    """
    make_folder(path.parent)
    if not path.exists():
        return
    if path.is_dir() or not path.read_bytes().startswith(",".join(FIRST[:3]).encode()):
        raise SettingError(
            f"{path} exists and is no table of predictions. Name another file with --out."
        )
