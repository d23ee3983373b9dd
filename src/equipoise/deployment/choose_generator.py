"""Which of the generators that a run kept makes new images, and what is known of it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from equipoise.discovery import pick
from equipoise.exceptions import DataError, SettingError
from equipoise.results.best_method import best_method, narrow
from equipoise.runs.cell import Cell
from equipoise.runs.image_run import ImageRun
from equipoise.runs.run import open_run
from equipoise.runs.store import RunStore

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
    run = open_run(store.folder).images
    kept = [f.cell for f in run.finished if (_folder(store, f.cell) / "model.json").is_file()]
    kept = [
        cell for cell in store.cells() if cell in set(kept)
    ]  # in the order in which they were trained
    if not kept:
        raise DataError(
            f"No finished cell of {store.folder} kept a generator. Methods that make new images keep theirs (see: "
            "equipoise list methods), but not in runs of earlier versions; run the study again in a new folder."
        )
    if method is None:
        method, reason = best_method(
            run, list(dict.fromkeys(cell.method for cell in kept)), "that kept a generator"
        )
    else:
        _check_kept(run, kept, method)
        reason = f"{method} was asked for."
    own = [cell for cell in kept if cell.method == method]
    return Choice(narrow(own, split=split, seed=seed)[0], reason)


def load_generator(store: RunStore, cell: Cell) -> "Oversampler":
    """Read the generator of a cell.

    Raises:
        DataError: It is damaged.
        SettingError: This version does not know its class.
    """
    from equipoise.resampling.loading import load_oversampler

    return load_oversampler(_folder(store, cell))


def weights_of(store: RunStore, cell: Cell) -> dict[str, str]:
    """Give the SHA-256 of each file of weights of a cell's generator, by its path."""
    folder = _folder(store, cell)
    files = sorted(folder.rglob("*.safetensors"))
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }


def _folder(store: RunStore, cell: Cell) -> Path:
    """Name the folder of a generator, and see that no name in study.json and no link leads out of the run."""
    folder = store.path(cell) / "generator"
    if not folder.resolve().is_relative_to(store.folder.resolve()):
        raise DataError(
            f"Expected the generator of '{cell}' inside {store.folder}, it lies elsewhere: {folder}."
        )
    return folder


def _check_kept(run: ImageRun, kept: Sequence[Cell], method: str) -> None:
    pick(dict.fromkeys(run.methods), method, "method")
    there = sorted({cell.method for cell in kept})
    if method not in there:
        raise SettingError(
            f"Method '{method}' kept no generator in this run: it makes no new images, or none of its cells has "
            f"finished. These did: {', '.join(there)}."
        )
