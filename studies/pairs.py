"""Compare single pairs of methods of a run, on several metrics; corrected over all of these comparisons.

Usage, from the project's root: python -m studies.pairs RUN METHOD:OTHER [METHOD:OTHER ...]
Writes pairs.csv into docs/results/<name of the run> and prints it: method minus other.
"""

import sys
from dataclasses import replace
from pathlib import Path

from equipoise.metrics.classification import METRICS
from equipoise.metrics.statistics import holm
from equipoise.report.formatting import p_value
from equipoise.results.bootstrap_scores import score
from equipoise.results.comparison import compare_pairs
from equipoise.results.records import Comparison
from equipoise.runs.csv_records import write_rows
from equipoise.runs.run import open_run

RESULTS = Path("docs/results")
JUDGED = ("rare_recall", "rare_specificity", "rare_precision", "balanced_accuracy", "auroc")


def compare(run: Path, asked: list[tuple[str, str]]) -> list[Comparison]:
    """Compare every pair on every metric of `JUDGED`; `p_holm` is corrected over them all."""
    study = open_run(run).images
    scores = score(study)
    rows = [row for name in JUDGED for row in compare_pairs(asked, METRICS[name], study, scores)]
    corrected = holm([row.p for row in rows])
    return [replace(row, p_holm=p) for row, p in zip(rows, corrected, strict=True)]


if __name__ == "__main__":
    run = Path(sys.argv[1])
    found = compare(run, [(a, b) for a, b in (text.split(":") for text in sys.argv[2:])])
    (RESULTS / run.name).mkdir(parents=True, exist_ok=True)
    write_rows(RESULTS / run.name / "pairs.csv", Comparison, found)
    for row in found:
        print(f"{row.metric}: {row.method} minus {row.baseline} {row.difference:+.3f} "
              f"[{row.low:+.3f}, {row.high:+.3f}], p (Holm) {p_value(row.p_holm)}")  # fmt: skip
