"""What a report is made of, read from the folder of a run; nothing is computed here."""

import csv
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.arrays import Images, Labels
from equipoise.atomic import read_json
from equipoise.report.figures import Curve, Point
from equipoise.results.image_tables import Results
from equipoise.results.tables import summarize_run
from equipoise.runs.cell import Cell
from equipoise.runs.store import RunStore

History = Mapping[tuple[str, str], Curve]  # (stage, name) -> values over steps


@dataclass(frozen=True, kw_only=True, eq=False)
class Pictures:
    """Some images and where they are from."""

    images: Images
    labels: Labels
    origin: str

    def of_class(self, label: int) -> Images:
        """Give the images of one class, in stored order."""
        return np.asarray(self.images[self.labels == label])


@dataclass(frozen=True, kw_only=True, eq=False)
class Contents:
    """A run as it is stored.

    Attributes:
        folder: Where it is stored.
        study: `study.json`.
        results: What `summarize` makes of the predictions.
        records: `record.json` of every cell that was tried, in the asked order.
        n_cells: Number of cells that were asked for.
        duplicates: `duplicates.json`; None where no scan was made.
        histories: What each finished cell recorded while it was trained.
        examples: Real training images; None where none are kept.
        synthetic: Synthetic images of the first cell that kept some, for each method.
    """

    folder: Path
    study: Mapping[str, Any]
    results: Results
    records: list[dict[str, Any]]
    n_cells: int
    duplicates: Mapping[str, Any] | None
    histories: Mapping[Cell, History]
    examples: Pictures | None
    synthetic: Mapping[str, Pictures]

    @property
    def methods(self) -> list[str]:
        """Names of the methods, in the asked order."""
        return [method["name"] for method in self.study["methods"]]

    @property
    def class_names(self) -> list[str]:
        """Names of the classes."""
        return list(self.study["dataset"]["class_names"])

    @property
    def rare_class(self) -> str:
        """Name of the positive class."""
        return self.results.class_names[self.results.rare_class]

    def done(self, method: str | None = None) -> list[dict[str, Any]]:
        """List the records of finished cells, of one method or of all."""
        return [r for r in self.records if r["status"] == "done" and method in (None, r["method"])]

    @property
    def failed(self) -> list[dict[str, Any]]:
        """The records of failed cells."""
        return [r for r in self.records if r["status"] == "failed"]


def read_contents(folder: Path) -> Contents:
    """Read a run, finished or not.

    Raises:
        DataError: The folder holds no run.
    """
    store = RunStore(folder)
    study, cells = store.study(), store.cells()
    methods = [method["name"] for method in study["methods"]]
    tried = [cell for cell in cells if store.has(cell) or store.has_failed(cell)]
    tried.sort(
        key=lambda cell: methods.index(cell.method)
    )  # methods in the asked order, then seeds and splits
    paths = {cell: store.path(cell) for cell in tried}
    return Contents(
        folder=folder,
        study=study,
        results=summarize_run(folder),
        records=[store.record(cell) for cell in tried],
        n_cells=len(cells),
        duplicates=read_json(p) if (p := folder / "duplicates.json").is_file() else None,
        histories={
            c: _read_history(p)
            for c, path in paths.items()
            if (p := path / "history.csv").is_file()
        },
        examples=_read_pictures(folder / "examples.npz", "training images of the first split"),
        synthetic=_first_synthetic(paths),
    )


def _first_synthetic(paths: Mapping[Cell, Path]) -> dict[str, Pictures]:
    first: dict[str, Pictures] = {}
    for cell, path in paths.items():
        pictures = _read_pictures(path / "synthetic.npz", f"{cell.split}, seed {cell.seed}")
        if pictures is not None:
            first.setdefault(cell.method, pictures)
    return first


def _read_pictures(path: Path, origin: str) -> Pictures | None:
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as arrays:
        return Pictures(images=arrays["images"], labels=arrays["labels"], origin=origin)


def _read_history(path: Path) -> History:
    curves: dict[tuple[str, str], list[Point]] = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            curves[row["stage"], row["name"]].append((float(row["step"]), float(row["value"])))
    return dict(curves)
