import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from equipoise.exceptions import SettingError, WeightsError
from equipoise.networks.named_weights import fetch_weights, find_weights, named_weights


def test_domain_weights_have_a_record_without_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    sides = {name: weights.record.statistics.side for name, weights in named_weights().items()}
    assert sides == {
        "densenet121/imagenet": 224,
        "densenet121/xrv_all": 224,
        "mobilenet_v2/imagenet": 224,
        "resnet18/imagenet": 224,
        "resnet50/imagenet": 224,
        "resnet50/radimagenet": 224,
        "timm:convnext_tiny/imagenet": 224,
        "timm:efficientnet_b0/imagenet": 224,
        "timm:tf_efficientnet_lite0/imagenet": 224,
        "timm:vit_small_patch14_dinov2/dinov2": 518,
    }
    unchecked = [name for name, w in named_weights().items() if len(w.record.sha256) < 64]
    assert unchecked == ["resnet50/radimagenet", "timm:tf_efficientnet_lite0/imagenet"]
    checked_by = [named_weights()[name].record.checked_by for name in unchecked]
    assert checked_by == ["nothing: none published", "8 digits of SHA-256"]


def test_names_are_completed_and_unknown_ones_answered(fake_timm: ModuleType) -> None:
    assert find_weights("resnet50").name == "resnet50/imagenet"
    assert find_weights("timm:tiny").name == "timm:tiny/in1k"
    with pytest.raises(WeightsError, match=r"weights of resnet50.*'radimagenet'"):
        find_weights("resnet50/radimagnet")
    with pytest.raises(SettingError, match="'resnet50'"):
        find_weights("resnet5")
    with pytest.raises(SettingError, match="'small_cnn' has no pretrained"):
        find_weights("small_cnn")


def test_what_is_here_is_not_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EQUIPOISE_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    entry = find_weights("resnet50/radimagenet")
    assert entry.place == "ResNet50.pt"
    assert not any(weights.file for weights in named_weights().values())
    torch.save({"a": torch.ones(1)}, tmp_path / "ResNet50.pt")
    assert fetch_weights("resnet50/radimagenet") == tmp_path / "ResNet50.pt" == entry.file
    with pytest.raises(WeightsError, match="40 digits"):
        fetch_weights("hf://timm/x@main/model.safetensors")
