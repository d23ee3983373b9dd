"""The figures of the report: which curves, intervals and matrices, from what a run holds."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.metrics.base import Metric
from equipoise.metrics.classification import METRICS
from equipoise.report.figures import Curve, Line, Panel, Style, run_panel, styles_of, unit_panel
from equipoise.report.formatting import sentence_case
from equipoise.report.run_contents import Contents
from equipoise.results.best_method import best_first
from equipoise.results.curves import Curves

PANELS = {  # panel -> what of a GAN's history it shows
    "Losses": ("critic_loss", "generator_loss"),
    "Critic's scores while it learns": ("real_score", "fake_score"),
    "Critic's scores of fixed images": ("training_score", "generated_score", "validation_score"),
}
MOST_DRAWN = 8  # methods in one chart; more could not be told apart
SHADE = (0, 89, 160)  # of a full cell of a confusion matrix


@dataclass(frozen=True)
class Shaded:
    """A cell of a confusion matrix."""

    count: str
    percent: str
    background: str
    color: str


def confusion(counts: NDArray[np.int64]) -> list[list[Shaded]]:
    """Shade a (k, k) matrix of counts by the share of each row, the truth."""
    return [[_shaded(int(n), int(row.sum())) for n in row] for row in counts]


def _shaded(n: int, total: int) -> Shaded:
    share = n / total if total else 0.0
    background = ",".join(str(round(255 + (full - 255) * share)) for full in SHADE)
    percent = f"{share:.0%}" if total else "\N{EN DASH}"
    return Shaded(f"{n:,}", percent, f"rgb({background})", "#fff" if share > 0.72 else "#1d2127")


def prominent(contents: Contents) -> list[str]:
    """Choose the methods that charts show: the baseline and the best means of the primary metric, as asked."""
    results = contents.results
    if len(contents.methods) <= MOST_DRAWN:
        return list(contents.methods)
    primary = results.primary_metric
    means = {m.method: m.metrics[primary].mean for m in results.methods if m.metrics}
    ranked = best_first(results.metrics[primary], means)
    first = [results.baseline] if results.baseline in means else []
    shown = list(dict.fromkeys([*first, *ranked]))[:MOST_DRAWN]
    return [name for name in contents.methods if name in shown]


def discrimination(curves: Mapping[str, Curves], styles: Mapping[str, Style]) -> list[Panel]:
    """Draw the mean ROC and precision-recall curves of every method."""
    roc = [Line(name, _points(c.grid, c.sensitivity), styles[name]) for name, c in curves.items()]
    precision = [
        Line(name, _points(c.grid, c.precision), styles[name]) for name, c in curves.items()
    ]
    chance = max((c.prevalence for c in curves.values()), default=0.0)
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


def _points(x: NDArray[np.float64], y: NDArray[np.float64]) -> Curve:
    return list(zip(x.tolist(), y.tolist(), strict=True))


def classifier_panels(
    contents: Contents, styles: Mapping[str, Style], part: str = ""
) -> list[Panel]:
    """Draw what the last steps of `styles` recorded, a panel for each quantity, the primary metric first.

    Args:
        contents: The run.
        styles: Methods to draw, and how.
        part: Stage of the last step, of a segmenter that has several.
    """
    ends = {m.name: m.steps[-1].name for m in contents.description.methods if m.name in styles}
    stages = {name: f"{end}/{part}" if part else end for name, end in ends.items()}
    runs: dict[str, dict[str, list[Curve]]] = defaultdict(lambda: {name: [] for name in stages})
    for cell, history in contents.run.histories.items():
        for (stage, name), curve in history.items():
            if stage == stages.get(cell.method):
                runs[name][cell.method].append(curve)
    metrics = contents.results.metrics
    first = f"validation_{contents.results.primary_metric}"
    names = sorted(runs, key=lambda name: (name != first, not name.startswith("validation"), name))
    return _drawn(
        run_panel(quantity(name, metrics), runs[name], styles, x_label="optimizer steps")
        for name in names
    )


def generator_panels(contents: Contents, method: str) -> dict[str, list[Panel]]:
    """Draw what the generators of a method recorded, by the title of the fit."""
    fits: dict[str, dict[str, list[Curve]]] = defaultdict(lambda: defaultdict(list))
    last = next(m.steps[-1].name for m in contents.description.methods if m.name == method)
    for cell, history in contents.run.histories.items():
        for (stage, name), curve in history.items():
            if cell.method == method and stage != last:
                fits[_title(stage, contents.class_names)][name].append(curve)
    drawn = {title: _drawn(_generator_panels(runs)) for title, runs in fits.items()}
    return {title: panels for title, panels in drawn.items() if panels}


def _generator_panels(runs: Mapping[str, Sequence[Curve]]) -> Iterator[Panel | None]:
    """Draw what belongs together in one panel, and anything else that was recorded in one of its own."""
    together = {name for names in PANELS.values() for name in names}
    alone = {sentence_case(quantity(name)): (name,) for name in runs if name not in together}
    for title, names in {**PANELS, **alone}.items():
        shown = {quantity(name): runs[name] for name in names if name in runs}
        yield run_panel(title, shown, styles_of(list(shown)), x_label="steps")


def _title(stage: str, class_names: Sequence[str]) -> str:
    """Write a stage of a history, "balance/class 2", with the name of the class that its fit is about."""
    step, _, fit = stage.partition("/")
    number = fit.removeprefix("class ")
    if number != fit and number.isdecimal():
        fit = class_names[int(number)]
    return f"{step}: {fit}" if fit else step


def quantity(name: str, metrics: Mapping[str, Metric] = METRICS) -> str:
    """Write the name of a recorded quantity: validation_auroc becomes validation AUROC."""
    part, _, metric = name.partition("_")
    if part == "validation" and metric in metrics:
        return f"validation {metrics[metric].label}"
    return name.replace("_", " ")


def _drawn(panels: Iterable[Panel | None]) -> list[Panel]:
    return [panel for panel in panels if panel is not None]
