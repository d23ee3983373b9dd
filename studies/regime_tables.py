"""What a network that people work with finds on each set: one table over many finished runs.

Usage, from the project's root: python -m studies.regime_tables TARGET RUN...

writes TARGET/table.csv and TARGET/table.md: for each run its regime, images, the baseline, the
simple reference, the best method, the smallest difference that the run would have found, and the
seconds of its stages; and copies the tables of each run into TARGET/RUN. Runs that are there
already and are not named stay. Never a pixel.
"""

import math
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from equipoise.experiments.protocol import FROZEN
from equipoise.results.image_tables import summarize
from equipoise.results.records import Comparison, Results
from equipoise.results.reference import read_reference
from equipoise.runs.csv_records import read_rows, write_rows
from equipoise.runs.run import Run, open_run
from equipoise.runs.stage_seconds import STAGES, read_stage_seconds

RANKING, DECIDED = "auroc", "decided_balanced_accuracy"
COPIED = (
    "table.csv",
    "comparisons.csv",
    "costs.csv",
    "seconds.json",
    "study.json",
    "evidence/reference/table.csv",
    "evidence/reference/gains.csv",
)
FEATURES = "statistics"  # the reference that needs no weights


@dataclass(frozen=True, kw_only=True)
class RegimeRow:
    """A finished run.

    Attributes:
        run: Name of its folder.
        regime: "frozen", "finetune" or "scratch".
        images: Images in all.
        patients: Patients in all.
        classes: Number of classes.
        largest_to_smallest: Ratio of class sizes in training, of the first split.
        cells: Finished cells.
        methods: Methods, the baseline included.
        baseline_auroc: AUROC of the baseline.
        baseline_decided: Its balanced accuracy at its own validation thresholds.
        baseline_trained: Its balanced accuracy at the largest probability.
        reference_auroc: AUROC of a logistic regression on intensity statistics; NaN without.
        best: The method with the largest AUROC.
        best_auroc: Its difference from the baseline.
        best_low: Lower end of the interval.
        best_high: Upper end.
        better: Methods called better than the baseline, by either metric of the verdict.
        worse: Methods called worse.
        moved: Methods that only move the operating point.
        detectable_auroc: Difference in AUROC that would have been found, the median over methods.
        detectable_decided: The same of balanced accuracy at own thresholds.
        widest_move: Largest gain in balanced accuracy at the largest probability, a threshold's.
    """

    run: str
    regime: str
    images: int
    patients: int
    classes: int
    largest_to_smallest: float
    cells: int
    methods: int
    baseline_auroc: float
    baseline_decided: float
    baseline_trained: float
    reference_auroc: float
    best: str
    best_auroc: float
    best_low: float
    best_high: float
    better: str
    worse: str
    moved: str
    detectable_auroc: float
    detectable_decided: float
    widest_move: float


def row_of(folder: Path) -> RegimeRow:
    """Summarize a finished run."""
    run = open_run(folder)
    results = summarize(run)
    dataset, split = run.description.dataset, run.description.splits[0]
    trained = np.array([n for n in split.counts["train"] if n > 0])
    baseline = next(m for m in results.methods if m.method == results.baseline).metrics
    by_metric = {
        name: [row for row in results.comparisons if row.metric == name]
        for name in (RANKING, DECIDED, "balanced_accuracy")
    }
    best = max(by_metric[RANKING], key=lambda row: row.difference)
    return RegimeRow(
        run=folder.name,
        regime=folder.name.partition("_")[0],
        images=dataset.n_images,
        patients=dataset.n_groups,
        classes=len(results.class_names),
        largest_to_smallest=float(trained.max() / trained.min()),
        cells=len(run.images.finished),
        methods=len(results.methods),
        baseline_auroc=baseline[RANKING].mean,
        baseline_decided=baseline[DECIDED].mean,
        baseline_trained=baseline["balanced_accuracy"].mean,
        reference_auroc=reference_auroc(run),
        best=best.method,
        best_auroc=best.difference,
        best_low=best.low,
        best_high=best.high,
        better=called(results, "better", "ranks better"),
        worse=called(results, "worse"),
        moved=called(results, "moves the operating point"),
        detectable_auroc=median_detectable(by_metric[RANKING]),
        detectable_decided=median_detectable(by_metric[DECIDED]),
        widest_move=max(row.difference for row in by_metric["balanced_accuracy"]),
    )


