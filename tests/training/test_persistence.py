from pathlib import Path

import pytest
import torch
from torch import nn

from equipoise.exceptions import DataError
from equipoise.training.persistence import load_fitted, restore_weights, save_fitted


def test_tensors_and_facts_come_back(tmp_path: Path) -> None:
    tensors = {
        "a": torch.rand(4, 3, 2, 2).contiguous(memory_format=torch.channels_last),
        "n": torch.tensor(7),
        "slice": torch.arange(10)[::2],
    }
    metadata = {"settings": {"seed": 0, "size": None}, "span": [0.0, 255.0]}
    save_fitted(tmp_path / "net", "critic", tensors, metadata)
    loaded, loaded_metadata = load_fitted(tmp_path / "net", "critic")
    assert loaded_metadata == metadata
    assert loaded.keys() == tensors.keys()
    assert all(torch.equal(loaded[name], value) for name, value in tensors.items())


def test_it_replaces_what_was_there(tmp_path: Path) -> None:
    for value in (1, 2):
        save_fitted(tmp_path / "net", "critic", {"a": torch.tensor(value)}, {})
    assert load_fitted(tmp_path / "net", "critic")[0]["a"] == 2


def test_refuses_another_kind_and_an_empty_folder(tmp_path: Path) -> None:
    save_fitted(tmp_path / "net", "critic", {}, {})
    with pytest.raises(DataError, match=r"saved classifier .* critic"):
        load_fitted(tmp_path / "net", "classifier")
    with pytest.raises(DataError, match=r"found no model\.json"):
        load_fitted(tmp_path, "classifier")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    network = nn.Linear(2, 1)
    for tensors in ({"weight": torch.ones(1, 2)}, {**network.state_dict(), "scale": torch.ones(1)}):
        with pytest.raises(DataError, match=tmp_path.name):
            restore_weights(network, tensors, tmp_path)
    wrong_shape = {"weight": torch.ones(1, 3), "bias": torch.ones(1)}
    with pytest.raises(DataError, match="size mismatch"):
        restore_weights(network, wrong_shape, tmp_path)
    restore_weights(network, {"weight": torch.ones(1, 2), "bias": torch.ones(1)}, tmp_path)
    assert network.weight.tolist() == [[1.0, 1.0]]
