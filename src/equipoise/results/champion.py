"""Do synthetic images help more than controls that cost nothing?

A method that adds synthetic images, chosen on validation images, is compared with each control that
adds none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from equipoise.experiments.protocol import STRONG_CONTROLS
from equipoise.metrics.base import Values
from equipoise.metrics.classification import METRICS
from equipoise.results.bootstrap_scores import BootstrapScores
from equipoise.results.comparison import compare_family
from equipoise.results.phrases import MOST_NAMED, listed, plural, with_interval, with_verdict
from equipoise.results.records import RANKING, ChoiceBasis, Comparison, Contest
from equipoise.results.replay import replays
from equipoise.runs.cell import Cell
from equipoise.runs.image_run import FinishedCell, ImageRun

CHOSEN = "the chosen generator"  # stands for several methods, one for each run


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The method that is compared in each run.

    Attributes:
        methods: {(split, seed): method}.
        basis: Whose validation images chose.
    """

    methods: Mapping[tuple[str, int], str]
    basis: ChoiceBasis


def hold_contest(run: ImageRun, scores: BootstrapScores) -> Contest | None:
    """Compare the champion with every control; None without methods that add images, or controls.

    The champion is chosen for every run by itself (`choose`). What is compared is its cell minus
    the control's cell of the same run, on the decisive metric and on `RANKING`.
    """
    finished = {cell.cell.method for cell in run.finished} - {*run.adding, run.baseline}
    controls = [name for name in run.methods if name in finished]
    strong = {*STRONG_CONTROLS, *replays(run.description)}
    controls = [name for name in controls if name in strong] or controls
    if not (run.adding and controls):
        return None
    choice = choose(run)
    chosen = list(choice.methods.values())
    counts = {name: chosen.count(name) for name in run.adding if name in chosen}
    champion = max(run.adding, key=lambda name: counts.get(name, 0))
    metrics = {metric.name: metric for metric in (run.decisive_metric, METRICS[RANKING])}
    pairs = [(CHOSEN, control) for control in controls]
    with_chosen = add_chosen(choice, list(metrics), run, scores)
    rows = compare_family(pairs, list(metrics.values()), *with_chosen)
    if len(counts) == 1:
        rows = [replace(row, method=champion) for row in rows]
    return Contest(
        champion=champion,
        chosen=counts,
        basis=choice.basis,
        n_challengers=len(run.adding),
        controls=tuple(controls),
        rows=tuple(rows),
        sentence=_sentence(counts, rows[: len(controls)], run),
    )


def choose(run: ImageRun) -> Choice:
    """Choose for every run (split, seed) the best of the methods that add images.

    The best has the highest mean decisive metric on the validation images of the other seeds of its
    split. Neither the tested patients nor the luck of the tested training take part, so that the
    difference on the test images is that of a method named beforehand. The best over all cells is
    not: with overlapping hold-outs the validation patients of one split are test patients of
    another, and a lucky training is lucky on both. Nor is it enough to take the validation patients
    of the other splits that this split does not test: the other splits have trained on those that
    it does (`simulations/champion.py`).

    With a single seed there are only the other splits, without the tested patients; with a single
    run only its own validation images. Of equally good methods the first is chosen.
    """
    splits = [split.name for split in run.description.splits]
    seeds = run.description.seeds
    cells = {cell.cell: cell for cell in run.on_validation().finished}
    names = np.array(run.adding)
    exists = np.zeros((len(names), len(splits), len(seeds)), dtype=np.bool_)
    for m, s, j in np.ndindex(exists.shape):
        exists[m, s, j] = Cell(run.adding[m], splits[s], seeds[j]) in cells
    values = np.full(exists.shape, np.nan)
    for m, s, j in zip(*np.nonzero(exists), strict=True):
        values[m, s, j] = _score(cells[Cell(run.adding[m], splits[s], seeds[j])], run)
    basis: ChoiceBasis = "own"
    if len(seeds) > 1:
        basis, values = "other seeds", mean_of_other_seeds(values)
    elif len(splits) > 1:
        basis, values = "other splits", _mean_of_other_splits(cells, splits, run)
    methods = {}
    for s, j in zip(*np.nonzero(exists.any(axis=0)), strict=True):
        best = best_of(values[:, s, j], exists[:, s, j])
        methods[splits[s], seeds[j]] = str(names[best])
    return Choice(methods=methods, basis=basis)


