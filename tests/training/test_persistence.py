from pathlib import Path

import pytest
import torch

from equipoise.exceptions import DataError
from equipoise.training.persistence import load_fitted, save_fitted


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
