"""Which of the generators that a run kept makes new images, and what is known of it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from equipoise.discovery import pick, unknown
from equipoise.exceptions import DataError, SettingError
from equipoise.experiments.cell import Cell
from equipoise.experiments.store import RunStore
from equipoise.experiments.stored import StoredStudy, read_study
from equipoise.metrics.classification import METRICS
from equipoise.metrics.statistics import mean_known

if TYPE_CHECKING:
    from equipoise.resampling.base import Oversampler


@dataclass(frozen=True)
class Choice:
    """The cell whose generator is used, and why, in a sentence."""

    cell: Cell
    reason: str


def choose_generator(
    store: RunStore, *, method: str | None = None, split: str | None = None, seed: int | None = None
) -> Choice:
    """Choose a cell that kept its generator.

    Args:
        store: Folder of the run.
        method: Whose generator; where None, that of the method with the best mean of the primary metric over its
            finished cells, among those that kept one.
        split: Of the cell; the first where None.
        seed: Of the cell; the first where None.

    Raises:
        DataError: No run, or no cell of it kept a generator.
        SettingError: No such method, split or seed, or it kept no generator.
    """
    study = read_study(store.folder)
    kept = [one.cell for one in study.finished if (_folder(store, one.cell) / "model.json").is_file()]
    kept = [cell for cell in store.cells() if cell in set(kept)]  # in the order in which they were trained
    if not kept:
        raise DataError(
            f"No finished cell of {store.folder} kept a generator. Methods that make new images keep theirs (see: "
            "equipoise list methods), but not in runs of earlier versions; run the study again in a new folder."
        )
    if method is None:
        method, reason = _best(study, list(dict.fromkeys(cell.method for cell in kept)))
    else:
        _check_kept(study, kept, method)
        reason = f"{method} was asked for."
    own = [cell for cell in kept if cell.method == method]
    _check_known("split", split, list(dict.fromkeys(cell.split for cell in own)), method)
    own = [cell for cell in own if split in (None, cell.split)]
    _check_known("seed", seed, [cell.seed for cell in own], method)
    return Choice(next(cell for cell in own if seed in (None, cell.seed)), reason)


def load_generator(store: RunStore, cell: Cell) -> "Oversampler":
    """Read the generator of a cell.

    Raises:
        DataError: It is damaged.
        SettingError: This version does not know its class.
    """
    import equipoise.curation.oversampler  # noqa: F401  # makes its class known
    from equipoise.resampling.loading import load_oversampler

    return load_oversampler(_folder(store, cell))


def weights_of(store: RunStore, cell: Cell) -> dict[str, str]:
    """Give the SHA-256 of each file of weights of a cell's generator, by its path."""
    folder = _folder(store, cell)
    files = sorted(folder.rglob("*.safetensors"))
    return {file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _folder(store: RunStore, cell: Cell) -> Path:
    """Name the folder of a generator, and see that no name in study.json and no link leads out of the run."""
    folder = store.path(cell) / "generator"
    if not folder.resolve().is_relative_to(store.folder.resolve()):
        raise DataError(f"Expected the generator of '{cell}' inside {store.folder}, it lies elsewhere: {folder}.")
    return folder


def _best(study: StoredStudy, methods: Sequence[str]) -> tuple[str, str]:
    """Give the best of these methods and a sentence that says so; the first of several equal ones."""
    metric = pick(METRICS, study.primary_metric, "metric")
    means, sign = _means(study, methods), 1 if metric.higher_is_better else -1
    best = max(methods, key=lambda name: sign * means[name] if np.isfinite(means[name]) else -np.inf)
    if len(methods) == 1:
        return best, f"{best} is the only method of this run that kept a generator."
    n_runs = sum(one.cell.method == best for one in study.finished)
    return best, (
        f"{best} has the best {metric.label} of the {len(methods)} methods that kept a generator "
        f"({means[best]:.3f}, mean of {n_runs} test{'s' * (n_runs != 1)})."
    )


def _means(study: StoredStudy, methods: Sequence[str]) -> Mapping[str, float]:
    rule = METRICS[study.primary_metric].rule
    values: dict[str, list[float]] = {name: [] for name in methods}
    for one in study.finished:
        if one.cell.method in values:
            values[one.cell.method].append(float(rule(one.predictions)[0]))
    return {name: float(mean_known(np.array(found))) for name, found in values.items()}


def _check_kept(study: StoredStudy, kept: Sequence[Cell], method: str) -> None:
    pick(dict.fromkeys(study.methods), method, "method")
    there = sorted({cell.method for cell in kept})
    if method not in there:
        raise SettingError(
            f"Method '{method}' kept no generator in this run: it makes no new images, or none of its cells has "
            f"finished. These did: {', '.join(there)}."
        )


def _check_known(kind: str, asked: Any, known: Sequence[Any], method: str) -> None:
    if asked is not None and asked not in known:
        names = [str(one) for one in dict.fromkeys(known)]
        raise SettingError(unknown(str(asked), names, f"{kind} with a generator of {method}"))
