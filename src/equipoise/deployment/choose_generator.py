"""Choose which generator of a run generates new images, and load it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from equipoise.discovery import pick
from equipoise.exceptions import DataError, SettingError
from equipoise.results.best_method import best_method, narrow
from equipoise.runs.cell import Cell
from equipoise.runs.run import Run

if TYPE_CHECKING:
    from equipoise.resampling.base import Oversampler


@dataclass(frozen=True)
class GeneratorChoice:
    """The cell whose generator is used, and the reason, as a sentence."""

    cell: Cell
    reason: str


def choose_generator(
    run: Run, *, method: str | None = None, split: str | None = None, seed: int | None = None
) -> GeneratorChoice:
    """Choose a finished cell with a stored generator.

    Args:
        run: The run.
        method: Its method; None for the one with the best mean of the primary metric over its
            finished cells, among those that stored a generator.
        split: Its split; None for the first.
        seed: Its seed; None for the first.

    Raises:
        DataError: A run on volumes, no finished cell of the method, or none stored a generator.
        SettingError: No such method, split or seed, or it stored no generator.
    """
    cells = []
    for cell in run.require_finished():
        if (generator_folder(run, cell) / "model.json").is_file():
            cells.append(cell)
    if not cells:
        raise DataError(
            f"No finished cell of {run.folder} stored a generator: its methods are "
            f"{', '.join(run.description.method_names)}. Name one that learns to generate images, "
            "such as dcgan, with --methods in a run with the same --out, which adds it."
        )
    # In the order of training: seed by seed, split by split, method by method.
    split_names = [described.name for described in run.description.splits]
    cells.sort(key=lambda cell: (cell.seed, split_names.index(cell.split)))
    methods = list(dict.fromkeys(cell.method for cell in cells))
    if method is None:
        method, reason = best_method(run.images, methods, "with a stored generator")
    else:
        pick(dict.fromkeys(run.description.method_names), method, "method")
        reason = f"{method} was requested."
    if method not in methods:
        run.require_finished(method)
        raise SettingError(
            f"Method '{method}' stored no generator in this run: it generates no new images. "
            f"These did: {', '.join(sorted(methods))}."
        )
    of_method = [cell for cell in cells if cell.method == method]
    return GeneratorChoice(narrow(of_method, split=split, seed=seed)[0], reason)


def load_generator(run: Run, cell: Cell) -> "Oversampler":
    """Load the generator of a cell.

    Raises:
        DataError: It is damaged.
        SettingError: This version does not have its class.
    """
    from equipoise.resampling.loading import load_oversampler

    return load_oversampler(generator_folder(run, cell))


def weights_of(run: Run, cell: Cell) -> dict[str, str]:
    """Compute the SHA-256 of each weight file of a cell's generator, by its path."""
    folder = generator_folder(run, cell)
    digests = {}
    for file in sorted(folder.rglob("*.safetensors")):
        name = file.relative_to(folder).as_posix()
        digests[name] = hashlib.sha256(file.read_bytes()).hexdigest()
    return digests


def generator_folder(run: Run, cell: Cell) -> Path:
    """Return the folder of a cell's generator, which may be absent."""
    return run.path(cell) / "generator"
