"""From the runs of a method to its row in the tables: metrics, comparisons, costs."""

import math
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.metrics.intervals import metric_interval
from equipoise.results.records import Comparison, Results, Summary
from equipoise.runs.cell_record import FinishedCellRecord
from equipoise.runs.csv_records import column_names, write_csv, write_rows


def summarize_runs(values: NDArray[np.float64], posterior: NDArray[np.float64]) -> Summary:
    """Summarize a metric over runs from its values (runs,) and draws (c,) of their mean.

    The interval is that of the mean over these runs, for other test patients.
    """
    defined = np.isfinite(values)
    n_runs = int(defined.sum())
    if n_runs == 0:
        return Summary(mean=math.nan, sd=math.nan, low=math.nan, high=math.nan, n_runs=0)
    mean = float(values[defined].mean())
    low, high = metric_interval(mean, posterior)
    sd = float(values[defined].std(ddof=1)) if n_runs > 1 else math.nan
    return Summary(mean=mean, sd=sd, low=low, high=high, n_runs=n_runs)


def mean_seconds(records: Sequence[FinishedCellRecord]) -> dict[str, float]:
    """Return the mean seconds of each stage over finished cells."""
    stages = dict.fromkeys(stage for record in records for stage in record.seconds)
    means = {}
    for stage in stages:
        means[stage] = float(np.mean([record.seconds[stage] for record in records]))
    return means


def peak_memory(records: Sequence[FinishedCellRecord]) -> float:
    """Return the largest memory in MB over finished cells; NaN without one."""
    return max((record.peak_memory_mb for record in records), default=math.nan)


def write_method_tables(results: Results, folder: Path) -> None:
    """Write table.csv, comparisons.csv and costs.csv.

    All but costs.csv have the same bytes for the same predictions. Numbers have six decimals; a
    field is empty where its number is not defined.
    """
    metrics: list[tuple[object, ...]] = []
    costs: list[tuple[object, ...]] = []
    for m in results.methods:
        for name, summary in m.metrics.items():
            metrics.append((m.method, m.n_failed, name, *astuple(summary)))
        for stage, seconds in m.seconds.items():
            costs.append((m.method, stage, seconds, m.peak_memory_mb))
    header = ("method", "n_failed", "metric", *column_names(Summary))
    write_csv(folder / "table.csv", header, metrics, checksum=True)  # `rank` reads it
    write_rows(folder / "comparisons.csv", Comparison, results.comparisons)
    write_csv(folder / "costs.csv", ("method", "stage", "seconds", "peak_memory_mb"), costs)
