"""Judge earlier studies anew: every method at its own best threshold, and AUROC, as one family.

    python -m studies.reconsider

The predictions of these studies were not kept, but their tables hold the comparisons at the own
thresholds. It reads those of `STUDIES` in docs/results and writes docs/results/at_own_thresholds.md.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from equipoise.metrics.base import Metric
from equipoise.metrics.classification import METRICS
from equipoise.metrics.decisions import decided_metric
from equipoise.metrics.statistics import PairedTest
from equipoise.results.comparison import Contrast, conclude_family
from equipoise.results.phrases import with_interval
from equipoise.results.records import RANKING, Comparison
from equipoise.runs.csv_records import read_rows
from studies.tables import header

RESULTS = Path(__file__).parents[1] / "docs" / "results"
PAGE = RESULTS / "at_own_thresholds.md"
STUDIES = ("s0_cervical_cells", "s2_chest_xray_alpha", "s4_skin_lesions")  # of two classes
AT_OWN = "best_threshold/balanced_accuracy"  # as these tables call it
OWN = decided_metric(METRICS["balanced_accuracy"])


def judged(folder: Path) -> list[Comparison]:
    """Correct the comparisons of a study at own thresholds and in AUROC as one family."""
    contrasts: list[Contrast] = []
    for file, name, metric in (
        ("operating_comparisons.csv", AT_OWN, OWN),
        ("comparisons.csv", RANKING, METRICS[RANKING]),
    ):
        rows = [row for row in read_rows(folder / file, Comparison) if row.metric == name]
        contrasts += [contrast(row, metric) for row in rows]
    return conclude_family(contrasts)


def contrast(row: Comparison, metric: Metric) -> Contrast:
    """Return a stored comparison before its correction."""
    test = PairedTest(
        difference=row.difference,
        low=row.low,
        high=row.high,
        p=row.p,
        detectable=row.detectable,
    )
    return Contrast(
        method=row.method, baseline=row.baseline, metric=metric, n_runs=row.n_runs, test=test
    )


def page() -> Iterator[str]:
    """Yield the lines of the document."""
    yield "# Earlier studies at own thresholds\n"
    yield (
        "Studies that ran before the verdict compared methods at their own thresholds, judged anew "
        "from their committed tables (`python -m studies.reconsider`): difference to the baseline "
        "with its 95 % interval, p corrected by Holm over all methods and both metrics. Thresholds "
        "were chosen on validation images, as the lowest score among equally good ones."
    )
    for name in STUDIES:
        rows = judged(RESULTS / name)
        yield f"\n## {name}, against {rows[0].baseline}\n"
        yield from header("method", "at own thresholds", "p (Holm)", "AUROC", "p (Holm)", "finding")
        for method in dict.fromkeys(row.method for row in rows):
            own, ranking = (row for row in rows if row.method == method)
            yield (
                f"| {method} | {with_interval(own)} | {own.p_holm:.3f} | {with_interval(ranking)} "
                f"| {ranking.p_holm:.3f} | {finding([own, ranking])} |"
            )


def finding(rows: Sequence[Comparison]) -> str:
    """Return what is detectable."""
    labels = {OWN.name: OWN.label, RANKING: METRICS[RANKING].label}
    found = []
    for row in rows:
        if row.verdict in ("better", "worse"):
            found.append(f"{row.verdict} in {labels[row.metric]}")
    return "; ".join(found) or "no detectable difference"


if __name__ == "__main__":
    PAGE.write_text("\n".join(page()) + "\n", encoding="utf-8")
    print(PAGE)
