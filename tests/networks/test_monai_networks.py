from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from equipoise.data.dataset import ImageDataset
from equipoise.estimators.classifier import ImageClassifier
from equipoise.estimators.grad_cam import class_maps
from equipoise.exceptions import DataError, SettingError
from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.protocol import Budget
from equipoise.networks.backbones import build, find_backbone
from equipoise.networks.monai_networks import MONAI_BACKBONES

ONE_OF_EACH = ("monai:densenet121", "monai:resnet10", "monai:seresnet50", "monai:efficientnet-b0")


@pytest.mark.parametrize("name", MONAI_BACKBONES)
def test_every_network_of_monai_has_the_parts_that_its_record_names(name: str) -> None:
    backbone = find_backbone(name)
    side = backbone.smallest_side
    with torch.device("meta"), torch.no_grad():
        network = build(name, channels=1, n_classes=3, side=side).eval()
        assert network(torch.empty(2, 1, side, side)).shape == (2, 3)
        assert backbone.head_of(network).out_features == 3
        maps = backbone.trunk(network)(torch.empty(2, 1, side, side))
        assert maps.ndim == 4
        assert len(backbone.trunk(network).state_dict()) == len(network.state_dict()) - 2
        backbone.last_map_of(network)
    assert backbone.summary.endswith(".")


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_the_mean_of_the_trunk_is_the_feature_and_grad_cam_reads_the_last_map(name: str) -> None:
    backbone = find_backbone(name)
    torch.manual_seed(0)
    network = build(name, channels=3, n_classes=2, side=64).eval()
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        maps = backbone.trunk(network)(images)
        maps = maps.relu() if name == "monai:densenet121" else maps
        features = backbone.features(network, images)
    torch.testing.assert_close(maps.mean(dim=(2, 3)), features)
    layer = backbone.last_map_of(network)
    cam = class_maps(network, layer, images, torch.tensor([0, 1]))
    assert cam.shape == (2, *maps.shape[2:])


def test_a_classifier_trains_with_one(toy: ImageDataset) -> None:
    fitted = ImageClassifier(network="monai:resnet10", n_steps=1, batch_size=4, device="cpu")
    scores = fitted.fit(toy.images, toy.labels).predict_proba(toy.images[:3])
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, rtol=1e-6)


def test_a_file_of_its_own_state_dict_is_where_finetuning_starts(
    toy: ImageDataset, tmp_path: Path
) -> None:
    stored = build("monai:resnet10", channels=3, n_classes=7, side=28).state_dict()
    save_file(stored, tmp_path / "net.safetensors")
    budget = Budget(
        regime="finetune",
        network="monai:resnet10",
        pretrained=str(tmp_path / "net.safetensors"),
        n_steps=1,
        batch_size=4,
        learning_rate=1e-9,
        device="cpu",
    )
    fitted = build_methods(["none"], budget)["none"].steps[-1][1].fit(toy.images, toy.labels)
    stem = fitted.network_.state_dict()["1.conv1.weight"]
    torch.testing.assert_close(stem, stored["conv1.weight"], atol=1e-7, rtol=0)


def test_unknown_names_small_images_and_absent_weights_are_refused() -> None:
    with pytest.raises(SettingError, match=r"'monai:densenet12'.*'monai:densenet121'"):
        find_backbone("monai:densenet12")
    with pytest.raises(DataError, match=r"32 px.*monai:efficientnet-b0.* 28 px"):
        find_backbone("monai:efficientnet-b0").check_side(28)
    for name in ("official", "imagenet"):
        with pytest.raises(SettingError, match=r"'monai:resnet10' has no pretrained.*state dict"):
            find_backbone("monai:resnet10").check_weights(name)
