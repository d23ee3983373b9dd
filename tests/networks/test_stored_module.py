import pickle
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from equipoise.networks.stored_module import read_stored_module
from equipoise.networks.weight_files import read_weights


class Network(nn.Module):
    """A network whose class the reader cannot import."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
        self.register_buffer("op_threshs", torch.ones(3))
        self.labels = ["a", "b"]


RUN: list[str] = []


def intrude() -> list[str]:
    RUN.append("intruder")
    return RUN


class Intruder:
    """Runs code when it is unpickled as Python does it."""

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return intrude, ()


class Borrower:
    """Wants a built-in function when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return getattr, ("text", "upper")


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pickled network of a module that is gone."""
    module = ModuleType("gone")
    monkeypatch.setattr(Network, "__module__", "gone")
    vars(module)["Network"] = Network
    monkeypatch.setitem(sys.modules, "gone", module)
    torch.save(Network(), tmp_path / "network.pt")
    monkeypatch.delitem(sys.modules, "gone")
    return tmp_path / "network.pt"


def test_tensors_are_read_and_no_class_is_imported(stored: Path) -> None:
    tensors = read_stored_module(stored)
    assert set(tensors) == set(Network().state_dict())
    assert torch.equal(tensors["op_threshs"], torch.ones(3))
    assert "gone" not in sys.modules
    assert set(read_weights(stored, whole_module=True)) == set(tensors)


def test_code_in_the_file_is_not_run(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Linear(1, 1))
    vars(network)["intruder"] = Intruder()
    torch.save(network, tmp_path / "network.pt")
    assert "0.weight" in read_stored_module(tmp_path / "network.pt")
    vars(network)["intruder"] = Borrower()
    torch.save(network, tmp_path / "network.pt")
    with pytest.raises(pickle.UnpicklingError, match="getattr"):
        read_stored_module(tmp_path / "network.pt")
    assert not RUN


def test_other_files_are_refused(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(TypeError, match="module"):
        read_stored_module(tmp_path / "list.pt")
    torch.save(nn.Linear(1, 1), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(pickle.UnpicklingError):
        read_stored_module(tmp_path / "old.pt")
