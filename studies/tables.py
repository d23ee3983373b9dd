"""The tables of a page in docs/results, as lines of Markdown."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from equipoise.atomic import read_json
from equipoise.evidence.gathering import stored
from equipoise.report.formatting import p_value
from equipoise.results.records import Comparison, Results, Summary
from equipoise.results.release import read_releases

SHOWN = (
    "balanced_accuracy",
    "auroc",
    "auprc",
    "rare_recall",
    "rare_precision",
    "worst_class_recall",
    "mcc",
)
MEASURES = {
    "kid": "KID",
    "fid": "FID",
    "two_sample": "told from real (AUROC)",
    "train_synthetic": "learn synthetic, test real (AUROC)",
    "precision": "precision",
    "recall": "recall",
    "coverage": "coverage",
    "ms_ssim": "MS-SSIM",
}


def header(*cells: str) -> Iterator[str]:
    """Begin a table."""
    yield _row(*cells)
    yield _row(*["---"] * len(cells))


def means(
    results: Results, names: Sequence[str] = SHOWN, *, intervals: bool = False
) -> Iterator[str]:
    """Yield some metrics of every method that ran: mean and sd over the runs, or mean and interval."""
    yield from header("method", *(results.metrics[name].label for name in names))
    for method in results.methods:
        if not method.n_runs:
            continue
        summaries = [method.metrics[name] for name in names]
        yield _row(method.method, *(_mean(one, intervals=intervals) for one in summaries))


def _mean(one: Summary, *, intervals: bool) -> str:
    if intervals:
        return f"{one.mean:.3f} [{one.low:.3f}, {one.high:.3f}]"
    return _with_sd(one)


def _with_sd(one: Summary) -> str:
    """Format a mean and its sd; a single run has none."""
    return f"{one.mean:.3f}" + ("" if math.isnan(one.sd) else f" ± {one.sd:.3f}")


def published(results: Results, tables: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Show each published table with our means beside its numbers."""
    ours = {method.method: method.metrics for method in results.methods}
    for table in tables:
        columns = table["columns"]
        yield f"\n## {table['caption']}\n\nThe paper's number, then ours (mean ± sd).\n"
        yield from header("arm", *(label for label, _ in columns))
        for row in table["rows"]:
            values = zip(row["values"], columns, strict=True)
            cells = (
                _beside(value, ours.get(row["method"], {}).get(metric))
                for value, (_, metric) in values
            )
            yield _row(row["arm"], *cells)
        yield from (f"\n{note}" for note in table["notes"])


def _beside(value: float | None, summary: Any) -> str:
    theirs = "-" if value is None else f"{value:.3f}".rstrip("0").rstrip(".")
    if summary is None or math.isnan(summary.mean):
        return theirs
    return f"{theirs} / {_with_sd(summary)}"


def contest(results: Results) -> Iterator[str]:
    """Show the best arm with synthetic images against the cheap controls."""
    if results.contest is None:
        return
    champion = results.contest.rows[0].method
    yield f"\n## {champion} (best of {results.contest.n_challengers} on validation) against the cheap controls\n"
    yield from _comparisons(results, results.contest.rows, lambda row: row.baseline)


def pairs(results: Results) -> Iterator[str]:
    """Show every method against the baseline."""
    yield from _comparisons(results, results.comparisons, lambda row: row.method)


def _comparisons(results: Results, rows: Sequence[Comparison], name: Any) -> Iterator[str]:
    yield from header(
        "metric", "against" if rows and name(rows[0]) == rows[0].baseline else "method", "difference",
        "95 % interval", "p (Holm)", "verdict", "would have been found",
    )  # fmt: skip
    for row in rows:
        if math.isnan(row.difference):
            continue
        tested = not math.isnan(row.low)
        numbers = (
            f"{row.difference:+.3f}",
            f"{row.low:+.3f} to {row.high:+.3f}" if tested else "-",
            p_value(row.p_holm),
            row.verdict,
            f"{row.detectable:.3f}" if tested else "-",
        )
        yield _row(results.metrics[row.metric].label, name(row), *numbers)


def recalls(results: Results) -> Iterator[str]:
    """Show the recall of each class."""
    yield from header("method", *results.class_names)
    for method in results.methods:
        if method.n_runs:
            yield _row(method.method, *(f"{row.recall:.3f}" for row in method.per_class))


def quality(run: Path, results: Results) -> Iterator[str]:
    """Yield the quality of the synthetic images of each class, beside that of real images."""
    if (path := stored(run, "quality", "quality.json")) is None:
        return
    found = read_json(path)
    rows = [row for row in found["means"] if row["measure"] in MEASURES]
    for label in sorted({row["label"] for row in rows}):
        of_class = [row for row in rows if row["label"] == label]
        measures = [m for m in MEASURES if any(row["measure"] == m for row in of_class)]
        yield f"\n## Synthetic images of {results.class_names[label]}\n"
        yield (
            "Mean over the runs (real images in their place); a row for each feature extractor, "
            "and one for what needs none.\n"
        )
        yield from header("method", "features", "n", *(MEASURES[m] for m in measures))
        for method, extractor in dict.fromkeys((r["method"], r["extractor"]) for r in of_class):
            own = {}
            for row in of_class:
                if (row["method"], row["extractor"]) == (method, extractor):
                    own[row["measure"]] = row
            sizes = sorted({size for row in own.values() for size in row["n"]})
            n = " to ".join(map(str, sizes[:: max(1, len(sizes) - 1)])) or "-"
            yield _row(method, extractor or "-", n, *(_quality(own.get(m)) for m in measures))


def _quality(row: dict[str, Any] | None) -> str:
    if row is None or row.get("value") is None:
        return "refused" if row and row["refused"] else "-"
    floor = row.get("floor")
    return f"{row['value']:.3f}" + ("" if floor is None else f" ({floor:.3f})")


def releases(run: Path) -> Iterator[str]:
    """Show in how many runs the images of each method pass the gate, and why not."""
    if (path := stored(run, "memorization", "audits.json")) is None:
        return
    audits = read_json(path)
    yield "\n## Would the synthetic images be released?\n"
    releases_of_run = read_releases(run)
    yield from header(
        "method",
        "privacy passed",
        "privacy refused",
        "quality",
        "near copies",
        "of images",
        "reasons",
    )
    for method in dict.fromkeys(audit["method"] for audit in audits):
        own = [audit for audit in audits if audit["method"] == method]
        refused = [audit["privacy"] for audit in own if audit["privacy"]["status"] == "refused"]
        passed = [audit for audit in own if audit["privacy"]["status"] == "passed"]
        reasons = list(dict.fromkeys(reason for side in refused for reason in side["reasons"]))
        side = releases_of_run[method].quality if method in releases_of_run else None
        yield _row(
            method,
            f"{len(passed)} of {len(own)} runs",
            f"{len(refused)} of {len(own)} runs",
            "-" if side is None else side.status,
            str(sum(audit["overall"]["n_copies"] for audit in own)),
            str(sum(audit["overall"]["n_synthetic"] for audit in own)),
            " ".join(reasons) or "-",
        )


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
