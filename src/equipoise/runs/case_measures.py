"""`Measures`: how far a method's label maps agree with those of the doctors, case by case, as stored."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.metrics.segmentation import measure_case
from equipoise.runs.csv_records import write_csv

Values = NDArray[np.float64]
IDENTITY = ("case", "patient", "region")


@dataclass(frozen=True, kw_only=True, eq=False)
class Measures:
    """What was measured on n cases, seen under b weightings of them.

    Attributes:
        ids: (n,) names of the cases.
        patients: (n,) patient of each.
        regions: {region or class: {measure: (n,)}}; see `equipoise.metrics.segmentation.measure_case`.
        weights: (b, n) >= 0, how often each case counts; None counts each once.
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
        """Give the same measures under other weights (b, n)."""
        return replace(self, weights=weights)

    def subset(self, rows: Any) -> Self:
        """Keep some cases, in that order."""
        regions = {
            name: {key: v[rows] for key, v in found.items()} for name, found in self.regions.items()
        }
        return replace(
            self, ids=self.ids[rows], patients=self.patients[rows], regions=regions, weights=None
        )


def join(parts: Sequence[Measures]) -> Measures:
    """Put the cases of several cells together, in the order of their names."""
    first = parts[0].regions
    ids = np.concatenate([part.ids for part in parts])
    joined = Measures(
        ids=ids,
        patients=np.concatenate([part.patients for part in parts]),
        regions={
            name: {
                key: np.concatenate([part.regions[name][key] for part in parts]) for key in found
            }
            for name, found in first.items()
        },
    )
    return joined.subset(np.argsort(ids, kind="stable"))


def measure_all(dataset: VolumeDataset, maps: Sequence[NDArray[np.uint8]]) -> Measures:
    """Compare the label map of each case with the doctors'; both are of the prepared case, cropped to the brain."""
    found = [
        measure_case(
            truth=dataset.arrays(row).codes,
            prediction=codes,
            regions=dataset.regions,
            spacing_mm=dataset.volumes[row].spacing_mm,
            class_names=dataset.class_names,
        )
        for row, codes in enumerate(maps)
    ]
    regions = {
        name: {
            key: np.array([case[name][key] for case in found], dtype=np.float64) for key in measured
        }
        for name, measured in found[0].items()
    }
    return Measures(ids=dataset.ids, patients=dataset.groups, regions=regions)


def write_measures(measures: Measures, path: Path) -> None:
    """Write a line for each case and region; a field is empty where its number is not defined."""
    keys = list(next(iter(measures.regions.values())))
    lines = [
        (str(case), int(patient), name, *(float(found[key][i]) for key in keys))
        for i, (case, patient) in enumerate(zip(measures.ids, measures.patients, strict=True))
        for name, found in measures.regions.items()
    ]
    write_csv(path, (*IDENTITY, *keys), lines)


def read_measures(path: Path) -> Measures:
    """Read what `write_measures` wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    patients = {row["case"]: int(row["patient"]) for row in rows}
    keys = [key for key in rows[0] if key not in IDENTITY]
    names = list(dict.fromkeys(row["region"] for row in rows))
    values = {(row["case"], row["region"]): row for row in rows}
    return Measures(
        ids=np.array(list(patients), dtype=str),
        patients=np.array(list(patients.values()), dtype=np.int64),
        regions={
            name: {
                key: np.array([float(values[case, name][key] or "nan") for case in patients])
                for key in keys
            }
            for name in names
        },
    )
