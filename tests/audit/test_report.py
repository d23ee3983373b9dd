"""Altered copies are caught, images of other patients pass, and every number is JSON."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from equipoise.audit.gate import NOT_TESTED
from equipoise.audit.report import ALL_CLASSES, Audit, audit
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


def draw_sets(dataset: ImageDataset, n_patients: int, seed: int) -> list[ImageDataset]:
    """Draw patients and split them into training, held-out and "synthetic" images."""
    rng = make_rng(seed)
    patients = rng.permutation(np.unique(dataset.groups))[:n_patients]
    sample = dataset.subset(np.isin(dataset.groups, patients))
    shares = {"train": 0.5, "held-out": 0.25, "synthetic": 0.25}
    parts = apportion(sample, np.arange(len(sample)), shares, rng)
    return [sample.subset(rows) for rows in parts.values()]


def run_audit(train: ImageDataset, held_out: ImageDataset | None, synthetic: ImageDataset) -> Audit:
    return audit(train, held_out, synthetic.images, synthetic.labels, Coarse())


def with_copies(
    synthetic: ImageDataset, train: ImageDataset, share: float, change: Change
) -> ImageDataset:
    """Replace a share of the synthetic images by altered training images."""
    n = round(share * len(synthetic))
    images = synthetic.pixels.copy()
    images[:n] = np.stack([change(image) for image in train.images[:n]])
    labels = np.concatenate([train.labels[:n], synthetic.labels[n:]])
    return replace(synthetic, images=images, labels=labels)


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


def all_changes(image: Images) -> Images:
    return jpeg(brighter(shifted(mirrored(image))))


CHANGES = [lambda image: image, jpeg, brighter, shifted, mirrored, noisy, all_changes]


@pytest.mark.parametrize(
    "change", CHANGES, ids=["same", "jpeg", "brighter", "shifted", "mirrored", "noisy", "all"]
)
@pytest.mark.parametrize(
    "dataset", [POPULATION.subset(slice(0, 300)), FILMS], ids=["cells", "films"]
)
def test_altered_copies_are_caught(dataset: ImageDataset, change: Change) -> None:
    train, held_out, synthetic = draw_sets(dataset, 120, seed=1)
    result = run_audit(train, held_out, with_copies(synthetic, train, 0.5, change))
    n = round(0.5 * len(synthetic))
    assert result.privacy.refused
    assert "near cop" in result.privacy.reasons[0]
    caught = [pair for pair in result.copies if pair.synthetic < n]
    assert (
        len(caught) >= (0.6 if change is all_changes else 0.95) * n
    )  # 32 pixels do not survive all of it at once
    assert all(pair.train == pair.synthetic for pair in caught)
    assert len(result.copies) == len(caught) == result.overall.n_copies


def test_the_training_images_themselves_give_every_number_its_extreme() -> None:
    train, held_out, _ = draw_sets(POPULATION, 200, seed=2)
    result = run_audit(train, held_out, train)
    for findings in (result.overall, *result.classes):
        assert findings.n_copies == findings.n_synthetic == findings.n_train
        assert (findings.nearness, findings.authenticity, findings.close) == (0, 0, 1)
        assert findings.copying is not None
        assert findings.copying < -3
        assert findings.membership is not None
        assert findings.membership.auc == 1
    assert len(result.privacy.reasons) >= 3
    assert all(pair.distance == 0 for pair in result.copies)


def test_held_out_images_are_not_taken_for_training_images() -> None:
    train, held_out, _ = draw_sets(POPULATION, 200, seed=2)
    result = run_audit(train, held_out, held_out)
    assert result.privacy.passed
    assert result.overall.copying == 0
    assert result.overall.nearness == 1
    assert result.overall.authenticity == result.overall.authenticity_held_out
    assert result.overall.membership is not None
    assert result.overall.membership.auc == 0


def false_alarms(dataset: ImageDataset, n_patients: int, n_draws: int) -> int:
    return sum(
        run_audit(*draw_sets(dataset, n_patients, seed)).privacy.refused
        for seed in range(100, 100 + n_draws)
    )


def test_real_images_of_other_patients_pass() -> None:
    assert false_alarms(POPULATION, 150, 5) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("dataset", [POPULATION, FILMS], ids=["cells", "films"])
def test_real_images_of_other_patients_pass_in_95_of_100_draws(dataset: ImageDataset) -> None:
    assert false_alarms(dataset, 110, 100) <= 5


@pytest.mark.parametrize("share", [pytest.param(0.02, marks=pytest.mark.slow), 0.1])
def test_few_copies_are_caught_among_enough_images(share: float) -> None:
    train, held_out, synthetic = draw_sets(POPULATION, 600, seed=4)
    assert len(synthetic) > 149  # from 149 on, 2 % are found with probability 0.95
    result = run_audit(train, held_out, with_copies(synthetic, train, share, noisy))
    assert result.detectable < 0.02
    assert result.privacy.refused


def test_pairs_are_reported_even_without_copies() -> None:
    train, held_out, synthetic = draw_sets(POPULATION, 150, seed=5)
    result = run_audit(train, held_out, synthetic)
    assert not result.copies
    likeness = [pair.likeness for pair in result.pairs]
    assert likeness == sorted(likeness, reverse=True)
    assert {pair.label for pair in result.pairs} == {0, 1}
    assert len(result.pairs) == 8


def test_an_audit_is_json_without_image_ids() -> None:
    train, held_out, synthetic = draw_sets(POPULATION, 150, seed=6)
    text = json.dumps(run_audit(train, held_out, synthetic).to_json(), allow_nan=False)
    stored = json.loads(text)
    assert stored["overall"]["name"] == ALL_CLASSES
    assert [findings["name"] for findings in stored["classes"]] == ["normal", "abnormal"]
    assert not any(str(name) in text for name in train.ids)


def test_without_held_out_images_only_copies_are_searched() -> None:
    train, _, synthetic = draw_sets(POPULATION, 150, seed=7)
    result = run_audit(train, None, synthetic)
    assert result.privacy.status == NOT_TESTED
    assert result.overall.membership is None
    assert result.overall.nearness is None
    assert result.overall.authenticity is not None
    assert "no held-out" in result.privacy.reasons[-1]
    copies = with_copies(synthetic, train, 0.2, mirrored)
    assert run_audit(train, None, copies).privacy.refused


def test_the_same_photograph_on_both_sides_is_noted() -> None:
    train, held_out, synthetic = draw_sets(POPULATION, 150, seed=8)
    images = held_out.pixels.copy()
    images[:3] = train.images[:3]
    result = run_audit(train, replace(held_out, images=images), synthetic)
    assert result.held_out_copies == 3
    assert "3 of" in result.notes[-1]


def test_small_classes_are_not_tested_and_a_single_class_is_tested_once() -> None:
    train, held_out, synthetic = draw_sets(POPULATION, 150, seed=9)
    normal, abnormal = (np.flatnonzero(held_out.labels == label) for label in (0, 1))
    few = held_out.subset(np.concatenate([normal, abnormal[:1]]))
    result = run_audit(train, few, synthetic)
    assert result.classes[1].membership is None
    assert result.privacy.status == NOT_TESTED
    assert "abnormal" in result.privacy.reasons[-1]
    alone = run_audit(train, held_out, synthetic.subset(synthetic.labels == 1))
    assert [findings.name for findings in alone.classes] == ["abnormal"]
    assert alone.overall.n_train == alone.classes[0].n_train == train.counts[1]


def test_features_that_are_the_same_for_all_images_test_no_membership() -> None:
    class Blind(Coarse):
        name = "blind"

        def __call__(self, images: Images) -> NDArray[np.float32]:
            return np.full((len(images), 64), 0.3, dtype=np.float32)

    train, held_out, synthetic = draw_sets(POPULATION, 150, seed=5)
    result = audit(train, held_out, synthetic.images, synthetic.labels, Blind())
    assert result.privacy.status == NOT_TESTED
    assert "blind" in result.privacy.reasons[-1]


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_16_bit_and_float_images_are_audited_alike(dtype: Any) -> None:
    parts = [
        replace(part, images=part.pixels.astype(dtype) * dtype(16))
        for part in draw_sets(POPULATION, 150, seed=5)
    ]
    result, before = run_audit(*parts), run_audit(*draw_sets(POPULATION, 150, seed=5))
    assert result.overall.copying == pytest.approx(before.overall.copying)
    assert result.pairs[0].likeness == pytest.approx(before.pairs[0].likeness, abs=1e-3)


def test_images_that_cannot_be_compared_are_refused() -> None:
    train, held_out, synthetic = draw_sets(POPULATION, 150, seed=5)
    with pytest.raises(LeakageError, match="patients"):
        run_audit(train, train, synthetic)
    with pytest.raises(DataError, match=r"synthetic.*\(3, 16, 16\)"):
        audit(train, held_out, synthetic.images[:, :, :16, :16], synthetic.labels, Coarse())
    with pytest.raises(DataError, match="labels from 0 to 1"):
        audit(train, held_out, synthetic.images, synthetic.labels + 2, Coarse())
    with pytest.raises(DataError, match="labels from 0 to 1"):
        audit(train, held_out, synthetic.images[:0], synthetic.labels[:0], Coarse())
