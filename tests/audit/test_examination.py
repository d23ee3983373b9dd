"""One function decides a release, for `audit`, for `generate` and for the report."""

import numpy as np
import pytest

from equipoise.audit.examination import EXTRACTOR, examine
from equipoise.data.dataset import ImageDataset
from equipoise.features.choosing import make_extractor
from equipoise.features.pixels import pixels


@pytest.fixture
def parts(toy: ImageDataset) -> tuple[ImageDataset, ImageDataset]:
    """Training and held-out images of different patients."""
    held_out = toy.groups % 3 == 0
    return toy.subset(~held_out), toy.subset(held_out)


def test_without_features_an_untrained_network_decides(
    parts: tuple[ImageDataset, ImageDataset],
) -> None:
    train, held_out = parts
    compared = (train, held_out, train.images[:6], train.labels[:6])
    examined = examine(*compared, device="cpu")
    named = examine(*compared, device="cpu", features=make_extractor(EXTRACTOR, device="cpu"))
    assert examined.audit.extractor == EXTRACTOR
    assert examined.audit.privacy.refused  # they are copies
    assert examined.audit.to_json() == named.audit.to_json()
    assert examined.quality.to_json() == named.quality.to_json()


def test_quality_is_measured_in_requested_features_but_not_in_a_classifier(
    parts: tuple[ImageDataset, ImageDataset],
) -> None:
    train, _ = parts
    features = pixels(device="cpu")
    seen = set()
    for name in ("pixels", "classifier"):
        features.name = name
        compared = (train, None, np.flip(train.images[:6], axis=-1), train.labels[:6])
        examined = examine(*compared, device="cpu", features=features)
        assert examined.audit.extractor == name
        for row in examined.quality.classes:
            seen |= {finding.extractor for finding in row.findings}
    assert "pixels" in seen
    assert "classifier" not in seen
