"""Copy the numbers of a finished run into docs/results: tables, curves and how they were made. Never a pixel.

Usage, from the project's root: python -m studies.publish RUN READING [SAME_RUN_WITH_ANOTHER_BASELINE]

The third is a copy of the run folder, continued with another method named first in --methods: nothing is trained,
all methods are compared with that one.
"""

import csv
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from equipoise.atomic import read_json, write_json
from equipoise.experiments.curves import pooled_curves
from equipoise.experiments.table import Results, summarize, write_tables
from equipoise.metrics.classification import METRICS

RESULTS = Path("docs/results")
TABLES = ("table.csv", "comparisons.csv", "per_class.csv", "costs.csv")
SHOWN = ("balanced_accuracy", "auroc", "auprc", "rare_recall", "rare_precision", "worst_class_recall", "mcc")


def publish(run: Path, reading: str, *others: Path) -> Path:
    """Write the folder of a run in docs/results."""
    results, target = summarize(run), RESULTS / run.name
    write_tables(results, run)
    target.mkdir(parents=True, exist_ok=True)
    for name in TABLES:
        shutil.copyfile(run / name, target / name)
    stored = read_json(run / "study.json")
    write_json(target / "study.json", stored)
    _write_curves(run, target / "curves.csv")
    page = list(_page(run, results, stored, reading))
    for other in others:
        against = summarize(other)
        write_tables(against, other)
        shutil.copyfile(other / "comparisons.csv", target / f"comparisons_with_{against.baseline}.csv")
        page += [f"\n## Against {against.baseline}, paired\n", f"{' '.join(against.verdict)}\n", *_pairs(against)]
    (target / "README.md").write_text("\n".join(page) + "\n", encoding="utf-8")
    return target


def _page(run: Path, results: Results, stored: dict[str, Any], reading: str) -> Iterator[str]:
    yield f"# {run.name}\n"
    yield f"{results.verdict[0]} {results.verdict[1]}\n"
    yield f"{reading}\n"
    yield from _how(run, results, stored)
    yield "\n## Methods\n\nMean ± sd over the runs.\n"
    yield from _means(results)
    yield f"\n## Against {results.baseline}, paired\n"
    yield from _pairs(results)
    yield "\n## Recall of each class\n"
    yield from _recalls(results)


def _how(run: Path, results: Results, stored: dict[str, Any]) -> Iterator[str]:
    machine, dataset = stored["machine"], stored["dataset"]
    counts = zip(dataset["class_names"], dataset["counts"], strict=True)
    records = [read_json(path) for path in sorted(run.glob("cells/*/*/*/record.json"))]
    minutes = sum(sum(record.get("seconds", {}).values()) for record in records) / 60
    yield f"- Command: `{stored['facts']['command']}`"
    yield f"- Images: {dataset['n_images']} ({', '.join(f'{name} {n}' for name, n in counts)})."
    yield f"- {dataset['n_groups']} patients; shape {dataset['shape']}."
    yield f"- Positive (rare) class: {results.class_names[results.rare_class]}."
    yield f"- {len(stored['splits'])} patient-grouped splits x {len(stored['seeds'])} seeds: {len(records)} cells."
    yield f"- Time: {minutes:.0f} minutes summed over the cells, two at a time, one thread each."
    yield f"- Machine: {machine['cores']} cores ({machine['processor']}), {machine['memory_gb']} GB, no GPU."
    yield from (f"- {note}" for note in stored["facts"].get("notes", []))


def _means(results: Results) -> Iterator[str]:
    yield _row("method", *(METRICS[name].label for name in SHOWN))
    yield _row(*["---"] * (1 + len(SHOWN)))
    for method in results.methods:
        summaries = [method.metrics[name] for name in SHOWN]
        yield _row(method.method, *(f"{one.mean:.3f} ± {one.sd:.3f}" for one in summaries))


def _pairs(results: Results) -> Iterator[str]:
    names = ("metric", "method", "difference", "95 % interval", "p (Holm)", "verdict", "would have been found")
    yield _row(*names)
    yield _row(*["---"] * len(names))
    for row in results.comparisons:
        interval = f"{row.low:+.3f} to {row.high:+.3f}"
        numbers = (f"{row.difference:+.3f}", interval, f"{row.p_holm:.3f}", row.verdict, f"{row.detectable:.3f}")
        yield _row(METRICS[row.metric].label, row.method, *numbers)


def _recalls(results: Results) -> Iterator[str]:
    yield _row("method", *results.class_names)
    yield _row(*["---"] * (1 + len(results.class_names)))
    for method in results.methods:
        yield _row(method.method, *(f"{row.recall:.3f}" for row in method.per_class))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _write_curves(run: Path, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("method", "grid", "sensitivity_at_fpr", "precision_at_recall"))
        for method, curves in pooled_curves(run, points=51).items():
            for row in zip(curves.grid, curves.sensitivity, curves.precision, strict=True):
                writer.writerow((method, *(f"{value:.4f}" for value in row)))


if __name__ == "__main__":
    print(publish(Path(sys.argv[1]), sys.argv[2], *map(Path, sys.argv[3:])))
