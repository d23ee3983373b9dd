"""Synthetic images that show their class, show the other one, or are too few."""

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from tests.conftest import toy_dataset

from equipoise.audit.label_fidelity import (
    LABEL_MEASURES,
    ClassFeatures,
    class_separation,
    label_fidelity,
    learned_nothing,
)
from equipoise.audit.realism import Finding
from equipoise.metrics.two_sample import regression


def labeled(
    counts: tuple[int, ...], *, seed: int, swap: bool = False, first: int = 0
) -> ClassFeatures:
    """Draw classes whose means are 1 apart in each of four features."""
    labels = np.repeat(np.arange(len(counts)), counts)
    visible = len(counts) - 1 - labels if swap else labels
    features = np.random.default_rng(seed).normal(size=(len(labels), 4)) + visible[:, None]
    return ClassFeatures(features, labels, first + np.arange(len(labels)))


TRAIN, HELD_OUT = labeled((80, 40), seed=0), labeled((60, 30), seed=1, first=1000)


def measured(
    fake: ClassFeatures,
    label: int = 1,
    train: ClassFeatures = TRAIN,
    held_out: ClassFeatures = HELD_OUT,
) -> dict[str, Finding]:
    findings = label_fidelity(train, held_out, fake, label)
    return {finding.measure: finding for finding in findings}


def test_images_of_the_class_teach_it_and_those_of_the_other_teach_the_reverse() -> None:
    good, wrong = (measured(labeled((0, 50), seed=2, swap=swap)) for swap in (False, True))
    for name in LABEL_MEASURES:
        assert good[name].n == wrong[name].n == 40
        assert good[name].floor == wrong[name].floor > 0.9
        assert good[name].value > 0.85
        assert wrong[name].value < 0.75
        assert good[name].low < good[name].value < good[name].high


def test_the_number_is_that_of_a_regression_written_out() -> None:
    fake = labeled((0, 50), seed=2)
    x = np.concatenate([fake.features[:40], TRAIN.features[:40]])
    score = regression().fit(x, np.arange(80) < 40).decision_function(HELD_OUT.features)
    assert measured(fake)["train_synthetic"].value == pytest.approx(
        roc_auc_score(HELD_OUT.labels == 1, score)
    )
    y = np.concatenate([TRAIN.features[80:120], TRAIN.features[:40]])
    mixed = np.concatenate([fake.features[:40], HELD_OUT.features[:60]])
    reverse = regression().fit(y, np.arange(80) < 40).decision_function(mixed)
    assert measured(fake)["test_synthetic"].value == pytest.approx(
        roc_auc_score(np.arange(100) < 40, reverse)
    )


def test_the_other_classes_are_synthetic_too_where_the_method_makes_them() -> None:
    both, rare = labeled((50, 50), seed=2), labeled((0, 50), seed=2)
    assert measured(both)["train_synthetic"].value != measured(rare)["train_synthetic"].value
    three = measured(
        labeled((0, 0, 50), seed=2), 2, labeled((40, 40, 30), seed=0), labeled((9, 9, 9), seed=1)
    )
    assert three["train_synthetic"].value > 0.8


@pytest.mark.parametrize(
    ("train", "held_out", "n_fake", "reason"),
    [
        (TRAIN, HELD_OUT, 12, "12 images"),
        (
            TRAIN,
            labeled((60, 4), seed=1),
            50,
            "the class are of 4 patients; 5",
        ),
        (TRAIN, labeled((3, 40), seed=1), 50, "other classes are of 3 patients; 5"),
        (labeled((0, 40), seed=0), HELD_OUT, 50, "no other class"),
    ],
)
def test_too_few_images_give_a_reason(
    train: ClassFeatures, held_out: ClassFeatures, n_fake: int, reason: str
) -> None:
    findings = measured(labeled((0, n_fake), seed=2), 1, train, held_out)
    for finding in findings.values():
        assert reason in finding.refused
        assert np.isnan(finding.value)


def test_features_tell_a_class_apart_only_if_the_interval_lies_above_chance() -> None:
    good = class_separation(TRAIN, HELD_OUT, 1)
    assert good.auroc is not None
    assert good.low is not None
    assert not good.refused
    assert 0.5 < good.low < good.auroc
    constant = ClassFeatures(np.ones((120, 4)), TRAIN.labels, TRAIN.patients)
    others = ClassFeatures(np.ones((90, 4)), HELD_OUT.labels, HELD_OUT.patients)
    blind = class_separation(constant, others, 1)
    assert blind.auroc == 0.5
    assert "AUROC 0.50 [" in blind.refused
    few = ClassFeatures(
        HELD_OUT.features, HELD_OUT.labels, HELD_OUT.patients * (HELD_OUT.labels == 0)
    )
    untold = class_separation(TRAIN, few, 1)
    assert untold.auroc is None
    assert "1 patients" in untold.refused


@pytest.mark.parametrize(
    ("kind", "words"), [("blind", "the same"), ("noise", "AUROC"), ("good", "")]
)
def test_an_extractor_that_learned_nothing_is_noticed(kind: str, words: str) -> None:
    real = toy_dataset((80, 60), size=16)

    class Fake:
        name, digest, dimension = "classifier", "0" * 64, 3

        def __call__(self, images: Any) -> Any:
            noise = np.random.default_rng(0).normal(size=(len(images), 3))
            if kind == "blind":
                noise[:] = 0.4
            if kind == "good":
                noise += images.mean(axis=(1, 2, 3))[:, None]
            return noise.astype(np.float32)

    reason = learned_nothing(real, Fake())
    assert words in reason
    assert bool(reason) == (kind != "good")
