"""`CaseMeasures`: how well label maps agree with the reference, case by case (measures.csv)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from equipoise.atomic import reading
from equipoise.csv_cells import read_lines
from equipoise.data.volume_dataset import VolumeDataset
from equipoise.metrics.segmentation import measure_case
from equipoise.runs.csv_records import write_csv

Values = NDArray[np.float64]
ID_COLUMNS = ("case", "patient", "region")  # columns before the measures


@dataclass(frozen=True, kw_only=True, eq=False)
class CaseMeasures:
    """What `measure_case` measured on each of n cases, and how often each case counts.

    Metrics (`equipoise.experiments.region_metrics`) read `regions` and `weighting` and return one
    value per weighting, so that b resamples of the cases are scored in one call.

    Attributes:
        ids: (n,) names of the cases.
        patients: (n,) code of the patient of each case.
        regions: {region or "class <name>": {measure: (n,)}}; the measures are "tp", "fp", "fn",
            "hd95_mm" and the others that `equipoise.metrics.segmentation.measure_case` returns.
        weights: (b, n) >= 0, how often each case counts in each of b weightings; None for one
            weighting that counts each case once.
        folds: (n,) code of the fold that tested each case; None where all are of one fold.

    Example:
        >>> measures = CaseMeasures(
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
    folds: NDArray[np.int64] | None = None

    @cached_property
    def weighting(self) -> Values:
        """(b, n) weights; a single row of ones if no weights were passed."""
        return np.ones((1, len(self.ids))) if self.weights is None else self.weights

    @property
    def fold_codes(self) -> NDArray[np.int64]:
        """(n,) code of the fold that tested each case."""
        return np.zeros(len(self.ids), dtype=np.int64) if self.folds is None else self.folds

    def reweighted(self, weights: Values) -> Self:
        """Return the same measures with other weights, (b, n)."""
        return replace(self, weights=weights)

    def subset(self, rows: Sequence[int] | NDArray[np.int64] | NDArray[np.bool_]) -> Self:
        """Return the cases at `rows` (indices or a mask), in that order; weights are dropped."""
        rows = np.asarray(rows)
        regions: dict[str, dict[str, Values]] = {}
        for region, measures in self.regions.items():
            regions[region] = {measure: values[rows] for measure, values in measures.items()}
        return replace(
            self,
            ids=self.ids[rows],
            patients=self.patients[rows],
            regions=regions,
            weights=None,
            folds=None if self.folds is None else self.folds[rows],
        )


def join_cases(parts: Sequence[CaseMeasures], folds: Sequence[int]) -> CaseMeasures:
    """Concatenate the cases of several cells and sort them by case name; weights are dropped.

    Args:
        parts: The cases of each cell; all have the regions and measures of the first.
        folds: Code of the fold of each cell.
    """
    regions: dict[str, dict[str, Values]] = {}
    for region, measures in parts[0].regions.items():
        regions[region] = {}
        for measure in measures:
            values = [part.regions[region][measure] for part in parts]
            regions[region][measure] = np.concatenate(values)
    ids = np.concatenate([part.ids for part in parts])
    patients = np.concatenate([part.patients for part in parts])
    fold_codes = np.repeat(np.array(folds, dtype=np.int64), [len(part.ids) for part in parts])
    joined = CaseMeasures(ids=ids, patients=patients, regions=regions, folds=fold_codes)
    return joined.subset(np.argsort(ids, kind="stable"))


def measure_all(dataset: VolumeDataset, maps: Sequence[NDArray[np.uint8]]) -> CaseMeasures:
    """Measure the predicted label map of each case against its reference label map.

    Args:
        dataset: The prepared cases with their reference label maps, cropped to the brain.
        maps: The predicted label maps (z, y, x) in the order of the cases, cropped alike; class
            codes.
    """
    cases = []  # for each case {region: {measure: value}}
    for row, label_map in enumerate(maps):
        case = measure_case(
            truth=dataset.arrays(row).codes,
            prediction=label_map,
            regions=dataset.regions,
            spacing_mm=dataset.volumes[row].spacing_mm,
            class_names=dataset.class_names,
        )
        cases.append(case)
    regions: dict[str, dict[str, Values]] = {}
    for region, measures in cases[0].items():
        regions[region] = {}
        for measure in measures:
            values = [case[region][measure] for case in cases]
            regions[region][measure] = np.array(values, dtype=np.float64)
    return CaseMeasures(ids=dataset.ids, patients=dataset.groups, regions=regions)


def write_measures(measures: CaseMeasures, path: Path) -> None:
    """Write a CSV line for each case and region: `ID_COLUMNS`, then a column for each measure.

    A field is empty where the measure is not defined (NaN).
    """
    names = list(next(iter(measures.regions.values())))
    lines = []
    for i, (case, patient) in enumerate(zip(measures.ids, measures.patients, strict=True)):
        for region, values in measures.regions.items():
            numbers = [float(values[name][i]) for name in names]
            lines.append((str(case), int(patient), region, *numbers))
    write_csv(path, (*ID_COLUMNS, *names), lines)


def read_measures(path: Path) -> CaseMeasures:
    """Read the file that `write_measures` wrote; empty fields become NaN.

    Raises:
        DamagedFileError: The file is damaged.
    """
    patients: dict[str, int] = {}  # {case: patient}
    numbers: dict[str, dict[str, list[float]]] = {}  # {region: {measure: n values}}
    with reading(path), path.open(newline="", encoding="utf-8") as file:
        for row in read_lines(file):
            patients[row["case"]] = int(row["patient"])
            of_region = numbers.setdefault(row["region"], {})
            for name, text in row.items():
                if name not in ID_COLUMNS:
                    of_region.setdefault(name, []).append(float(text or "nan"))
    regions: dict[str, dict[str, Values]] = {}
    for region, measures in numbers.items():
        regions[region] = {name: np.array(values) for name, values in measures.items()}
    return CaseMeasures(
        ids=np.array(list(patients), dtype=str),
        patients=np.array(list(patients.values()), dtype=np.int64),
        regions=regions,
    )
