"""Copy the numbers of a finished run on volumes into docs/results, and how they were made. Never a voxel.

Usage, from the project's root: python -m studies.publish_volumes RUN READING [--outside FILE]
[--against METHOD]

FILE is what `python -m studies.outside` wrote of patients of another data set; METHOD is compared
with all others beside the baseline.
"""

import argparse
import csv
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.atomic import read_json, write_json
from equipoise.experiments.region_metrics import by_size
from equipoise.results.records import Comparison, Results
from equipoise.results.tables import write_all_tables
from equipoise.results.volume_tables import summarize_volumes
from equipoise.runs.csv_records import write_csv, write_rows
from equipoise.runs.run import open_run
from studies.publish import RESULTS
from studies.tables import header, means, pairs, published

TABLES = ("table", "comparisons", "patients", "costs")
CURVES = ("validation_mean_dice", "loss")
OTHER_METRICS = {"Sensitivity": "sensitivity", "PPV": "ppv", "Hausdorff-95 (mm)": "hd95_mm"}
MEANS_ALONE = (
    "Mean ± sd over seeds; an interval needs the values of single patients, which were not kept."
)


def publish(
    run: Path, reading: str, *, outside: Path | None = None, against: str | None = None
) -> Path:
    """Write the folder of a run in docs/results."""
    results, target = write_all_tables(open_run(run)), RESULTS / run.name
    target.mkdir(parents=True, exist_ok=True)
    for name in TABLES:
        shutil.copyfile(run / f"{name}.csv", target / f"{name}.csv")
    asked = read_json(run / "study.json")
    asked["dataset"].pop("images", None)  # hashes of the patients' files
    write_json(target / "study.json", asked)
    write_csv(target / "folds.csv", ("patient", "fold"), _folds(run))
    write_csv(target / "curves.csv", ("method", "name", "step", "mean"), _curves(run))
    write_csv(
        target / "frequencies.csv",
        ("method", "stage", "class", "asked", "centers", "pixels"),
        _shares(run),
    )
    if outside is not None:
        shutil.copyfile(outside, target / "outside.csv")
    page = list(_page(run, results, asked, reading))
    if against is not None:
        other = summarize_volumes(open_run(run), baseline=against)
        write_rows(target / f"comparisons_with_{against}.csv", Comparison, other.comparisons)
        page += [f"\n## Against {against}, paired by patient\n", *pairs(other)]
    if outside is not None:
        page += _outside(outside)
    (target / "README.md").write_text("\n".join(page) + "\n", encoding="utf-8")
    return target


def _page(run: Path, results: Results, asked: dict[str, Any], reading: str) -> Iterator[str]:
    regions = by_size(asked["dataset"]["regions"])
    yield f"# {run.name}\n"
    yield f"{' '.join(results.verdict)}\n"
    yield f"{reading}\n"
    yield from _how(run, asked)
    alone = len(asked["splits"]) == asked["dataset"]["n_groups"]
    yield f"\n## Dice by region\n\n{dice_caption(alone)}\n"
    yield from means(results, results.headline, intervals=True)
    yield from published(results, asked["facts"].get("published", []))
    yield f"\n## Against {results.baseline}, paired by patient\n"
    yield from pairs(results)
    for title, metric in OTHER_METRICS.items():
        yield f"\n## {title}\n"
        yield from means(results, [f"{metric}_{region}" for region in regions], intervals=True)
    yield "\n## How much of the prior correction was used\n"
    yield from _taus(run, asked)


def dice_caption(leaves_one_out: bool) -> str:
    """Return what the intervals of a page are."""
    if leaves_one_out:
        return "Mean over seeds; 95 % interval by Student's t over the patients, one in each fold."
    return "Mean over seeds; 95 % interval by Student's t: folds are the units, the variance over patients is added."


