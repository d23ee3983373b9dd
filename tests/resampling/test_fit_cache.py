"""Finished fits are loaded from the cache; their checkpoints are deleted."""

from pathlib import Path

import torch

from equipoise.resampling.fit_cache import Slot

FITTED = {"weight": torch.arange(3.0)}, {"rows": [{"step": 1, "loss": 0.5}]}


def test_a_stored_fit_is_found_under_its_key_only(tmp_path: Path) -> None:
    slot = Slot(tmp_path, "toy", "a" * 64)
    assert slot.load() is None
    slot.store(FITTED, None)
    loaded = Slot(tmp_path, "toy", "a" * 64).load()
    assert loaded is not None
    assert torch.equal(loaded[0]["weight"], FITTED[0]["weight"])
    assert loaded[1] == FITTED[1]
    assert Slot(tmp_path, "toy", "b" * 64).load() is None


def test_storing_removes_the_checkpoint(tmp_path: Path) -> None:
    slot = Slot(tmp_path, "toy", "a" * 64)
    checkpoint = slot.checkpoint({})
    assert checkpoint is not None
    checkpoint.save({"done": 1, "stopped": False, "rows": []})
    slot.store(FITTED, checkpoint)
    assert [path.name for path in tmp_path.iterdir()] == ["toy-" + "a" * 24]


def test_a_finished_fit_removes_a_checkpoint_that_a_kill_left_behind(tmp_path: Path) -> None:
    slot = Slot(tmp_path, "toy", "a" * 64)
    checkpoint = slot.checkpoint({})
    assert checkpoint is not None
    slot.store(FITTED, None)
    checkpoint.save({"done": 1, "stopped": False, "rows": []})
    assert slot.load() is not None
    assert not checkpoint.path.exists()


def test_without_a_workspace_nothing_is_kept() -> None:
    slot = Slot(None, "toy", "a" * 64)
    slot.store(FITTED, None)
    assert slot.checkpoint({}) is None
    assert slot.load() is None
