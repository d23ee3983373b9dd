"""`Measures`: agreement of a method's label maps with the reference, case by case, as stored."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.metrics.segmentation import measure_case
from equipoise.runs.csv_records import write_csv

Values = NDArray[np.float64]
IDENTITY = ("case", "patient", "region")  # columns before the measures


@dataclass(frozen=True, kw_only=True, eq=False)
class Measures:
    """What was measured on n cases, under b weightings of them.

    Attributes:
        ids: (n,) names of the cases.
        patients: (n,) patient of each.
        regions: {region or class: {measure: (n,)}}; see
            `equipoise.metrics.segmentation.measure_case`.
        weights: (b, n) >= 0, how often each case counts; None counts each once.

    Example:
        >>> measures = Measures(
        ...     ids=np.array(["a", "b"]), patients=np.array([0, 1]),
        ...     regions={"whole": {"tp": np.array([5.0, 7.0])}},
        ... )
        >>> measures.subset([1]).regions["whole"]["tp"].tolist()
        [7.0]
    """

    ids: NDArray[np.str_]
    patients: NDArray[np.int64]
    regions: Mapping[str, Mapping[str, Values]]
    weights: Values | None = None

    @cached_property
    def weighting(self) -> Values:
        """(b, n) weights, a row of ones where none were given."""
        return np.ones((1, len(self.ids))) if self.weights is None else self.weights

    def reweighted(self, weights: Values) -> Self:
        """Return the same measures under other weights (b, n)."""
        return replace(self, weights=weights)

    def subset(self, rows: Sequence[int] | NDArray[np.int64] | NDArray[np.bool_]) -> Self:
        """Return some cases, in the order of `rows`, without weights."""
        index = np.asarray(rows)
        regions: dict[str, dict[str, Values]] = {}
        for region, measures in self.regions.items():
            regions[region] = {measure: values[index] for measure, values in measures.items()}
        return replace(
            self,
            ids=self.ids[index],
            patients=self.patients[index],
            regions=regions,
            weights=None,
        )


def join(parts: Sequence[Measures]) -> Measures:
    """Join the cases of several cells, in the order of their names."""
    regions: dict[str, dict[str, Values]] = {}
    for region, measures in parts[0].regions.items():
        regions[region] = {}
        for measure in measures:
            values = [part.regions[region][measure] for part in parts]
            regions[region][measure] = np.concatenate(values)
    ids = np.concatenate([part.ids for part in parts])
    patients = np.concatenate([part.patients for part in parts])
    joined = Measures(ids=ids, patients=patients, regions=regions)
    return joined.subset(np.argsort(ids, kind="stable"))


def measure_all(dataset: VolumeDataset, maps: Sequence[NDArray[np.uint8]]) -> Measures:
    """Compare the label map of each case with the reference.

    Args:
        dataset: The prepared cases, cropped to the brain.
        maps: Their label maps (z, y, x), of the same extent, codes of classes.
    """
    measured = []  # of each case: {region: {measure: value}}
    for row, codes in enumerate(maps):
        case = measure_case(
            truth=dataset.arrays(row).codes,
            prediction=codes,
            regions=dataset.regions,
            spacing_mm=dataset.volumes[row].spacing_mm,
            class_names=dataset.class_names,
        )
        measured.append(case)
    regions: dict[str, dict[str, Values]] = {}
    for region, measures in measured[0].items():
        regions[region] = {}
        for measure in measures:
            values = [case[region][measure] for case in measured]
            regions[region][measure] = np.array(values, dtype=np.float64)
    return Measures(ids=dataset.ids, patients=dataset.groups, regions=regions)


def write_measures(measures: Measures, path: Path) -> None:
    """Write a line for each case and region; a field is empty where its number is not defined."""
    names = list(next(iter(measures.regions.values())))
    lines = []
    for i, (case, patient) in enumerate(zip(measures.ids, measures.patients, strict=True)):
        for region, values in measures.regions.items():
            numbers = [float(values[name][i]) for name in names]
            lines.append((str(case), int(patient), region, *numbers))
    write_csv(path, (*IDENTITY, *names), lines)


def read_measures(path: Path) -> Measures:
    """Read what `write_measures` wrote."""
    patients: dict[str, int] = {}
    numbers: dict[str, dict[str, list[float]]] = {}  # {region: {measure: one for each case}}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            patients[row["case"]] = int(row["patient"])
            of_region = numbers.setdefault(row["region"], {})
            for name, text in row.items():
                if name not in IDENTITY:
                    of_region.setdefault(name, []).append(float(text or "nan"))
    regions: dict[str, dict[str, Values]] = {}
    for region, measures in numbers.items():
        regions[region] = {name: np.array(values) for name, values in measures.items()}
    return Measures(
        ids=np.array(list(patients), dtype=str),
        patients=np.array(list(patients.values()), dtype=np.int64),
        regions=regions,
    )
