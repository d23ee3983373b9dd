"""Does filtering synthetic images help? Curated arms against the same arms unfiltered: `curation.csv`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from equipoise.atomic import read_json
from equipoise.experiments.parameters import SEED
from equipoise.metrics.classification import METRICS
from equipoise.results.bootstrap_scores import N_DRAWS, score
from equipoise.results.comparison import RANKING, Comparison, compare_pairs
from equipoise.runs.csv_records import write_rows
from equipoise.runs.image_run import read_study

CURATED = "equipoise.curation.oversampler.CuratedOversampler"  # by name: reading a run needs none of its machinery


def curation_effect(folder: Path, *, n_draws: int = N_DRAWS) -> list[Comparison]:
    """Compare every curated method of a run with the same without filters, paired over runs; [] without any.

    Both arms add the same number of images (methods 9.6: "baseline to beat: same number, unfiltered"). Holm's
    correction is over the pairs, on the primary metric and on one without threshold.
    """
    pairs = find_pairs(read_json(Path(folder) / "study.json")["methods"])
    if not pairs:
        return []
    study = read_study(Path(folder))
    asked = {name for pair in pairs for name in pair}
    study = replace(
        study, finished=tuple(one for one in study.finished if one.cell.method in asked)
    )
    scores = score(study, n_draws=n_draws)
    metrics = dict.fromkeys((study.primary_metric, RANKING))
    return [row for name in metrics for row in compare_pairs(pairs, METRICS[name], study, scores)]


def write_curation(folder: Path) -> None:
    """Write `curation.csv` into a run folder that holds curated arms and the same unfiltered."""
    if rows := curation_effect(folder):
        write_rows(Path(folder) / "curation.csv", Comparison, rows)


def find_pairs(methods: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """List (curated, uncurated) methods of `study.json` that differ in the filters alone."""
    own = {method["name"]: [_flat(step) for step in method.get("steps", [])] for method in methods}
    pairs = []
    for name, steps in own.items():
        plain = [_unfiltered(step) for step in steps]
        if plain != [_unseeded(step) for step in steps]:
            pairs += [
                (name, other)
                for other, its in own.items()
                if [_unseeded(step) for step in its] == plain
            ]
    return pairs


def _flat(step: Mapping[str, Any]) -> dict[str, Any]:
    """Write a step as a nested estimator is written."""
    return {"class": step["class"], **step["settings"]}


def _unfiltered(value: Any) -> Any:
    """Put the generator in the place of its curated form, at any depth."""
    if not isinstance(value, Mapping):
        return value
    if value.get("class") == CURATED:
        return _unfiltered(value["generator"])
    return {key: _unfiltered(item) for key, item in value.items() if key != SEED}


def _unseeded(value: Any) -> Any:
    """Leave seeds out, at any depth: those of steps are not stored, those of nested estimators are."""
    if not isinstance(value, Mapping):
        return value
    return {key: _unseeded(item) for key, item in value.items() if key != SEED}
