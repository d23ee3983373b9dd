"""Copies are caught however they were altered, others' images pass, and every number is JSON."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from equipoise.audit.report import EVERYTHING, Audit, audit
from equipoise.data.dataset import ImageDataset
from equipoise.data.phantoms.datasets import cells, chest_films
from equipoise.data.stratification import apportion
from equipoise.exceptions import DataError, LeakageError
from equipoise.randomness import make_rng

Images = NDArray[Any]
Change = Callable[[Images], Images]  # (c, h, w) uint8 to the same


class Coarse:
    """The image at 8 x 8 pixels: features that need no network."""

    name, digest, dimension = "coarse", "0" * 64, 64

    def __call__(self, images: Images) -> NDArray[np.float32]:
        n, c, h, w = images.shape
        small = images.astype(np.float32).reshape(n, c, 8, h // 8, 8, w // 8).mean(axis=(1, 3, 5))
        return np.asarray(small.reshape(n, -1), dtype=np.float32)


POPULATION = cells((1200, 400), size=32, seed=3)
FILMS = chest_films((200, 100), size=64, seed=3)


def drawn(dataset: ImageDataset, n_patients: int, seed: int) -> list[ImageDataset]:
    """Draw patients, and divide them into training, held-out and "synthetic" images."""
    rng = make_rng(seed)
    chosen = rng.permutation(np.unique(dataset.groups))[:n_patients]
    some = dataset.subset(np.isin(dataset.groups, chosen))
    parts = apportion(some, np.arange(len(some)), {"train": 0.5, "held": 0.25, "made": 0.25}, rng)
    return [some.subset(rows) for rows in parts.values()]


def judged(train: ImageDataset, held: ImageDataset | None, made: ImageDataset) -> Audit:
    return audit(train, held, made.images, made.labels, Coarse())


def mixed_in(made: ImageDataset, train: ImageDataset, share: float, change: Change) -> ImageDataset:
    """Put altered training images in place of a share of the others."""
    n = round(share * len(made))
    images = made.images.copy()
    images[:n] = np.stack([change(image) for image in train.images[:n]])
    return replace(made, images=images, labels=np.concatenate([train.labels[:n], made.labels[n:]]))


def jpeg(image: Images) -> Images:
    file = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0).squeeze()).save(file, "JPEG", quality=60)
    array = np.asarray(Image.open(file))
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def brighter(image: Images) -> Images:
    return np.clip(image.astype(np.int64) + 20, 0, 255).astype(np.uint8)


def shifted(image: Images) -> Images:
    return np.roll(image, (2, -1), axis=(1, 2))


def mirrored(image: Images) -> Images:
    return image[:, :, ::-1]


def noisy(image: Images) -> Images:
    return np.clip(image + make_rng("noise").normal(0, 6, image.shape), 0, 255).astype(np.uint8)


def all_of_it(image: Images) -> Images:
    return jpeg(brighter(shifted(mirrored(image))))


CHANGES = [lambda image: image, jpeg, brighter, shifted, mirrored, noisy, all_of_it]


@pytest.mark.parametrize(
    "change", CHANGES, ids=["same", "jpeg", "brighter", "shifted", "mirrored", "noisy", "all"]
)
@pytest.mark.parametrize(
    "dataset", [POPULATION.subset(slice(0, 300)), FILMS], ids=["cells", "films"]
)
def test_altered_copies_are_caught(dataset: ImageDataset, change: Change) -> None:
    train, held, made = drawn(dataset, 120, seed=1)
    found = judged(train, held, mixed_in(made, train, 0.5, change))
    n = round(0.5 * len(made))
    assert not found.passed
    assert "near cop" in found.reasons[0]
    caught = [pair for pair in found.copies if pair.synthetic < n]
    assert (
        len(caught) >= (0.6 if change is all_of_it else 0.95) * n
    )  # 32 pixels do not survive all of it at once
    assert all(pair.train == pair.synthetic for pair in caught)
    assert len(found.copies) == len(caught) == found.overall.n_copies


def test_the_training_images_themselves_give_every_number_its_extreme() -> None:
    train, held, _ = drawn(POPULATION, 200, seed=2)
    found = judged(train, held, train)
    for findings in (found.overall, *found.classes):
        assert findings.n_copies == findings.n_synthetic == findings.n_train
        assert (findings.nearness, findings.authenticity, findings.close) == (0, 0, 1)
        assert findings.copying is not None
        assert findings.copying < -3
        assert findings.membership is not None
        assert findings.membership.auc == 1
    assert len(found.reasons) >= 3
    assert all(pair.distance == 0 for pair in found.copies)


def test_held_out_images_do_not_pass_for_training_images() -> None:
    train, held, _ = drawn(POPULATION, 200, seed=2)
    found = judged(train, held, held)
    assert found.passed
    assert found.overall.copying == 0
    assert found.overall.nearness == 1
    assert found.overall.authenticity == found.overall.authenticity_held_out
    assert found.overall.membership is not None
    assert found.overall.membership.auc == 0


def false_alarms(dataset: ImageDataset, n_patients: int, n_draws: int) -> int:
    return sum(
        not judged(*drawn(dataset, n_patients, seed)).passed for seed in range(100, 100 + n_draws)
    )


def test_real_images_of_others_that_pose_as_synthetic_pass() -> None:
    assert false_alarms(POPULATION, 150, 5) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("dataset", [POPULATION, FILMS], ids=["cells", "films"])
def test_real_images_of_others_pass_in_95_of_100_draws(dataset: ImageDataset) -> None:
    assert false_alarms(dataset, 110, 100) <= 5


@pytest.mark.parametrize("share", [pytest.param(0.02, marks=pytest.mark.slow), 0.1])
def test_a_generator_that_copies_few_is_caught_where_there_are_enough(share: float) -> None:
    train, held, made = drawn(POPULATION, 600, seed=4)
    assert len(made) > 149  # from 149 on, 2 % are found with probability 0.95
    found = judged(train, held, mixed_in(made, train, share, noisy))
    assert found.detectable < 0.02
    assert not found.passed


def test_pairs_are_shown_even_where_nothing_was_copied() -> None:
    train, held, made = drawn(POPULATION, 150, seed=5)
    found = judged(train, held, made)
    assert not found.copies
    likeness = [pair.likeness for pair in found.pairs]
    assert likeness == sorted(likeness, reverse=True)
    assert {pair.label for pair in found.pairs} == {0, 1}
    assert len(found.pairs) == 8


def test_an_audit_is_json_and_names_no_image() -> None:
    train, held, made = drawn(POPULATION, 150, seed=6)
    text = json.dumps(judged(train, held, made).facts(), allow_nan=False)
    facts = json.loads(text)
    assert facts["overall"]["name"] == EVERYTHING
    assert [one["name"] for one in facts["classes"]] == ["normal", "abnormal"]
    assert not any(str(name) in text for name in train.ids)


def test_without_held_out_images_only_copies_are_looked_for() -> None:
    train, _, made = drawn(POPULATION, 150, seed=7)
    found = judged(train, None, made)
    assert found.passed
    assert found.overall.membership is None
    assert found.overall.nearness is None
    assert found.overall.authenticity is not None
    assert "no held-out real images" in found.notes[0]
    assert not judged(train, None, mixed_in(made, train, 0.2, mirrored)).passed


def test_the_same_photograph_on_both_sides_is_noted() -> None:
    train, held, made = drawn(POPULATION, 150, seed=8)
    images = held.images.copy()
    images[:3] = train.images[:3]
    found = judged(train, replace(held, images=images), made)
    assert found.held_out_copies == 3
    assert "3 of" in found.notes[-1]


def test_classes_without_enough_images_say_nothing_and_one_class_is_tested_once() -> None:
    train, held, made = drawn(POPULATION, 150, seed=9)
    few = held.subset(
        np.concatenate([np.flatnonzero(held.labels == 0), np.flatnonzero(held.labels == 1)[:1]])
    )
    found = judged(train, few, made)
    assert found.classes[1].membership is None
    assert "abnormal" in found.notes[0]
    alone = judged(train, held, made.subset(made.labels == 1))
    assert [one.name for one in alone.classes] == ["abnormal"]
    assert alone.overall.n_train == alone.classes[0].n_train == train.counts[1]


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_16_bit_and_float_images_are_audited_alike(dtype: Any) -> None:
    parts = [
        replace(part, images=part.images.astype(dtype) * dtype(16))
        for part in drawn(POPULATION, 150, seed=5)
    ]
    found, before = judged(*parts), judged(*drawn(POPULATION, 150, seed=5))
    assert found.overall.copying == pytest.approx(before.overall.copying)
    assert found.pairs[0].likeness == pytest.approx(before.pairs[0].likeness, abs=1e-3)


def test_what_cannot_be_compared_is_refused() -> None:
    train, held, made = drawn(POPULATION, 150, seed=5)
    with pytest.raises(LeakageError, match="both in the training and in the held-out"):
        judged(train, train, made)
    with pytest.raises(DataError, match="synthetic images like the training images"):
        audit(train, held, made.images[:, :, :16, :16], made.labels, Coarse())
    with pytest.raises(DataError, match="labels from 0 to 1"):
        audit(train, held, made.images, made.labels + 2, Coarse())
    with pytest.raises(DataError, match="labels from 0 to 1"):
        audit(train, held, made.images[:0], made.labels[:0], Coarse())
