"""Compute the tests and intervals of a published study of volumes again, without its run.

Usage, from the project's root: python -m studies.republish_volumes docs/results/NAME

Reads patients.csv (the Dice of every patient) and study.json, and rewrites comparisons*.csv, the
intervals of table.csv and their tables in README.md, with the functions that a run uses. The fold
of each patient is read from folds.csv; where that is missing, the study is planned again from its
command (nothing is trained) and has to have the folds whose hashes study.json holds. Of other
metrics than Dice only the means were published: where several patients share a fold their intervals
cannot be computed, and are left empty.
"""

import argparse
import csv
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.exceptions import DataError
from equipoise.experiments.description import describe
from equipoise.experiments.region_metrics import MEAN_DICE, by_size, dice_names
from equipoise.metrics.segmentation import MEASURES
from equipoise.results.records import Comparison, MethodResult, Results, Summary
from equipoise.results.volume_tables import summarize_volumes
from equipoise.runs.case_measures import CaseMeasures, write_measures
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import VolumeCellRecord
from equipoise.runs.containment import read_description
from equipoise.runs.csv_records import column_names, write_csv, write_rows
from equipoise.runs.description import StudyDescription
from equipoise.runs.run import Run, requested_cells
from studies.publish_volumes import MEANS_ALONE, OTHER_METRICS, dice_caption
from studies.s3_brain_tumor_sampling import COMMAND, PROTOCOLS
from studies.tables import means, pairs

Dice = Mapping[tuple[str, int, int, str], float]  # method, seed, patient, metric
ROUNDING = 3e-6  # of means over regions and patients of numbers with six decimals
TABLE = ("method", "n_failed", "metric", *column_names(Summary))


def republish(folder: Path) -> Results:
    """Rewrite the tests and intervals of a folder of docs/results."""
    description = read_description(folder)
    folds = _folds(folder, description)
    dice = _read_dice(folder / "patients.csv")
    against = {"comparisons": description.baseline}
    for path in folder.glob("comparisons_with_*.csv"):
        against[path.stem] = path.stem.removeprefix("comparisons_with_")
    with tempfile.TemporaryDirectory() as temporary:
        run = _rebuild(Path(temporary), description, folds, dice)
        by_table = {name: summarize_volumes(run, baseline=base) for name, base in against.items()}
    for name, results in by_table.items():
        write_rows(folder / f"{name}.csv", Comparison, results.comparisons)
    results = _with_published(by_table["comparisons"], folder / "table.csv", description)
    lines = []
    for method in results.methods:
        for metric, summary in method.metrics.items():
            lines.append((method.method, method.n_failed, metric, *astuple(summary)))
    write_csv(folder / "table.csv", TABLE, lines)
    _rewrite_page(folder / "README.md", results, list(by_table.values()), description)
    return results


def _folds(folder: Path, description: StudyDescription) -> NDArray[np.int64]:
    """Return the fold of each patient, from folds.csv or by planning the study again."""
    path = folder / "folds.csv"
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            return np.array([int(row["fold"]) for row in csv.DictReader(file)], dtype=np.int64)
    n_patients = description.dataset.n_groups
    if len(description.splits) == n_patients:
        folds = np.arange(n_patients)  # one patient each; which is which changes no number
    else:
        protocol = str(description.facts["command"]).removeprefix(f"{COMMAND} --protocol ")
        study = PROTOCOLS[protocol]()
        planned = [split.fingerprint for split in describe(study).splits]
        if planned != [split.fingerprint for split in description.splits]:
            raise DataError(f"Expected the folds of {folder}/study.json, planned others.")
        folds = np.zeros(n_patients, dtype=np.int64)
        for fold, split in enumerate(study.splits):
            folds[study.dataset.groups[split.test]] = fold
    write_csv(path, ("patient", "fold"), enumerate(folds.tolist()))
    return folds


def _read_dice(path: Path) -> Dice:
    dice = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            key = (row["method"], int(row["seed"]), int(row["patient"]), row["metric"])
            dice[key] = float(row["value"])
    return dice


def _rebuild(
    folder: Path, description: StudyDescription, folds: NDArray[np.int64], dice: Dice
) -> Run:
    """Build a run whose cells have the published Dice of each patient; all else is empty."""
    records = {}
    split_names = [split.name for split in description.splits]
    for cell in requested_cells(description):
        patients = np.flatnonzero(folds == split_names.index(cell.split))
        path = folder / "cells" / cell.folder
        path.mkdir(parents=True)
        write_measures(_measures(cell, description, patients, dice), path / "measures.csv")
        records[cell] = VolumeCellRecord(
            cell=cell,
            steps=(),
            fingerprint="",
            versions={},
            machine={},
            threads=1,
            device="",
            seconds={},
            resumed=False,
            peak_memory_mb=0.0,
            voxels_before=(),
        )
    return Run(folder=folder, description=description, cells=tuple(records), records=records)