def _how(run: Path, asked: dict[str, Any]) -> Iterator[str]:
    machine, dataset = asked["machine"], asked["dataset"]
    counts = zip(dataset["class_names"], dataset["counts"], strict=True)
    records = [read_json(path) for path in sorted(run.glob("cells/*/*/*/record.json"))]
    minutes = sum(sum(record.get("seconds", {}).values()) for record in records) / 60
    yield f"- Command: `{asked['facts']['command']}`"
    yield (
        f"- {dataset['n_groups']} patients ({', '.join(dataset['modalities'])}); valid voxels: "
        + ", ".join(f"{name} {n:,}" for name, n in counts)
    )
    sizes = [len(asked[kind]) for kind in ("splits", "seeds", "methods")]
    yield "- {} folds x {} seeds x {} methods: {} cells.".format(*sizes, len(records))
    yield from _budget(asked)
    yield f"- Time: {minutes:.0f} minutes summed over the cells, two at a time, one thread each, beside other work."
    yield f"- Machine: {machine['cores']} cores ({machine['processor']}), {machine['memory_gb']} GB, no GPU."


def _budget(asked: dict[str, Any]) -> Iterator[str]:
    settings = next(m for m in asked["methods"] if m["name"] == asked["baseline"])["steps"][-1][
        "settings"
    ]
    n = settings["n_steps"] * settings["batch_size"]
    yield (
        f"- Budget of {asked['baseline']}: {settings['n_steps']} steps of "
        f"{settings['batch_size']} patches of {settings['patch_size']} px, {n:,} patches, width "
        f"{settings['width']}, {settings['precision']}."
    )


def _folds(run: Path) -> list[tuple[int, int]]:
    """Return each patient's number with that of the fold that tested them."""
    volumes = open_run(run).volumes
    names = [split.name for split in volumes.description.splits]
    folds: dict[int, int] = {}
    for finished in volumes.finished:
        for patient in finished.measures.patients.tolist():
            folds[patient] = names.index(finished.cell.split)
    return sorted(folds.items())


def _curves(run: Path) -> list[tuple[str, str, int, float]]:
    found: dict[tuple[str, str, int], list[float]] = defaultdict(list)
    for path in sorted(run.glob("cells/*/*/*/history.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if row["name"] in CURVES:
                    found[path.parts[-4], row["name"], int(row["step"])].append(float(row["value"]))
    return [(*key, float(np.mean(values))) for key, values in sorted(found.items())]


def _shares(run: Path) -> list[tuple[Any, ...]]:
    found: dict[tuple[str, str, str], list[Sequence[float]]] = defaultdict(list)
    for path in sorted(run.glob("cells/*/*/*/frequencies.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                numbers = [float(row[name] or "nan") for name in ("asked", "centers", "pixels")]
                found[path.parts[-4], row["stage"], row["class"]].append(numbers)
    return [(*key, *np.mean(values, axis=0).tolist()) for key, values in found.items()]


def _taus(run: Path, asked: dict[str, Any]) -> Iterator[str]:
    yield from header("method", "tau, by fold and seed")
    for method in asked["methods"]:
        paths = sorted(run.glob(f"cells/{method['name']}/*/*/record.json"))
        taus = [record["tau"] for path in paths if (record := read_json(path))["status"] == "done"]
        if any(taus):
            yield f"| {method['name']} | {', '.join(f'{tau:g}' for tau in taus)} |"


def _outside(path: Path) -> Iterator[str]:
    """Show the mean Dice of every method on patients of another data set."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found[row["method"], row["region"]].append(float(row["dice"]))
    regions = list(dict.fromkeys(region for _, region in found))
    yield "\n## Outside patients\n"
    yield "Dice on cases of another data set, mean ± sd over the run's networks (no interval over patients).\n"
    yield from header("method", "networks", *regions)
    for method in dict.fromkeys(name for name, _ in found):
        values = [found[method, region] for region in regions]
        cells = " | ".join(f"{np.mean(v):.3f} ± {np.std(v, ddof=1):.3f}" for v in values)
        yield f"| {method} | {len(values[0])} | {cells} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("reading")
    parser.add_argument("--outside", type=Path)
    parser.add_argument("--against")
    print(publish(**vars(parser.parse_args())))
