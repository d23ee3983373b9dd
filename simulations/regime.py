"""How often the checks of training and test raise an alarm, where nothing is wrong and where it is.

    python -m simulations.regime --json docs/results/simulations/regime.json

Scores are normal, the classes a distance apart; images of a patient correlate by .5.

- gap: validation and test images of equally many patients are scored by one classifier, so nothing
  is wrong where `drop` is 0; else the distance of the test images' scores is shorter, so that their
  AUROC falls by `drop`. `picked` classifiers that correlate by .9 compete on the validation images,
  as checkpoints do, and the best of them is kept. `alarms`: share of studies in which
  `equipoise.results.regime.areas.area_gap` exceeds what sampling explains (nominal .01).
- backwards: the AUROC is 0.5, or 0.3; share of studies whose 95 % interval ends below 0.5 (nominal
  .025 at 0.5).
- learning: losses that halve their distance from the end in `half_life` of the learning rate that a
  cosine spends, with noise and with what annealing gains; share of studies of three runs whose
  training loss is said to be still falling.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from equipoise.atomic import JsonObject, JsonValue, write_json
from equipoise.metrics.base import Predictions
from equipoise.metrics.patient_areas import WeightedArea, ranked_classes, sum_areas
from equipoise.randomness import make_rng
from equipoise.results.regime.areas import CHANCE, area_gap
from equipoise.results.regime.learning import loss_trend
from equipoise.runs.cell import Cell
from equipoise.runs.image_run import FinishedCell

REPLICATIONS = 500
WITHIN = 0.5  # correlation of two images of a patient
ALIKE = 0.9  # correlation of two checkpoints of a training
SIZES = ((40, 10), (80, 20), (200, 60))  # patients without and with the class, in each part
STEPS = np.arange(10.0, 610.0, 10.0)

Values = NDArray[np.float64]


def distance(auroc: float) -> float:
    """Return the distance of two normal classes, in deviations, that gives an AUROC."""
    return float(np.sqrt(2) * norm.ppf(auroc))


def draw_part(
    sizes: tuple[int, int], n_images: int, apart: float, n: int, rng: np.random.Generator
) -> tuple[list[Predictions], NDArray[np.int64]]:
    """Draw what `n` alike classifiers say of a part, and the patient of each image."""
    truth_of_patient = np.repeat([0, 1], sizes)
    patients = np.repeat(np.arange(sum(sizes)), n_images)
    truth = truth_of_patient[patients]
    shared = noise((len(truth_of_patient),), rng)[patients] * np.sqrt(WITHIN)
    shared += noise((len(truth),), rng) * np.sqrt(1 - WITHIN)
    predictions = []
    for _ in range(n):
        own = noise((len(truth_of_patient),), rng)[patients] * np.sqrt(WITHIN)
        own += noise((len(truth),), rng) * np.sqrt(1 - WITHIN)
        logit = apart * truth + np.sqrt(ALIKE) * shared + np.sqrt(1 - ALIKE) * own
        score = 1 / (1 + np.exp(-logit))
        scores = np.stack([1 - score, score], axis=1)
        predictions.append(Predictions(y_true=truth, y_score=scores, positive=1))
    return predictions, patients


def noise(shape: tuple[int, ...], rng: np.random.Generator) -> Values:
    """Draw standard normal numbers."""
    return rng.normal(size=shape)


def finished_cell(
    validation: Predictions, test: Predictions, patients: NDArray[np.int64]
) -> FinishedCell:
    """Build a cell whose validation patients are others than its test patients."""
    ids = np.arange(len(patients)).astype(str)
    return FinishedCell(
        cell=Cell("none", "split-0", 0),
        predictions=test,
        patients=patients,
        ids=ids,
        validation=validation,
        validation_patients=patients + 1_000_000,
        validation_ids=ids,
    )


def gaps(n: int) -> Iterator[dict[str, JsonValue]]:
    """Yield how often validation is said to be far above test."""
    for sizes in SIZES:
        for n_images, auroc, picked, drop in (
            (1, 0.70, 1, 0.0),
            (1, 0.85, 1, 0.0),
            (1, 0.95, 1, 0.0),
            (3, 0.85, 1, 0.0),
            (1, 0.85, 10, 0.0),
            (1, 0.85, 1, 0.1),
            (1, 0.85, 1, 0.25),
        ):
            rng = make_rng(0, f"gap {sizes} {n_images} {auroc} {picked} {drop}")
            alarms = 0
            for _ in range(n):
                validation, patients = draw_part(sizes, n_images, distance(auroc), picked, rng)
                test, _ = draw_part(sizes, n_images, distance(auroc - drop), 1, rng)
                best = max(validation, key=lambda p: float(p.areas[0][0, 1]))
                gap = area_gap([finished_cell(best, test[0], patients)])
                alarms += gap is not None and gap.exceeds_chance
            yield {
                "patients": list(sizes),
                "images": n_images,
                "auroc": auroc,
                "picked": picked,
                "drop": drop,
                **rate("alarms", alarms, n),
            }


def backwards(n: int) -> Iterator[dict[str, JsonValue]]:
    """Yield how often images are said to be ranked backwards."""
    for sizes in SIZES:
        for n_images, auroc in ((1, 0.5), (3, 0.5), (1, 0.3)):
            rng = make_rng(0, f"backwards {sizes} {n_images} {auroc}")
            alarms = 0
            for _ in range(n):
                (drawn,), patients = draw_part(sizes, n_images, distance(auroc), 1, rng)
                term = WeightedArea(predictions=drawn, patients=patients, weight=1.0)
                area = sum_areas([term], ranked_classes([drawn]))
                alarms += area.interval[1] < CHANCE
            yield {
                "patients": list(sizes),
                "images": n_images,
                "auroc": auroc,
                **rate("alarms", alarms, n),
            }


def losses(n: int) -> Iterator[dict[str, JsonValue]]:
    """Yield how often a training loss is said to be still falling."""
    share = STEPS / STEPS[-1]
    spent = share + np.sin(np.pi * share) / np.pi
    for half_life, annealed, scatter in (
        (0.1, 0.0, 0.03),
        (0.2, 0.0, 0.03),
        (0.2, 0.03, 0.03),
        (0.2, 0.03, 0.1),
        (0.4, 0.0, 0.03),
        (1.0, 0.0, 0.03),
        (2.0, 0.0, 0.01),
    ):
        rng = make_rng(0, f"loss {half_life} {annealed} {scatter}")
        level = 0.2 + 0.5 * 0.5 ** (spent / half_life) - annealed * share
        alarms = 0
        for _ in range(n):
            curves = []
            for _run in range(3):
                curves.append(np.stack([STEPS, level + scatter * noise(STEPS.shape, rng)], axis=1))
            trend = loss_trend(curves)
            alarms += trend is not None and trend.still_falls("cosine")
        yield {
            "half_life": half_life,
            "annealed": annealed,
            "noise": scatter,
            **rate("alarms", alarms, n),
        }


def rate(name: str, hits: int, n: int) -> dict[str, JsonValue]:
    """Return a share of n replications with its Monte-Carlo standard error."""
    share = hits / n
    return {name: round(share, 4), "error": round(float(np.sqrt(share * (1 - share) / n)), 4)}


def simulate(n: int = REPLICATIONS) -> JsonObject:
    """Run every part with n replications of each design."""
    return {
        "command": "python -m simulations.regime",
        "replications": n,
        "gap": list(gaps(n)),
        "backwards": list(backwards(n)),
        "learning": list(losses(n)),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    write_json(parser.parse_args().json, simulate())
