"""How much AUROC does paper S1's leak alone give? From a clean run and a leaky one on the same splits.

Usage, from the project's root, after both runs of `studies/s1_chest_xray_gans.py`:
python -m studies.leak runs/s1_chest_xray_gans runs/s1_chest_xray_gans_literal

In the leaky run the generator has seen the test films and its images are among the test images. It
is scored twice: on all of its test images, as the paper did, and on the real ones among them, which
are those of the clean run. Writes leak.json into docs/results/<name of the leaky run> and prints
it.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.atomic import write_json
from equipoise.metrics.base import Predictions
from equipoise.metrics.classification import METRICS, aurocs
from equipoise.metrics.statistics import paired_test, patient_draws, strata_of_patients
from equipoise.randomness import make_rng
from equipoise.results.bootstrap_scores import N_DRAWS
from equipoise.runs.image_run import FinishedCell
from equipoise.runs.run import open_run

RESULTS = Path("docs/results")
CLEAN, LEAKY = (
    "dcgan",
    "none",
)  # the same generator: in the leaky run its images are part of the data
POSING = "posing-"

Values = NDArray[np.float64]
Runs = Mapping[str, FinishedCell]  # by split


def measure(clean: Path, leaky: Path) -> dict[str, Any]:
    """Compare the two protocols, paired by split, on AUROC over the classes and of the rare class."""
    fair, leaking = (_runs(folder, method) for folder, method in ((clean, CLEAN), (leaky, LEAKY)))
    splits = sorted(fair.keys() & leaking.keys())
    scored = [_scores(fair[split], leaking[split], i) for i, split in enumerate(splits)]
    fewest = min(int(np.bincount(fair[s].predictions.y_true).min()) for s in splits)
    return {
        "splits": len(splits),
        "clean": f"{CLEAN} of {clean.name}",
        "leaky": f"{LEAKY} of {leaky.name}",
        **{
            metric: {
                "clean": float(np.mean([one[metric]["clean"][0] for one in scored])),
                **{
                    name: _difference(scored, metric, name, fewest) for name in ("all", "real only")
                },
            }
            for metric in ("auroc", "auroc of the rare class")
        },
    }


def _runs(folder: Path, method: str) -> Runs:
    return {one.cell.split: one for one in open_run(folder).images.cells_of(method)}


def _scores(fair: FinishedCell, leaking: FinishedCell, i: int) -> dict[str, dict[str, Values]]:
    """Give both metrics of clean, leaky on all and leaky on real images: plain, then under draws of patients."""
    real = np.array([not name.startswith(POSING) for name in leaking.ids])
    if not np.array_equal(leaking.ids[real], fair.ids):
        raise ValueError(
            f"Expected the same real test images in {fair.cell.split} of both runs. Use the same "
            "splits."
        )
    patients, codes = np.unique(leaking.patients, return_inverse=True)
    strata = strata_of_patients(leaking.predictions.y_true, codes)
    drawn = np.concatenate(
        [*patient_draws(strata, make_rng("leak", i), n_draws=N_DRAWS, block=200)]
    )
    weights = np.concatenate([np.ones((1, len(patients))), drawn])[:, codes]
    seen = {
        "clean": (fair.predictions, weights[:, real]),
        "all": (leaking.predictions, weights),
        "real only": (_only(leaking.predictions, real), weights[:, real]),
    }
    parts = {name: p.reweighted(w) for name, (p, w) in seen.items()}
    return {
        "auroc": {name: METRICS["auroc"].rule(p) for name, p in parts.items()},
        "auroc of the rare class": {name: aurocs(p)[:, p.positive] for name, p in parts.items()},
    }


def _only(predictions: Predictions, rows: NDArray[np.bool_]) -> Predictions:
    return Predictions(
        y_true=predictions.y_true[rows],
        y_score=predictions.y_score[rows],
        positive=predictions.positive,
    )


def _difference(
    scored: list[dict[str, dict[str, Values]]], metric: str, name: str, fewest: int
) -> dict[str, Any]:
    pairs = np.stack([one[metric][name] - one[metric]["clean"] for one in scored])
    test = paired_test(pairs[:, 0], pairs[:, 1:], np.arange(len(pairs)), n_patients=fewest)
    mean = float(np.mean([one[metric][name][0] for one in scored]))
    return {"mean": mean, **{f"minus clean: {k}": v for k, v in asdict(test).items()}}


if __name__ == "__main__":
    clean, leaky = map(Path, sys.argv[1:3])
    found = measure(clean, leaky)
    write_json(RESULTS / leaky.name / "leak.json", found)
    print(json.dumps(found, indent=2))
