"""What --json prints: the answer of each command as plain values."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from equipoise.arrays import Scores
    from equipoise.results.records import MethodResult, Results
    from equipoise.runs.run import Run


def run_answer(
    run: "Run", results: "Results", report: Path, *, advice: str, warnings: Sequence[str]
) -> dict[str, Any]:
    """Return the answer of `run`, `demo` and `report`.

    Args:
        run: The run.
        results: Its results.
        report: The page.
        advice: What to do; empty where nothing can be advised.
        warnings: What is wrong with how the methods were trained and tested.
    """
    words = {judgment.method: judgment.word for judgment in results.judgments}
    decisive = results.compared_on(results.decisive_metric)
    words = {row.method: row.verdict for row in decisive} | words
    return {
        "folder": run.folder,
        "report": report,
        "task": results.task,
        "class_names": results.class_names,
        "positive_class": results.class_names[results.rare_class],
        "baseline": results.baseline,
        "decisive_metric": results.decisive_metric,
        "n_cells": results.n_requested,
        "n_missing_cells": results.n_missing,
        "failed_cells": [
            {"cell": str(record.cell), "error": record.error} for record in results.failures
        ],
        "methods": [method_answer(method, words) for method in results.methods],
        "comparisons": results.comparisons,
        "verdict": results.verdict,
        "advice": advice,
        "warnings": warnings,
    }


def method_answer(method: "MethodResult", words: dict[str, Any]) -> dict[str, Any]:
    """Return the metrics of a method, and what is said of it; the baseline has no word."""
    return {
        "method": method.method,
        "n_runs": method.n_runs,
        "n_failed": method.n_failed,
        "word": words.get(method.method),
        "metrics": method.metrics,
        "per_class": method.per_class,
        "seconds": method.seconds,
    }


def image_answers(
    files: Sequence[str], scores: "Scores", calls: "Scores", class_names: Sequence[str]
) -> list[dict[str, Any]]:
    """Return what `predict` says of each image.

    Args:
        files: Names of the n images.
        scores: (n, k) probabilities.
        calls: (n, k) whose largest is called.
        class_names: Names of the k classes.
    """
    images = []
    for file, row, call in zip(files, scores, calls.argmax(axis=1).tolist(), strict=True):
        probabilities = dict(zip(class_names, row.tolist(), strict=True))
        images.append(
            {"file": file, "predicted": class_names[call], "probabilities": probabilities}
        )
    return images
