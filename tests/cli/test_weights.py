"""`equipoise weights`: what there is, where it is, and getting it for a machine without network."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from equipoise.networks.backbones import BACKBONES

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "weights").mkdir()
    monkeypatch.setenv("EQUIPOISE_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "weights"


@pytest.fixture
def official(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put a small local file in the place of the official one; return its SHA-256."""
    torch.save({"a": torch.ones(3)}, tmp_path / "net.pth")
    digest = hashlib.sha256((tmp_path / "net.pth").read_bytes()).hexdigest()
    resnet = BACKBONES["resnet18"]
    url = (tmp_path / "net.pth").as_uri()
    record = replace(resnet.weights["imagenet"], url=url, sha256=digest)
    monkeypatch.setitem(BACKBONES, "resnet18", replace(resnet, weights={"imagenet": record}))
    return digest


def test_the_list_says_what_is_here_and_how_it_is_checked(call: Call, folder: Path) -> None:
    (folder / "resnet50-0676ba61.pth").write_bytes(b"x")
    code, printed, _ = call("weights", "list")
    assert code == 0
    lines = {line.split()[0]: line for line in printed.splitlines() if line.strip()}
    assert "yes" in lines["resnet50/imagenet"]
    assert " no " in lines["resnet50/radimagenet"]
    assert "none published" in lines["resnet50/radimagenet"]
    assert "518 px" in lines["timm:vit_small_patch14_dinov2/dinov2"]
    assert "8 digits" in lines["timm:tf_efficientnet_lite0/imagenet"]
    assert str(folder) in printed


def test_fetched_weights_are_where_it_says(call: Call, folder: Path, official: str) -> None:
    assert call("weights", "where")[1].strip() == str(folder)
    code, printed, _ = call("weights", "where", "resnet18")
    assert code == 0
    assert printed.startswith(f"{folder / 'net.pth'} (not here")
    code, printed, _ = call("weights", "fetch", "resnet18/imagenet")
    assert code == 0
    assert printed.strip().endswith(f"{folder / 'net.pth'} (SHA-256 {official})")
    assert call("weights", "where", "resnet18")[1].strip() == str(folder / "net.pth")


def test_bad_requests_end_in_one_line(call: Call, folder: Path, official: str) -> None:
    code, _, error = call("weights", "fetch", "resnet81")
    assert code == 2
    assert "'resnet18'" in error
    (folder / "net.pth").write_bytes(b"damaged")
    code, _, error = call("weights", "fetch", "resnet18")
    assert code == 2
    assert "delete" in error
    assert len(error.strip().splitlines()) == 1
