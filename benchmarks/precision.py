"""bfloat16 against float32: processor time, scores of classifiers, distances of generated images.

Usage: EQUIPOISE_WEIGHTS=../shared/weights python -m benchmarks.precision --json FILE
    [--only classifiers generators]

A pair is the same fit twice, on one thread, with the same images, seed and number of steps; the
precision that comes first changes from pair to pair. Classifiers are trained at 64 px on hold-outs
of four real sets and scored on their test images; generators are trained at 32 px on real images
of one set, and FID and KID to as many other real images are in the features of MobileNetV2
(ImageNet). A pair that is in the JSON is not trained again: the same command goes on. Exits with 2
on a processor that would emulate bfloat16.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from studies.regimes import TASKS, plan

from benchmarks.timing import cpu_seconds
from equipoise.atomic import read_json, write_json
from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import Split
from equipoise.estimators.classifier import ImageClassifier
from equipoise.experiments.methods.catalogue import METHODS
from equipoise.experiments.protocol import SCRATCH, Budget
from equipoise.experiments.running.environment import machine, versions
from equipoise.features.base import Features, extract
from equipoise.features.choosing import make_extractor
from equipoise.image_rows import ImageSource
from equipoise.metrics.base import Predictions
from equipoise.metrics.classification import METRICS
from equipoise.metrics.fidelity import fid, kid
from equipoise.resampling.base import Oversampler
from equipoise.training.devices import has_bfloat16

Facts = dict[str, Any]
PRECISIONS = ("32-true", "bf16-mixed")
NETWORKS = {"small_cnn": 200, "resnet18": 100, "densenet121": 80, "mobilenet_v2": 80}  # steps
SETS = ("covid_xray", "kermany_cxr", "skin_two", "brain_mri_cheng3")
N_SPLITS, SIDE = 5, 64
FEW = {"mobilenet_v2": SETS[:1]}  # networks that are no faster need no more
GENERATORS = ("dcgan", "sngan", "bagan_gp", "edm", "cdcgan")
GENERATOR_SETS, GENERATOR_SIDE, N_GENERATED = ("kermany_cxr",), 32, 400
BUDGET = Budget(gan_steps=400, device="cpu")
SEEDS = (0, 1, 2)
FEATURES = Path("runs/precision/features")
SCORES = ("balanced_accuracy", "auroc", "fid", "kid")
NOT_BFLOAT16 = 2  # exit code


@dataclass(frozen=True, kw_only=True)
class PlannedPair:
    """The fit that both precisions make.

    Attributes:
        kind: "classifier" or "generator".
        name: Of the network or the method.
        dataset: Name of the set in `studies.regimes.TASKS`.
        number: Of the split, or the seed.
    """

    kind: str
    name: str
    dataset: str
    number: int

    def key(self) -> list[Any]:
        return [self.kind, self.name, self.dataset, self.number]


def planned_pairs(kinds: Iterable[str]) -> Iterator[PlannedPair]:
    """Yield all pairs; those of classifiers split by split, so that an early end has all kinds."""
    if "classifiers" in kinds:
        for split in range(N_SPLITS):
            for name in NETWORKS:
                for dataset in FEW.get(name, SETS):
                    yield PlannedPair(kind="classifier", name=name, dataset=dataset, number=split)
    if "generators" in kinds:
        for dataset in GENERATOR_SETS:
            for seed in SEEDS:
                for name in GENERATORS:
                    yield PlannedPair(kind="generator", name=name, dataset=dataset, number=seed)


@cache
def real_images(dataset: str, side: int) -> tuple[ImageDataset, tuple[Split, ...]]:
    """Read a set and split it as the studies do."""
    study = plan(dataset, SCRATCH, ("none",), n_splits=N_SPLITS, size=side)
    return study.images, tuple(study.splits)


def train_classifier(pair: PlannedPair, precision: str) -> Facts:
    """Fit a network on the training images of a split, and score it on its test images."""
    images, splits = real_images(pair.dataset, SIDE)
    split = splits[pair.number]
    train, validation, test = (
        images.subset(np.asarray(rows)) for rows in (split.train, split.validation, split.test)
    )
    classifier = ImageClassifier(
        network=pair.name,
        loss="class_weights",
        n_steps=NETWORKS[pair.name],
        augmentation=TASKS[pair.dataset].augmentation,
        precision=precision,
        device="cpu",
        random_state=pair.number,
    )
    before = cpu_seconds()
    classifier.fit(train.images, train.labels, validation=(validation.images, validation.labels))
    seconds = cpu_seconds() - before
    predictions = Predictions(
        y_true=test.labels,
        y_score=classifier.predict_proba(test.images),
        positive=images.class_names.index(TASKS[pair.dataset].rare),
    )
    scores = {name: METRICS[name].rule(predictions).item() for name in SCORES[:2]}
    return {"cpu_seconds": round(seconds, 2), **scores}


def train_generator(pair: PlannedPair, precision: str) -> Facts:
    """Fit a generator on half of the images, and compare what it makes with the other half."""
    images, _ = real_images(pair.dataset, GENERATOR_SIDE)
    rng = np.random.default_rng(pair.number)
    rows = np.concatenate([_draw(rng, images, code) for code in np.unique(images.labels)])
    learned, compared = images.subset(rows[::2]), images.subset(rows[1::2])
    balance = METHODS[pair.name].balance
    assert balance is not None
    generator = balance(replace(BUDGET, gan_precision=precision))
    assert isinstance(generator, Oversampler)
    every_class = {code: int(n) + 1 for code, n in enumerate(np.bincount(learned.labels))}
    generator.set_params(random_state=pair.number, sampling_strategy=every_class)
    before = cpu_seconds()
    generator.fit(learned.images, learned.labels)
    seconds = cpu_seconds() - before
    real = features(compared.images)
    synthetic = features(generator.generate(compared.labels))
    return {
        "cpu_seconds": round(seconds, 2),
        "fid": fid(real, synthetic),
        "kid": kid(real, synthetic),
    }


def features(images: ImageSource) -> Features:
    """Return features, stored by the content of the images."""
    return extract(images, make_extractor("imagenet", device="cpu"), cache=FEATURES)


def _draw(rng: np.random.Generator, images: ImageDataset, code: int) -> np.ndarray:
    """Draw rows of a class."""
    of_class = np.flatnonzero(images.labels == code)
    return rng.permutation(of_class)[:N_GENERATED]


TRAIN = {"classifier": train_classifier, "generator": train_generator}


def measured(pair: PlannedPair, place: int) -> Facts:
    """Make a fit in both precisions."""
    order = PRECISIONS if place % 2 else PRECISIONS[::-1]
    train: Callable[[str], Facts] = partial(TRAIN[pair.kind], pair)
    return {"pair": pair.key(), **{precision: train(precision) for precision in order}}


def summary(rows: Iterable[Facts]) -> list[Facts]:
    """Summarize the pairs of each network and generator.

    Returns:
        For each the number of "pairs"; "speed", the median of the processor seconds of float32
        over those of bfloat16; and for every score "float32", its mean, "difference", the mean of
        bfloat16 - float32, "interval" of that mean (t, 95 %) and "sd" of the single differences.
    """
    by_name: dict[tuple[str, str], list[Facts]] = {}
    for row in rows:
        by_name.setdefault((row["pair"][0], row["pair"][1]), []).append(row)
    lines: list[Facts] = []
    for (kind, name), pairs in by_name.items():
        first, second = ([row[precision] for row in pairs] for precision in PRECISIONS)
        seconds, faster = (
            np.array([row["cpu_seconds"] for row in side]) for side in (first, second)
        )
        line: Facts = {
            "kind": kind,
            "name": name,
            "pairs": len(pairs),
            "speed": round(float(np.median(seconds / faster)), 3),
        }
        for score in SCORES:
            if score in first[0]:
                reference = np.array([scores[score] for scores in first])
                line[score] = _difference(reference, np.array([s[score] for s in second]))
        lines.append(line)
    return lines


def _difference(reference: np.ndarray, other: np.ndarray) -> Facts:
    """Describe paired differences."""
    differences = other - reference
    mean = float(differences.mean())
    described: Facts = {"float32": round(float(reference.mean()), 4)}
    described["difference"] = round(mean, 4)
    if len(differences) > 1:
        sd = float(differences.std(ddof=1))
        half = stats.t.ppf(0.975, len(differences) - 1) * sd / len(differences) ** 0.5
        described["interval"] = [round(mean - half, 4), round(mean + half, 4)]
        described["sd"] = round(sd, 4)
    return described


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True, help="file for the numbers")
    parser.add_argument("--only", nargs="+", default=["classifiers", "generators"])
    arguments = parser.parse_args()
    if not has_bfloat16(torch.device("cpu")):
        print("This processor has no units for bfloat16: nothing was measured.", file=sys.stderr)
        sys.exit(NOT_BFLOAT16)
    torch.set_num_threads(1)
    rows: list[Facts] = []
    if arguments.json.exists():
        rows = read_json(arguments.json)["pairs"]
    finished = [row["pair"] for row in rows]
    for place, pair in enumerate(planned_pairs(arguments.only)):
        if pair.key() in finished:
            continue
        row = measured(pair, place)
        print(row, flush=True)
        rows.append(row)
        write_json(
            arguments.json,
            {
                "command": "python -m benchmarks.precision",
                "machine": machine(),
                "versions": versions(),
                "summary": summary(rows),
                "pairs": rows,
            },
        )


if __name__ == "__main__":
    main()
