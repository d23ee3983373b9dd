from pathlib import Path
from typing import IO

import pytest
import torch
from torch import nn

from equipoise.training.checkpoint import Checkpoint


def fitted() -> tuple[nn.Module, torch.optim.Optimizer]:
    """Return a network with buffers and an optimizer with state."""
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.rand(4, 2)).sum().backward()
    optimizer.step()
    return network, optimizer


def test_parts_and_loop_come_back(tmp_path: Path) -> None:
    network, optimizer = fitted()
    Checkpoint(tmp_path / "c.pt", {"net": network, "opt": optimizer}).save(
        {"done": 7, "stopped": False, "rows": [{"a": 1.5}]}
    )
    other, other_optimizer = fitted()
    loop = Checkpoint(tmp_path / "c.pt", {"net": other, "opt": other_optimizer}).restore()
    assert loop == {"done": 7, "stopped": False, "rows": [{"a": 1.5}]}
    for name, value in network.state_dict().items():
        assert torch.equal(other.state_dict()[name], value)
    assert torch.equal(
        other_optimizer.state_dict()["state"][0]["exp_avg"],
        optimizer.state_dict()["state"][0]["exp_avg"],
    )


def test_no_file_no_state(tmp_path: Path) -> None:
    assert Checkpoint(tmp_path / "c.pt", {}).restore() is None


def test_finish_removes_the_file_also_twice(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "folder" / "c.pt", {})
    checkpoint.save({"done": 0, "stopped": False, "rows": []})
    assert checkpoint.path.is_file()
    checkpoint.finish()
    checkpoint.finish()
    assert not list((tmp_path / "folder").iterdir())


def test_due_again_after_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    checkpoint = Checkpoint(tmp_path / "c.pt", {}, every_seconds=20)
    checkpoint.save({"done": 0, "stopped": False, "rows": []})
    now = 119.0
    assert not checkpoint.due()
    now = 120.0
    assert checkpoint.due()


def test_a_save_that_fails_leaves_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = Checkpoint(tmp_path / "c.pt", {})
    checkpoint.save({"done": 1, "stopped": False, "rows": []})

    def half(_state: object, file: IO[bytes]) -> None:
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save({"done": 2, "stopped": False, "rows": []})
    assert checkpoint.restore() == {"done": 1, "stopped": False, "rows": []}
    assert {file.name for file in tmp_path.iterdir()} == {"c.pt", "c.pt.sha256"}
