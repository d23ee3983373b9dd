"""Batches for a `DataLoader`: those of the package's samplers, divided among processes."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Sampler, TensorDataset

from equipoise.exceptions import SettingError
from equipoise.resampling.torch_batches import BatchRows
from equipoise.training.batches import BATCH_SAMPLERS, Pool

LABELS = np.repeat(["normal", "ill"], [40, 8])
CODES = (LABELS == "normal").astype(np.int64)


def test_a_data_loader_takes_it() -> None:
    batches = BatchRows(LABELS, batch_size=8, n_steps=3)
    assert isinstance(batches, Sampler)
    loader = DataLoader(TensorDataset(torch.arange(48)), batch_sampler=batches)
    loaded = [rows.tolist() for (rows,) in loader]
    assert loaded == list(batches)
    assert len(loader) == 3
    assert all((LABELS[rows] == "ill").sum() == 4 for rows in loaded)


@pytest.mark.parametrize("name", BATCH_SAMPLERS)
def test_batches_are_those_of_the_sampler_and_epochs_go_on(name: str) -> None:
    synthetic = np.arange(48) % 4 == 0
    batches = BatchRows(
        LABELS, name, batch_size=6, n_steps=2, n_epochs=2, seed=3, synthetic=synthetic
    )
    pool = Pool(labels=CODES, batch_size=6, n_steps=4, seed=3, synthetic=synthetic)
    rows = BATCH_SAMPLERS[name](pool)
    drawn = list(batches)
    batches.set_epoch(1)
    drawn += list(batches)
    assert drawn == [rows(step).tolist() for step in range(4)]


def test_processes_share_a_batch_and_no_row() -> None:
    parts = [
        BatchRows(LABELS, "natural", batch_size=4, n_steps=4, rank=i, n_ranks=3) for i in (0, 1, 2)
    ]
    whole = BatchRows(LABELS, "natural", batch_size=12, n_steps=4)
    seen: list[int] = []
    for *of_ranks, joint in zip(*parts, whole, strict=True):
        assert sorted(row for rows in of_ranks for row in rows) == sorted(joint)
        assert {len(rows) for rows in of_ranks} == {4}
        seen += joint
    assert sorted(seen) == list(range(48))


@pytest.mark.parametrize(
    "change", [{"rank": 2, "n_ranks": 2}, {"batch_size": 0}, {"n_steps": 0}, {"batch_sampler": "x"}]
)
def test_bad_settings_are_refused(change: Any) -> None:
    with pytest.raises(SettingError):
        BatchRows(LABELS, **change)
