import io

import numpy as np
import torch

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.estimators.patches.balanced import BalancedPatches
from equipoise.estimators.patches.frequencies import Frequencies


def test_golden_rows() -> None:
    frequencies = Frequencies(("healthy", "edema"), np.array([0.5, 0.5]))
    frequencies.add(np.array([0, 1, 1]), np.array([[[0, 0], [-1, 0]], [[0, 1], [0, 0]]]))
    frequencies.add(np.array([0]))
    assert frequencies.rows() == [
        {
            "class": "healthy",
            "asked_share": 0.5,
            "drawn": 2,
            "drawn_share": 0.5,
            "pixels": 6,
            "pixel_share": 6 / 7,
        },
        {
            "class": "edema",
            "asked_share": 0.5,
            "drawn": 2,
            "drawn_share": 0.5,
            "pixels": 1,
            "pixel_share": 1 / 7,
        },
    ]


def test_shares_are_nan_before_the_first_patch() -> None:
    rows = Frequencies(("healthy", "edema"), np.array([0.9, 0.1])).rows()
    assert all(np.isnan(row["drawn_share"]) and np.isnan(row["pixel_share"]) for row in rows)
    assert [row["drawn"] for row in rows] == [0, 0]


def test_balanced_centers_are_not_balanced_pixels(blocks: VolumeDataset) -> None:
    """In dense mode the pixels stay imbalanced although the sampled voxels are balanced."""
    sampler = BalancedPatches()
    frequencies = Frequencies(blocks.class_names, sampler.shares(blocks))
    batch = sampler.start(blocks, n=120, size=16, jitter=0, seed=0)(0)
    frequencies.add(batch.classes, blocks.patches(batch.centers, 16)[1])
    rows = frequencies.rows()
    assert [row["drawn_share"] for row in rows] == [row["asked_share"] for row in rows] == [0.2] * 5
    assert rows[0]["pixel_share"] > 0.5
    assert rows[4]["pixel_share"] < 0.1
    assert sum(row["pixels"] for row in rows) == 120 * 16 * 16


def test_counts_resume_and_merge() -> None:
    parts = [Frequencies(("a", "b"), np.array([0.5, 0.5])) for _ in range(3)]
    whole, first, second = parts
    steps = [(np.array([0, 1]), np.full((2, 2, 2), code)) for code in (0, 1)]
    for step in steps:
        whole.add(*step)
    first.add(*steps[0])
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second.load_state_dict(torch.load(file, weights_only=True))
    second.add(*steps[1])
    assert second.rows() == whole.rows()
    assert first.rows() != whole.rows(), "the stored state must be a copy"
    other = Frequencies(("a", "b"), np.array([0.5, 0.5]))
    other.add(*steps[1])
    first.merge(other)
    assert first.rows() == whole.rows()
