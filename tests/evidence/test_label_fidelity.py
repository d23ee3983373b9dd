"""Synthetic images that show their class, show the other one, or are too few."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from equipoise.evidence.label_fidelity import LABEL_MEASURES, Labeled, label_fidelity
from equipoise.evidence.realism import Finding
from equipoise.metrics.two_sample import regression


def labeled(counts: tuple[int, ...], *, seed: int, swap: bool = False, first: int = 0) -> Labeled:
    """Draw classes whose means lie one apart in each of four features."""
    labels = np.repeat(np.arange(len(counts)), counts)
    shown = len(counts) - 1 - labels if swap else labels
    features = np.random.default_rng(seed).normal(size=(len(labels), 4)) + shown[:, None]
    return Labeled(features, labels, first + np.arange(len(labels)))


TRAIN, HELD = labeled((80, 40), seed=0), labeled((60, 30), seed=1, first=1000)


def measured(
    fake: Labeled, label: int = 1, train: Labeled = TRAIN, held: Labeled = HELD
) -> dict[str, Finding]:
    return {one.measure: one for one in label_fidelity(train, held, fake, label)}


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
    score = regression().fit(x, np.arange(80) < 40).decision_function(HELD.features)
    assert measured(fake)["train_synthetic"].value == pytest.approx(
        roc_auc_score(HELD.labels == 1, score)
    )
    y = np.concatenate([TRAIN.features[80:120], TRAIN.features[:40]])
    mixed = np.concatenate([fake.features[:40], HELD.features[:60]])
    reverse = regression().fit(y, np.arange(80) < 40).decision_function(mixed)
    assert measured(fake)["test_synthetic"].value == pytest.approx(
        roc_auc_score(np.arange(100) < 40, reverse)
    )


def test_the_other_classes_are_synthetic_too_where_the_method_makes_them() -> None:
    both, one = labeled((50, 50), seed=2), labeled((0, 50), seed=2)
    assert measured(both)["train_synthetic"].value != measured(one)["train_synthetic"].value
    three = measured(
        labeled((0, 0, 50), seed=2), 2, labeled((40, 40, 30), seed=0), labeled((9, 9, 9), seed=1)
    )
    assert three["train_synthetic"].value > 0.8


@pytest.mark.parametrize(
    ("train", "held", "n_fake", "why"),
    [
        (TRAIN, HELD, 12, "12 images to learn from are fewer than the 20"),
        (
            TRAIN,
            labeled((60, 4), seed=1),
            50,
            "Held-out images of the class are of 4 patients; 5 are needed.",
        ),
        (TRAIN, labeled((3, 40), seed=1), 50, "Held-out images of other classes are of 3 patients"),
        (labeled((0, 40), seed=0), HELD, 50, "no other class"),
    ],
)
def test_too_few_images_give_a_sentence(
    train: Labeled, held: Labeled, n_fake: int, why: str
) -> None:
    for one in measured(labeled((0, n_fake), seed=2), 1, train, held).values():
        assert why in one.refused
        assert np.isnan(one.value)
