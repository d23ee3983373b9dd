"""How often the rule of quality passes real images and refuses spoiled ones.

Chest films are drawn at 64 px. In every replication, three sets of as many images are taken from
different patients: training images, held-out images, and the images in question. These are real
("other patients"), or real ones that were spoiled as generators do it: a faint checkerboard (8 of
255 gray values), noise (standard deviation 5), blur (Gaussian of 0.7 px), blends of two images, a
collapse to 5 images (with noise of 1), constant images, and white noise. The rule is that of
`equipoise audit` and of the report (`equipoise.audit.quality_gate`), in the features of the random
network and of the power spectrum.

Reading: "refused" of other patients is the false alarm rate, "refused" of the spoiled sets the
power; "not measured" means that the interval of so few images allows neither.

    python -m simulations.quality --json docs/results/simulations/quality.json
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from equipoise.arrays import Images
from equipoise.atomic import JsonValue, write_json
from equipoise.audit.gate import NOT_MEASURED, PASSED, REFUSED, GateDecision
from equipoise.audit.quality import measure_repeats
from equipoise.audit.quality_gate import DEFAULT_QUALITY_RULE, decide_quality
from equipoise.audit.realism import RealFeatures, RealPairs
from equipoise.data.phantoms.datasets import chest_films
from equipoise.features.base import Features, extract
from equipoise.features.choosing import ALWAYS, make_extractor
from equipoise.randomness import make_rng

SIDE = 64
N_DRAWN = 900  # films, about 2.4 of each patient
SIZES = (30, 60, 150)  # images in each of the three sets
REAL = "other patients"
KINDS = (REAL, "checkerboard", "noise", "blur", "blends", "collapse", "constant", "white noise")
REPLICATIONS, REPLICATIONS_SPOILED = 100, 12


def spoil(images: Images, kind: str, rng: np.random.Generator) -> Images:
    """Spoil real images (n, 1, h, w) in one of `KINDS`, all in the same way."""
    values = images.astype(np.float64)
    if kind == "checkerboard":
        values += 8 * (np.indices(images.shape[2:]).sum(axis=0) % 2)
    elif kind == "noise":
        values += rng.normal(0, 5, images.shape)
    elif kind == "blur":
        values = gaussian_filter(values, (0, 0, 0.7, 0.7))
    elif kind == "blends":
        values = (values + values[rng.permutation(len(images))]) / 2
    elif kind == "constant":
        values[:] = rng.uniform(80, 120, (len(images), 1, 1, 1))
    elif kind == "white noise":
        values = rng.uniform(0, 255, images.shape)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def collapse(images: Images, rng: np.random.Generator) -> Images:
    """Return 5 of the images again and again, with faint noise."""
    values = images[rng.integers(0, 5, len(images))] + rng.normal(0, 1, images.shape)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


class Films:
    """Drawn films, spoiled ones, and the features of all of them.

    Args:
        n: Films that are drawn.
    """

    def __init__(self, n: int) -> None:
        drawn = chest_films((n, 1), size=SIDE, seed=12)
        self.films = drawn.subset(drawn.labels == 0)
        self.extractors = [make_extractor(name, device="cpu") for name in ALWAYS]
        self.images: dict[str, Images] = {}
        self.features: dict[tuple[str, str], Features] = {}
        for kind in KINDS:
            if kind == "collapse":  # of each set to its own images
                continue
            rng = make_rng("quality simulation", kind)
            self.images[kind] = spoil(self.films.images[:], kind, rng)
            for extractor in self.extractors:
                features = extract(self.images[kind], extractor)
                self.features[kind, extractor.name] = features

    def draw_sets(self, n: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
        """Draw the rows of three sets of n films of different patients."""
        patients = rng.permutation(np.unique(self.films.groups))
        sets = []
        for part in np.array_split(patients, 3):
            rows = [np.flatnonzero(self.films.groups == patient) for patient in part]
            sets.append(np.concatenate(rows)[:n])
        return sets

    def decide(self, kind: str, n: int, replication: int) -> GateDecision:
        """Draw three sets and decide on the third, spoiled in one of `KINDS`."""
        rng = make_rng("quality simulation", kind, n, replication)
        train, held_out, rows = self.draw_sets(n, rng)
        groups = self.films.groups
        if kind == "collapse":
            images = collapse(self.films.images[rows], rng)
        else:
            images = self.images[kind][rows]
        findings = [measure_repeats(images, self.films.images[train])]
        for extractor in self.extractors:
            real = self.features[REAL, extractor.name]
            pairs = RealPairs.of(
                RealFeatures(real[train], groups[train]),
                RealFeatures(real[held_out], groups[held_out]),
                rng,
                extractor.name,
            )
            if kind == "collapse":
                fake = extract(images, extractor)
            else:
                fake = self.features[kind, extractor.name][rows]
            findings += pairs.compare(fake, rng)
        return decide_quality("the films", findings)


def simulate(
    films: Films, sizes: Sequence[int], replications: int, replications_spoiled: int
) -> list[dict[str, JsonValue]]:
    """Count the decisions for every kind and size, with standard errors of the shares."""
    rows: list[dict[str, JsonValue]] = []
    for n in sizes:
        for kind in KINDS:
            count = replications if kind == REAL else replications_spoiled
            statuses = [films.decide(kind, n, i).status for i in range(count)]
            row: dict[str, JsonValue] = {"images": n, "kind": kind, "replications": count}
            for status in (PASSED, REFUSED, NOT_MEASURED):
                share = statuses.count(status) / count
                row[status] = share
                row[f"{status}, standard error"] = float(np.sqrt(share * (1 - share) / count))
            rows.append(row)
    return rows


def main() -> None:
    """Run the simulation and write its rows."""
    parser = argparse.ArgumentParser(description="Rates of the rule of quality on drawn films.")
    parser.add_argument("--json", type=Path, required=True, help="file to write")
    path = parser.parse_args().json
    rule = DEFAULT_QUALITY_RULE
    result = {
        "command": f"python -m simulations.quality --json {path}",
        "design": {"side": SIDE, "films": N_DRAWN, "extractors": list(ALWAYS)},
        "rule": {
            "most_told": rule.most_told,
            "least_share": rule.least_share,
            "most_repeats": rule.most_repeats,
        },
        "rows": simulate(Films(N_DRAWN), SIZES, REPLICATIONS, REPLICATIONS_SPOILED),
    }
    write_json(path, result)


if __name__ == "__main__":
    main()
