"""Drawn films, spoiled in the ways of bad generators: the rule sees them; real ones pass."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from equipoise.arrays import value_range
from equipoise.audit.gate import NOT_MEASURED, PASSED, REFUSED
from equipoise.audit.quality import QualityAudit, RealReference, measure_quality, repeated_share
from equipoise.data.dataset import ImageDataset
from equipoise.data.phantoms.datasets import chest_films
from equipoise.features.base import extract
from equipoise.features.choosing import choose_extractors
from equipoise.metrics.fidelity import kid

Images = NDArray[Any]

DRAWN = chest_films((600, 1), size=64, seed=7)
FILMS = DRAWN.subset(DRAWN.labels == 0)
PART = FILMS.groups % 3
TRAIN, HELD_OUT, OTHERS = (FILMS.subset(part == PART) for part in range(3))
EXTRACTORS, _ = choose_extractors(value_range(FILMS.images), device="cpu")


def quality(images: Images, held_out: ImageDataset | None = HELD_OUT) -> QualityAudit:
    labels = np.zeros(len(images), dtype=np.int64)
    return measure_quality(TRAIN, held_out, images, labels, EXTRACTORS)


def stored(values: NDArray[np.float64]) -> Images:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def spoiled(name: str) -> Images:
    rng = np.random.default_rng(0)
    real = OTHERS.pixels.astype(np.float64)
    if name == "checkerboard":
        return stored(real + 8 * (np.indices((64, 64)).sum(axis=0) % 2))
    if name == "noisy":
        return stored(real + rng.normal(0, 8, real.shape))
    if name == "white noise":
        return stored(rng.uniform(0, 255, real.shape))
    if name == "blurred":
        return stored(gaussian_filter(real, (0, 0, 1, 1)))
    if name == "collapsed":
        return stored(real[rng.integers(0, 5, len(real))] + rng.normal(0, 1, real.shape))
    return stored(np.full(real.shape, 100.0))


def test_real_images_of_other_patients_pass_with_and_without_held_out_ones() -> None:
    decision = quality(OTHERS.pixels).decision
    assert decision.status == PASSED
    assert "AUROC" in decision.reasons[0]
    assert quality(OTHERS.pixels, held_out=None).decision.status == PASSED


@pytest.mark.parametrize(
    ("name", "seen_by"),
    [
        ("checkerboard", "the radial power spectrum"),
        ("noisy", "the radial power spectrum"),
        ("white noise", "a random network"),
        ("blurred", "the radial power spectrum"),
        ("collapsed", "a random network"),
        ("constant", "constant or repeat"),
    ],
)
def test_spoiled_images_are_refused_and_the_extractor_is_named(name: str, seen_by: str) -> None:
    decision = quality(spoiled(name)).decision
    assert decision.status == REFUSED
    assert seen_by in " ".join(decision.reasons)


def test_few_images_are_not_measured() -> None:
    decision = quality(OTHERS.images[:12]).decision
    assert decision.status == NOT_MEASURED
    assert "12 synthetic images" in decision.reasons[0]


def test_the_worst_class_holds() -> None:
    two = chest_films((150, 150), size=64, seed=8)
    train = two.subset(two.groups // 10 % 2 == 0)
    other = two.subset(two.groups // 10 % 2 == 1)
    images = other.pixels.copy()
    bad = other.labels == 1
    images[bad] = stored(images[bad] + 8.0 * (np.indices((64, 64)).sum(axis=0) % 2))
    audit = measure_quality(train, None, images, other.labels, EXTRACTORS)
    assert [row.name for row in audit.classes] == list(two.class_names)
    assert audit.decision.status == REFUSED
    for reason in audit.decision.reasons:
        assert two.class_names[1] in reason


def test_numbers_are_those_of_the_metrics_on_the_features() -> None:
    held_out, images = HELD_OUT.subset(slice(0, 60)), OTHERS.images[:60].copy()
    images[59] = images[0]
    reference = RealReference(TRAIN, held_out, EXTRACTORS[1:], ("test",), None)
    findings, source = reference.compare(images, 0, ("fake",))
    values = {finding.measure: finding.value for finding in findings}
    assert source == "validation"
    real, fake = (extract(x, EXTRACTORS[1]) for x in (held_out.images, images))
    expected = kid(real, fake, patients=held_out.groups)  # 60 images: every draw has all
    assert values["kid"] == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert values["repeats"] == pytest.approx(1 / 60)


def test_an_unusable_extractor_has_its_reason_in_every_measure() -> None:
    reference = RealReference(TRAIN, HELD_OUT, EXTRACTORS, ("test",), None)
    findings, _ = reference.compare(OTHERS.images, 0, ("fake",), {"random": "AUROC 0.50."})
    refused = {finding.refused for finding in findings if finding.extractor == "random"}
    assert refused == {"AUROC 0.50."}
    for finding in findings:
        if finding.extractor == "spectrum" and finding.measure != "fid":
            assert not finding.refused


def test_repeated_images_are_counted_once_each() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(10, 1, 8, 8), dtype=np.uint8)
    assert repeated_share(images) == 0
    images[3:5] = images[0]
    images[9] = 0
    assert repeated_share(images) == pytest.approx(0.3)
    assert repeated_share(images[:0]) == 0


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_16_bit_and_float_images_are_measured_alike(dtype: Any) -> None:
    def deep(dataset: ImageDataset) -> ImageDataset:
        return replace(dataset, images=dataset.pixels.astype(dtype) * dtype(16))

    extractors, _ = choose_extractors(value_range(deep(FILMS).images), device="cpu")
    images = spoiled("noisy").astype(dtype) * dtype(16)
    labels = np.zeros(len(images), dtype=np.int64)
    audit = measure_quality(deep(TRAIN), deep(HELD_OUT), images, labels, extractors)
    assert audit.decision.status == REFUSED


def test_an_audit_of_quality_is_json() -> None:
    text = json.dumps(quality(OTHERS.images[:30]).to_json(), allow_nan=False)
    facts = json.loads(text)
    assert set(facts) == {"classes", "decision", "notes"}
    assert {row["extractor"] for row in facts["classes"][0]["findings"]} == {
        "",
        "random",
        "spectrum",
    }
