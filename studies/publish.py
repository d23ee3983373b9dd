"""Copy the numbers of a finished run into docs/results: tables, curves and how they were made. Never a pixel.

Usage, from the project's root: python -m studies.publish RUN READING
[SAME_RUN_WITH_ANOTHER_BASELINE]

The third is a copy of the run folder, continued with another method named first in --methods:
nothing is trained, all methods are compared with that one.
"""

import csv
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from equipoise.atomic import read_json, write_json
from equipoise.evidence.gathering import stored
from equipoise.results.curves import mean_curves
from equipoise.results.image_tables import summarize, write_image_tables
from equipoise.results.records import Results
from equipoise.runs.run import open_run
from studies.tables import contest, means, pairs, published, quality, recalls, releases

RESULTS = Path("docs/results")
TABLES = ("table", "comparisons", "per_class", "costs")
FURTHER = (
    "checkpoints",
    "operating_points",
    "operating_comparisons",
    "calibration",
    "second_opinions",
    "dose",
    "curation",
)
EVIDENCE = {
    "quality": "runs.csv",
    "memorization": "audits.json",
    "attention": "attention.json",
}  # no pixels in these


def publish(run: Path, reading: str, *others: Path) -> Path:
    """Write the folder of a run in docs/results."""
    results, target = summarize(open_run(run)), RESULTS / run.name
    write_image_tables(results, run)
    target.mkdir(parents=True, exist_ok=True)
    for name in (*TABLES, *(name for name in FURTHER if (run / f"{name}.csv").is_file())):
        shutil.copyfile(run / f"{name}.csv", target / f"{name}.csv")
    asked = read_json(run / "study.json")
    write_json(target / "study.json", asked)
    _write_curves(run, target / "curves.csv")
    _copy_evidence(run, target)
    page = list(_page(run, results, asked, reading))
    for other in others:
        against = summarize(open_run(other))
        write_image_tables(against, other)
        shutil.copyfile(
            other / "comparisons.csv", target / f"comparisons_with_{against.baseline}.csv"
        )
        page += [
            f"\n## Against {against.baseline}, paired\n",
            f"{' '.join(against.verdict)}\n",
            *pairs(against),
        ]
    (target / "README.md").write_text("\n".join(page) + "\n", encoding="utf-8")
    return target


def _page(run: Path, results: Results, asked: dict[str, Any], reading: str) -> Iterator[str]:
    yield f"# {run.name}\n"
    yield f"{' '.join(results.verdict)}\n"
    if results.contest:
        yield f"{results.contest.sentence}\n"
    yield f"{reading}\n"
    yield from _how(run, results, asked)
    yield "\n## Methods\n\nMean ± sd over the runs.\n"
    yield from means(results)
    yield from published(results, asked["facts"].get("published", []))
    yield from contest(results)
    yield f"\n## Against {results.baseline}, paired\n"
    yield from pairs(results)
    yield "\n## Recall of each class\n"
    yield from recalls(results)
    yield from quality(run, results)
    yield from releases(run)


def _how(run: Path, results: Results, asked: dict[str, Any]) -> Iterator[str]:
    machine, dataset = asked["machine"], asked["dataset"]
    counts = zip(dataset["class_names"], dataset["counts"], strict=True)
    records = [read_json(path) for path in sorted(run.glob("cells/*/*/*/record.json"))]
    minutes = sum(sum(record.get("seconds", {}).values()) for record in records) / 60
    yield f"- Command: `{asked['facts']['command']}`"
    yield f"- Images: {dataset['n_images']} ({', '.join(f'{name} {n}' for name, n in counts)})."
    yield f"- {dataset['n_groups']} patients; shape {dataset['shape']}."
    yield f"- Positive class: {results.class_names[results.rare_class]}."
    yield (
        f"- {len(asked['splits'])} patient-grouped splits x {len(asked['seeds'])} seeds: "
        f"{len(records)} of {results.n_requested} cells ran."
    )
    yield f"- Time: {minutes:.0f} minutes summed over the cells, one thread each, beside other work."
    yield f"- Machine: {machine['cores']} cores ({machine['processor']}), {machine['memory_gb']} GB, no GPU."
    yield from (f"- {note}" for note in asked["facts"].get("notes", []))


def _copy_evidence(run: Path, target: Path) -> None:
    for kind, file in EVIDENCE.items():
        if (path := stored(run, kind, file)) is not None:
            shutil.copyfile(path, target / f"{kind}{path.suffix}")


def _write_curves(run: Path, path: Path) -> None:
    images = open_run(run).images
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("method", "grid", "sensitivity_at_fpr", "precision_at_recall"))
        for method, curves in mean_curves(images, images.methods, points=51).items():
            for row in zip(curves.grid, curves.sensitivity, curves.precision, strict=True):
                writer.writerow((method, *(f"{value:.4f}" for value in row)))


if __name__ == "__main__":
    print(publish(Path(sys.argv[1]), sys.argv[2], *map(Path, sys.argv[3:])))
