"""Does filtering synthetic images help? Curated methods against unfiltered ones: `curation.csv`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from equipoise.atomic import JsonValue
from equipoise.metrics.classification import METRICS
from equipoise.randomness import SEED
from equipoise.results.bootstrap_scores import N_DRAWS, score
from equipoise.results.comparison import compare_family
from equipoise.results.records import RANKING, Comparison
from equipoise.runs.csv_records import write_rows
from equipoise.runs.description import MethodDescription
from equipoise.runs.image_run import ImageRun

# By name: reading a run must not import the oversampler.
CURATED = "equipoise.curation.oversampler.CuratedOversampler"


def curation_effect(run: ImageRun, *, n_draws: int = N_DRAWS) -> list[Comparison]:
    """Compare every curated method of a run with the same without filters; [] without any.

    Both add the same number of images, so that the comparison is about which images are added and
    not about how many. Comparisons are paired over runs; Holm's correction is over the pairs and
    both metrics, the decisive one and `RANKING`.
    """
    pairs = find_pairs(run.description.methods)
    if not pairs:
        return []
    compared = {name for pair in pairs for name in pair}
    finished = tuple(cell for cell in run.finished if cell.cell.method in compared)
    run = replace(run, finished=finished)
    scores = score(run, n_draws=n_draws)
    headline = {metric.name: metric for metric in (run.decisive_metric, METRICS[RANKING])}
    return compare_family(pairs, list(headline.values()), run, scores)


def write_curation(rows: Sequence[Comparison], folder: Path) -> None:
    """Write `curation.csv`; nothing where there are no rows."""
    if rows:
        write_rows(folder / "curation.csv", Comparison, rows)


def find_pairs(methods: Sequence[MethodDescription]) -> list[tuple[str, str]]:
    """Find the pairs (curated, uncurated) of methods that differ in the filters alone."""
    # A step as a nested estimator is written: its class among its settings.
    steps: dict[str, list[JsonValue]] = {}
    for method in methods:
        flat: list[JsonValue] = []
        for step in method.steps:
            flat.append({"class": step.class_name, **step.settings})
        steps[method.name] = flat
    unseeded = {name: [_unseeded(step) for step in flat] for name, flat in steps.items()}
    pairs = []
    for name, flat in steps.items():
        unfiltered = [_unfiltered(step) for step in flat]
        if unfiltered == unseeded[name]:
            continue
        for uncurated, other_steps in unseeded.items():
            if other_steps == unfiltered:
                pairs.append((name, uncurated))
    return pairs


def _unfiltered(value: JsonValue) -> JsonValue:
    """Replace curated forms of a generator by the generator, at any depth, and leave seeds out."""
    if not isinstance(value, dict):
        return value
    if value.get("class") == CURATED:
        return _unfiltered(value["generator"])
    return {key: _unfiltered(item) for key, item in value.items() if key != SEED}


def _unseeded(value: JsonValue) -> JsonValue:
    """Leave out seeds at any depth; those of nested estimators are stored."""
    if not isinstance(value, dict):
        return value
    return {key: _unseeded(item) for key, item in value.items() if key != SEED}