def called(results: Results, *words: str) -> str:
    """Return the methods of which the verdict says one of the words."""
    return " ".join(judged.method for judged in results.judgments if judged.word in words)


def median_detectable(rows: Sequence[Comparison]) -> float:
    """Return the median of the differences that would have been found, where any are known."""
    differences = [row.detectable for row in rows if math.isfinite(row.detectable)]
    return float(np.median(differences)) if differences else math.nan


def reference_auroc(run: Run) -> float:
    """Return the AUROC of the reference that needs no weights."""
    reference = read_reference(run.folder)
    if reference is None or FEATURES not in reference.features:
        return float("nan")
    return reference.scores_of(FEATURES)[RANKING].mean


def page(rows: Sequence[RegimeRow]) -> str:
    """Write the table for readers."""
    lines = [
        "| run | images (patients), classes | baseline: AUROC | at own thresholds | "
        "simple reference: AUROC | best in AUROC | better than the baseline | worse | "
        "move the operating point only | would have been found: AUROC, at own thresholds |",
        "|" + " --- |" * 10,
    ]
    for row in rows:
        best = f"{row.best} {row.best_auroc:+.3f} [{row.best_low:+.3f}, {row.best_high:+.3f}]"
        cells = (
            row.run,
            f"{row.images} ({row.patients}), {row.classes}; {row.largest_to_smallest:.0f}:1",
            f"{row.baseline_auroc:.3f}",
            f"{row.baseline_decided:.3f}",
            f"{row.reference_auroc:.3f}",
            best,
            row.better or "none",
            row.worse or "none",
            row.moved or "none",
            f"{row.detectable_auroc:.3f}, {row.detectable_decided:.3f}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def stages_page(folders: Sequence[Path]) -> str:
    """Write the seconds of the stages of each run."""
    lines = [f"| run | {' | '.join(STAGES)} | sum |", "|" + " --- |" * (len(STAGES) + 2)]
    for folder in folders:
        seconds = read_stage_seconds(folder)
        cells = [f"{seconds.get(stage, 0.0):.0f}" for stage in STAGES]
        lines.append(f"| {folder.name} | {' | '.join(cells)} | {sum(seconds.values()):.0f} |")
    return "\n".join(lines) + "\n"


def copy_tables(run: Path, target: Path) -> None:
    """Copy the tables of a run, those of the reference as reference_NAME."""
    target.mkdir(exist_ok=True)
    for name in COPIED:
        source = run / name
        if source.is_file():
            prefix = "reference_" if source.parent.name == "reference" else ""
            shutil.copyfile(source, target / f"{prefix}{source.name}")


def main(target: Path, folders: Sequence[Path]) -> None:
    """Write table.csv and table.md."""
    target.mkdir(parents=True, exist_ok=True)
    table = target / "table.csv"
    rows = {row.run: row for row in read_rows(table, RegimeRow)} if table.is_file() else {}
    for folder in folders:
        rows[folder.name] = row_of(folder)
        copy_tables(folder, target / folder.name)
    ordered = sorted(rows.values(), key=lambda row: (row.regime != FROZEN, row.run))
    write_rows(table, RegimeRow, ordered)
    stages = stages_page([target / row.run for row in ordered])
    text = f"{page(ordered)}\nSeconds of the stages:\n\n{stages}"
    (target / "table.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(folder) for folder in sys.argv[2:]])
