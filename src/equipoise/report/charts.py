"""The charts of the report: curves and confusion matrices of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.metrics.base import Metric
from equipoise.metrics.classification import METRICS
from equipoise.report.figures import (
    ChartLine,
    Curve,
    Panel,
    Style,
    run_panel,
    styles_of,
    unit_panel,
)
from equipoise.report.formatting import sentence_case
from equipoise.report.run_contents import Contents
from equipoise.results.best_method import best_first
from equipoise.results.curves import Curves

PANELS: dict[str, tuple[str, ...]] = {  # panel -> recorded quantities of a GAN that it shows
    "Losses": ("critic_loss", "generator_loss"),
    "Critic's scores while it learns": ("real_score", "fake_score"),
    "Critic's scores of fixed images": ("training_score", "generated_score", "validation_score"),
}
MOST_DRAWN = 8  # methods in one chart; more could not be distinguished
SHADE = (0, 89, 160)  # red, green, blue of a full cell of a confusion matrix


@dataclass(frozen=True)
class MatrixCell:
    """A cell of a confusion matrix."""

    count: str
    percent: str
    background: str
    color: str


def confusion(counts: NDArray[np.int64]) -> list[list[MatrixCell]]:
    """Return a (k, k) matrix of counts, rows are the truth, shaded by the share of each row."""
    matrix = []
    for row in counts:
        total = int(row.sum())
        matrix.append([matrix_cell(int(n), total) for n in row])
    return matrix


def matrix_cell(n: int, total: int) -> MatrixCell:
    """Return a cell with `n` of the `total` images of its row."""
    share = n / total if total else 0.0
    background = ",".join(str(round(255 + (full - 255) * share)) for full in SHADE)
    percent = f"{share:.0%}" if total else "\N{EN DASH}"
    color = "#fff" if share > 0.72 else "#1d2127"
    return MatrixCell(f"{n:,}", percent, f"rgb({background})", color)


def prominent(contents: Contents) -> list[str]:
    """Return the methods that charts show, in the order of the study.

    These are the baseline and the methods with the best means of the decisive metric.
    """
    if len(contents.methods) <= MOST_DRAWN:
        return list(contents.methods)
    results = contents.results
    decisive = results.decisive_metric
    means = {row.method: row.metrics[decisive].mean for row in results.methods if row.metrics}
    ranked = best_first(results.metrics[decisive], means)
    first = [results.baseline] if results.baseline in means else []
    drawn = list(dict.fromkeys([*first, *ranked]))[:MOST_DRAWN]
    return [name for name in contents.methods if name in drawn]


def discrimination(curves: Mapping[str, Curves], styles: Mapping[str, Style]) -> list[Panel]:
    """Return charts of the mean ROC and precision-recall curves of every method."""
    roc: list[ChartLine] = []
    precision: list[ChartLine] = []
    chance = 0.0
    for name, curve in curves.items():
        roc.append(ChartLine(name, curve_points(curve.grid, curve.sensitivity), styles[name]))
        precision.append(ChartLine(name, curve_points(curve.grid, curve.precision), styles[name]))
        chance = max(chance, curve.prevalence)
    return [
        unit_panel(
            "ROC",
            roc,
            x_label="1 \N{MINUS SIGN} specificity",
            y_label="sensitivity",
            chance=(0.0, 1.0),
        ),
        unit_panel(
            "Precision-recall",
            precision,
            x_label="recall",
            y_label="precision",
            chance=(chance, chance),
        ),
    ]


def curve_points(x: NDArray[np.float64], y: NDArray[np.float64]) -> Curve:
    """Return the points of a curve from two arrays of one length."""
    return list(zip(x.tolist(), y.tolist(), strict=True))


def classifier_panels(
    contents: Contents, styles: Mapping[str, Style], part: str = ""
) -> list[Panel]:
    """Return a chart of each quantity that the methods' last steps recorded, primary metric first.

    Args:
        contents: The run.
        styles: The methods and their looks.
        part: Stage of the last step of a segmenter that has several; empty for one.
    """
    stages: dict[str, str] = {}  # method -> name of the stage in its history
    for method in contents.description.methods:
        if method.name in styles:
            last_step = method.steps[-1].name
            stages[method.name] = f"{last_step}/{part}" if part else last_step
    runs: dict[str, dict[str, list[Curve]]] = {}  # quantity -> method -> a curve for each cell
    for cell, history in contents.run.histories.items():
        for (stage, name), curve in history.items():
            if stage != stages.get(cell.method):
                continue
            if name not in runs:
                runs[name] = {method: [] for method in stages}
            runs[name][cell.method].append(curve)
    metrics = contents.results.metrics
    first = f"validation_{contents.results.primary_metric}"
    names = sorted(runs, key=lambda name: (name != first, not name.startswith("validation"), name))
    panels = []
    for name in names:
        title = quantity(name, metrics)
        panel = run_panel(title, runs[name], styles, x_label="optimizer steps")
        if panel is not None:
            panels.append(panel)
    return panels


def generator_panels(contents: Contents, method: str) -> dict[str, list[Panel]]:
    """Return charts of what the generators of a method recorded, by the title of the fit."""
    last = ""
    for description in contents.description.methods:
        if description.name == method:
            last = description.steps[-1].name
    fits: dict[str, dict[str, list[Curve]]] = {}  # title -> quantity -> a curve for each cell
    for cell, history in contents.run.histories.items():
        for (stage, name), curve in history.items():
            if cell.method == method and stage != last:
                fit = fits.setdefault(stage_title(stage, contents.class_names), {})
                fit.setdefault(name, []).append(curve)
    charts = {}
    for title, runs in fits.items():
        panels = fit_panels(runs)
        if panels:
            charts[title] = panels
    return charts


def fit_panels(runs: Mapping[str, Sequence[Curve]]) -> list[Panel]:
    """Return charts: quantities of `PANELS` together, every other quantity in its own."""
    groups = dict(PANELS)
    grouped = set().union(*PANELS.values())
    for name in runs:
        if name not in grouped:
            groups[sentence_case(quantity(name))] = (name,)
    panels = []
    for title, names in groups.items():
        curves = {quantity(name): runs[name] for name in names if name in runs}
        panel = run_panel(title, curves, styles_of(list(curves)), x_label="steps")
        if panel is not None:
            panels.append(panel)
    return panels


def stage_title(stage: str, class_names: Sequence[str]) -> str:
    """Return the title of a stage, "balance/class 2", with the name of that class."""
    step, _, fit = stage.partition("/")
    number = fit.removeprefix("class ")
    if number != fit and number.isdecimal():
        fit = class_names[int(number)]
    return f"{step}: {fit}" if fit else step


def quantity(name: str, metrics: Mapping[str, Metric] = METRICS) -> str:
    """Return the name of a recorded quantity: validation AUROC for validation_auroc."""
    part, _, metric = name.partition("_")
    if part == "validation" and metric in metrics:
        return f"validation {metrics[metric].label}"
    return name.replace("_", " ")
