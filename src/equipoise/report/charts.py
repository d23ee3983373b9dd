"""The figures of the report: which curves, intervals and matrices, from what a run holds."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.experiments.curves import Curves
from equipoise.metrics.classification import METRICS
from equipoise.report.contents import Contents
from equipoise.report.figures import Curve, Line, Panel, Style, run_panel, styles_of, unit_panel

LOSSES, LEARNING, WATCHED = "Losses", "Critic's scores while it learns", "Critic's scores of fixed images"
PANELS = {  # what a GAN records -> the panel that shows it
    "critic_loss": LOSSES,
    "generator_loss": LOSSES,
    "real_score": LEARNING,
    "fake_score": LEARNING,
    "training_score": WATCHED,
    "validation_score": WATCHED,
    "generated_score": WATCHED,
}
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


def discrimination(curves: Mapping[str, Curves], styles: Mapping[str, Style]) -> list[Panel]:
    """Draw the mean ROC and precision-recall curves of every method."""
    roc = [Line(name, _points(c.grid, c.sensitivity), styles[name]) for name, c in curves.items()]
    precision = [Line(name, _points(c.grid, c.precision), styles[name]) for name, c in curves.items()]
    chance = max((c.prevalence for c in curves.values()), default=0.0)
    return [
        unit_panel("ROC", roc, x_label="1 \N{MINUS SIGN} specificity", y_label="sensitivity", chance=(0.0, 1.0)),
        unit_panel("Precision-recall", precision, x_label="recall", y_label="precision", chance=(chance, chance)),
    ]


def _points(x: NDArray[np.float64], y: NDArray[np.float64]) -> Curve:
    return list(zip(x.tolist(), y.tolist(), strict=True))


def classifier_panels(contents: Contents, styles: Mapping[str, Style]) -> list[Panel]:
    """Draw what the classifiers recorded, a panel for each quantity, the primary metric first."""
    stages = {m["name"]: m["steps"][-1]["name"] for m in contents.study["methods"]}
    runs: dict[str, dict[str, list[Curve]]] = defaultdict(lambda: {name: [] for name in stages})
    for cell, history in contents.histories.items():
        for (stage, name), curve in history.items():
            if stage == stages[cell.method]:
                runs[name][cell.method].append(curve)
    first = f"validation_{contents.study['primary_metric']}"
    names = sorted(runs, key=lambda name: (name != first, not name.startswith("validation"), name))
    return _drawn(run_panel(quantity(name), runs[name], styles, x_label="optimizer steps") for name in names)


@dataclass(frozen=True)
class Fit:
    """What one generator recorded: a panel for each kind of quantity, and the colors of its curves."""

    stage: str
    panels: list[Panel]
    styles: Mapping[str, Style]


def generator_fits(contents: Contents, method: str) -> list[Fit]:
    """Draw what the generators of a method recorded, one fit for each of its stages."""
    stages: dict[str, dict[str, list[Curve]]] = defaultdict(lambda: defaultdict(list))
    last = next(m["steps"][-1]["name"] for m in contents.study["methods"] if m["name"] == method)
    for cell, history in contents.histories.items():
        for (stage, name), curve in history.items():
            if cell.method == method and stage != last:
                stages[stage][name].append(curve)
    return [_fit(_title(stage, contents.class_names), runs) for stage, runs in stages.items()]


def _title(stage: str, class_names: Sequence[str]) -> str:
    """Write a stage of a history, "balance/class 2", with the name of the class that its fit is about."""
    step, _, fit = stage.partition("/")
    number = fit.removeprefix("class ")
    if number != fit and number.isdecimal():
        fit = class_names[int(number)]
    return f"{step}: {fit}" if fit else step


def _fit(stage: str, runs: Mapping[str, Sequence[Curve]]) -> Fit:
    """Put quantities that share a scale on one panel."""
    groups: dict[str, dict[str, Sequence[Curve]]] = defaultdict(dict)
    for name, curves in runs.items():
        groups[PANELS.get(name, "Other quantities")][quantity(name)] = curves
    styles = styles_of([quantity(name) for name in runs])
    order = sorted(groups, key=[*dict.fromkeys(PANELS.values()), "Other quantities"].index)
    return Fit(stage, _drawn(run_panel(title, groups[title], styles, x_label="steps") for title in order), styles)


def quantity(name: str) -> str:
    """Write the name of a recorded quantity: validation_auroc becomes validation AUROC."""
    part, _, metric = name.partition("_")
    if part == "validation" and metric in METRICS:
        return f"validation {METRICS[metric].label}"
    return name.replace("_", " ")


def _drawn(panels: Iterable[Panel | None]) -> list[Panel]:
    return [panel for panel in panels if panel is not None]