def _measures(
    cell: Cell, description: StudyDescription, patients: NDArray[np.int64], dice: Dice
) -> CaseMeasures:
    """Return counts of a truth and a prediction of one size whose overlap is the Dice."""
    empty = dict.fromkeys(MEASURES, np.zeros(len(patients)))
    regions: dict[str, dict[str, NDArray[np.float64]]] = {}
    for region, metric in zip(
        description.volumes.regions, dice_names(description.volumes.regions), strict=True
    ):
        tp = np.array([dice[cell.method, cell.seed, int(p), metric] for p in patients])
        regions[region] = {**empty, "tp": tp, "fp": 1 - tp, "fn": 1 - tp}
    for name in description.class_names[1:]:
        regions[f"class {name}"] = empty
    ids = np.array([f"patient-{patient:03}" for patient in patients])
    return CaseMeasures(ids=ids, patients=patients, regions=regions)


def _with_published(results: Results, table: Path, description: StudyDescription) -> Results:
    """Return results with the published means of all metrics and the new intervals of Dice.

    Raises:
        DataError: The means of Dice are not those published, beyond rounding.
    """
    published = _read_table(table)
    judged = (MEAN_DICE, *dice_names(description.volumes.regions))
    methods: list[MethodResult] = []
    for method in results.methods:
        summaries: dict[str, Summary] = {}
        for metric, old in published[method.method].items():
            summaries[metric] = old
            if metric in judged:
                new = method.metrics[metric]
                if abs(new.mean - old.mean) > ROUNDING:
                    raise DataError(
                        f"Expected {metric} of {method.method} {old.mean}, got {new.mean}."
                    )
                if max(abs(new.low - old.low), abs(new.high - old.high)) > ROUNDING:
                    summaries[metric] = replace(old, low=new.low, high=new.high)
            elif not _leaves_one_out(description):
                summaries[metric] = replace(old, low=np.nan, high=np.nan)
        methods.append(replace(method, metrics=summaries))
    return replace(results, methods=tuple(methods))


def _read_table(path: Path) -> dict[str, dict[str, Summary]]:
    table: dict[str, dict[str, Summary]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            mean, sd, low, high = (
                float(row[name] or "nan") for name in ("mean", "sd", "low", "high")
            )
            summary = Summary(mean=mean, sd=sd, low=low, high=high, n_runs=int(row["n_runs"]))
            table.setdefault(row["method"], {})[row["metric"]] = summary
    return table


def _leaves_one_out(description: StudyDescription) -> bool:
    return len(description.splits) == description.dataset.n_groups


def _rewrite_page(
    path: Path, results: Results, against: list[Results], description: StudyDescription
) -> None:
    """Replace the verdict and the tables of a README.md; what was written by hand stays."""
    text = path.read_text(encoding="utf-8")
    title, _, rest = text.partition("\n\n")
    _, _, rest = rest.partition("\n\n")  # the old verdict
    text = f"{title}\n\n{' '.join(results.verdict)}\n\n{rest}"
    for heading, lines in _sections(results, against, description):
        section = f"## {heading}\n\n" + "\n".join(lines) + "\n"
        pattern = rf"## {re.escape(heading)}\n.*?(?=\n## |\Z)"
        text, n = re.subn(pattern, section.replace("\\", r"\\"), text, flags=re.DOTALL)
        if n != 1:
            raise DataError(f"Expected one section '{heading}' in {path}, found {n}.")
    path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")


def _sections(
    results: Results, against: list[Results], description: StudyDescription
) -> Iterator[tuple[str, list[str]]]:
    alone = _leaves_one_out(description)
    regions = by_size(description.volumes.regions)
    table = means(results, results.headline, intervals=True)
    yield "Dice by region", [f"{dice_caption(alone)}\n", *table]
    for other in against:
        yield f"Against {other.baseline}, paired by patient", list(pairs(other))
    if alone:
        return  # the intervals of all other metrics are what they were
    for title, metric in OTHER_METRICS.items():
        names = [f"{metric}_{region}" for region in regions]
        yield title, [f"{MEANS_ALONE}\n", *means(results, names)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    print(" ".join(republish(parser.parse_args().folder).verdict))