def mean_of_other_seeds(values: Values) -> Values:
    """Average (..., seeds) over the other seeds, leaving out NaN; NaN where none is left.

    Example:
        >>> import numpy as np
        >>> mean_of_other_seeds(np.array([1.0, 2.0, 6.0])).tolist()
        [4.0, 3.5, 1.5]
    """
    defined = np.isfinite(values)
    known = np.where(defined, values, 0.0)
    total = known.sum(axis=-1, keepdims=True) - known
    count = defined.sum(axis=-1, keepdims=True) - defined
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def best_of(values: Values, exists: NDArray[np.bool_]) -> int:
    """Return the position of the highest value, the first of equal ones; NaN comes last."""
    known = np.where(np.isfinite(values), values, np.finfo(np.float64).min)
    return int(np.where(exists, known, -np.inf).argmax())


def add_chosen(
    choice: Choice, metrics: Sequence[str], run: ImageRun, scores: BootstrapScores
) -> tuple[ImageRun, BootstrapScores]:
    """Return run and scores with the chosen cells once more, as those of the method `CHOSEN`."""
    rows = list(range(len(run.finished)))
    finished = list(run.finished)
    for row, cell in enumerate(run.finished):
        place = (cell.cell.split, cell.cell.seed)
        if choice.methods.get(place) == cell.cell.method:
            rows.append(row)
            finished.append(replace(cell, cell=Cell(CHOSEN, *place)))
    scores = replace(
        scores,
        values={name: scores.values[name][rows] for name in metrics},
        draws={name: scores.draws[name][rows] for name in metrics},
        posterior={},
    )
    return replace(run, finished=tuple(finished)), scores


def _mean_of_other_splits(
    cells: Mapping[Cell, FinishedCell], splits: Sequence[str], run: ImageRun
) -> Values:
    """Average the scores of the other splits on patients that a split does not test: (m, s, 1)."""
    tested = {cell.cell.split: cell.patients for cell in run.finished}
    (seed,) = run.description.seeds
    means = np.full((len(run.adding), len(splits), 1), np.nan)
    for m, method in enumerate(run.adding):
        for s, split in enumerate(splits):
            values = []
            for other in splits:
                cell = cells.get(Cell(method, other, seed))
                if other != split and split in tested and cell is not None:
                    values.append(_score(cell, run, without=tested[split]))
            defined = [value for value in values if np.isfinite(value)]
            if defined:
                means[m, s, 0] = np.mean(defined)
    return means


def _score(cell: FinishedCell, run: ImageRun, without: NDArray[np.int64] | None = None) -> float:
    """Return the decisive metric of a cell of `on_validation`, higher is better; NaN if undefined.

    Args:
        cell: Its predictions are those of validation images.
        run: The run.
        without: Patients that do not count.
    """
    predictions = run.decided(cell)
    if predictions is None:
        return np.nan
    if without is not None:
        weights = ~np.isin(cell.patients, without)
        predictions = predictions.reweighted(weights[None].astype(np.float64))
    value = float(run.decisive_metric.rule(predictions)[0])
    return value if run.decisive_metric.higher_is_better else -value


def _sentence(counts: Mapping[str, int], rows: Sequence[Comparison], run: ImageRun) -> str:
    label = run.decisive_metric.label
    better = with_verdict("better", rows)
    not_better = [row for row in rows if row not in better]
    if not not_better:
        return (
            f"Synthetic images beat every cheap control in {label}: {_who(counts, run)} gains "
            f"{_by_control(better, 'over')}."
        )
    if all(row.verdict == "worse" for row in rows):
        return (
            f"Synthetic images do worse than every cheap control in {label}: {_who(counts, run)} "
            f"differs by {_by_control(rows, 'from')}."
        )
    text = (
        f"Synthetic images do not detectably beat every cheap control in {label}: "
        f"{_who(counts, run)} differs by {_by_control(not_better, 'from')}"
    )
    return f"{text}; it gains {_by_control(better, 'over')}." if better else f"{text}."


def _who(counts: Mapping[str, int], run: ImageRun) -> str:
    """Name the method that was chosen, or how often each one was."""
    n_arms, names = len(run.adding), sorted(counts, key=lambda name: -counts[name])
    if n_arms == 1:
        return f"{run.adding[0]}, the only such arm,"
    if len(names) == 1:
        return f"{names[0]}, of {n_arms} such arms the choice on validation images in every run,"
    first = f"{names[0]} in {counts[names[0]]} of {plural(sum(counts.values()), 'run')}"
    others = [f"{name} in {counts[name]}" for name in names[1:]]
    return f"of {n_arms} such arms the choice on validation images ({listed([first, *others])})"


def _by_control(rows: Sequence[Comparison], word: str) -> str:
    parts = [f"{with_interval(row)} {word} {row.baseline}" for row in rows[:MOST_NAMED]]
    if len(rows) > MOST_NAMED:
        parts.append(f"{len(rows) - MOST_NAMED} more")
    return listed(parts)
