"""Grad-CAM against its closed form and MONAI's, without side effects on the network."""

from typing import Any

import numpy as np
import pytest
import torch
from monai.visualize.class_activation_maps import GradCAM
from sklearn.exceptions import NotFittedError
from tests.conftest import toy_dataset
from torch import Tensor, nn

from equipoise.data.dataset import ImageDataset
from equipoise.estimators.classifier import ImageClassifier
from equipoise.estimators.frozen.classifier import FrozenClassifier
from equipoise.estimators.grad_cam import class_maps, enlarged, grad_cam, grad_cams, map_side
from equipoise.exceptions import DataError
from equipoise.networks.backbones import BACKBONES, build, find_backbone


def random_network(name: str, channels: int = 3, n_classes: int = 3, side: int = 20) -> nn.Module:
    """A network whose batch norms have running statistics, so that no parameter is initial."""
    torch.manual_seed(0)
    network = build(name, channels=channels, n_classes=n_classes, side=side)
    with torch.no_grad():
        network.train()(torch.rand(4, channels, side, side))
    return network.eval()


class Plain(nn.Module):
    """Convolution, ReLU, mean over the map, linear."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.features = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.ReLU())
        self.head = nn.Linear(6, 2)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(images).mean(dim=(2, 3)))
        return logits


def test_behind_a_mean_and_a_linear_head_it_is_the_class_activation_map() -> None:
    """alpha_k = w_ck / (h w) exactly, so that the map is relu(sum_k w_ck A_k) / (h w)."""
    network = Plain()
    images = torch.rand(3, 1, 5, 7)
    codes = torch.tensor([0, 1, 1])
    maps = network.features(images)
    expected = torch.einsum("nk,nkhw->nhw", network.head.weight[codes], maps).relu() / 35
    assert expected.max() > 0
    torch.testing.assert_close(
        class_maps(network, network.features, images, codes), expected.detach()
    )


@pytest.mark.parametrize("name", BACKBONES)
def test_it_is_monai_s_map_for_a_class_of_each_image(name: str) -> None:
    network = random_network(name)
    images = torch.rand(3, 3, 20, 20)
    backbone = find_backbone(name)
    layer = backbone.last_map_of(network)
    assert backbone.last_map is not None
    monai: Any = GradCAM(nn_module=network, target_layers=backbone.last_map)
    expected = {
        c: monai.compute_map(images.clone().requires_grad_(), class_idx=c)[:, 0] for c in range(3)
    }
    assert all(maps.shape == expected[0].shape for maps in expected.values())
    for codes in ([0, 1, 2], [1, 2, 0]):
        maps = class_maps(network, layer, images, torch.tensor(codes))
        of_codes = torch.stack([expected[c][i] for i, c in enumerate(codes)])
        torch.testing.assert_close(maps, of_codes, rtol=1e-4, atol=1e-7)
    assert max(maps.max() for maps in expected.values()) > 0


@pytest.mark.parametrize("name", ["small_cnn", "resnet18", "densenet121", "mobilenet_v2"])
def test_gradients_mode_and_hooks_of_the_network_stay_unchanged(name: str) -> None:
    network = random_network(name, channels=1, n_classes=2).train()
    layer = find_backbone(name).last_map_of(network)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    images = torch.rand(2, 1, 20, 20)
    with torch.no_grad():
        first = class_maps(network, layer, images, torch.tensor([0, 1]))
    assert network.training
    assert all(layer.training for layer in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(layer._forward_hooks for layer in network.modules())
    assert all(torch.equal(before[key], tensor) for key, tensor in network.state_dict().items())
    second = class_maps(network, layer, images, torch.tensor([0, 1]))
    assert torch.equal(first, second)
    assert not first.requires_grad


def test_a_frozen_network_has_the_same_maps() -> None:
    network = random_network("small_cnn")
    torch.manual_seed(1)
    images = torch.rand(6, 3, 20, 20)
    codes = torch.arange(6) % 3
    layer = find_backbone("small_cnn").last_map_of(network)
    free = class_maps(network, layer, images, codes)
    assert free.max() > 0
    network.requires_grad_(requires_grad=False)
    assert torch.equal(class_maps(network, layer, images, codes), free)


def test_after_an_error_hooks_and_mode_are_restored() -> None:
    network = random_network("small_cnn").train()
    layer = find_backbone("small_cnn").last_map_of(network)
    with pytest.raises(RuntimeError):
        class_maps(network, layer, torch.rand(1, 1, 20, 20), torch.tensor([0]))
    assert network.training
    assert not any(layer._forward_hooks for layer in network.modules())


def test_the_maximum_is_one_and_zeros_stay_zeros() -> None:
    low = torch.tensor(
        [[[0.0, 1e-30], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]], [[3.0, 3.0], [3.0, 3.0]]]
    )
    full = enlarged(low, (6, 9))
    assert full.shape == (3, 6, 9)
    assert full.amax(dim=(1, 2)).tolist() == pytest.approx([1, 0, 1])
    assert full[2].min() == pytest.approx(1)  # stretched from minimum to maximum it would be 0 / 0
    assert full.min() == 0


@pytest.fixture(scope="module")
def fitted() -> tuple[ImageClassifier, ImageDataset]:
    data = toy_dataset((24, 12))
    classifier = ImageClassifier(n_steps=12, batch_size=8, device="cpu")
    return classifier.fit(data.images, data.labels + 3), data


def test_maps_of_a_classifier(
    fitted: tuple[ImageClassifier, ImageDataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier, data = fitted
    maps = grad_cam(classifier, data.images, data.labels + 3)
    assert maps.shape == (36, 16, 16)
    assert maps.dtype == np.float32
    assert maps.min() >= 0
    assert set(maps.max(axis=(1, 2)).round(6).tolist()) <= {0.0, 1.0}
    monkeypatch.setattr("equipoise.estimators.grad_cam.CHUNK", 5 * 16 * 16)
    np.testing.assert_allclose(grad_cam(classifier, data.images, data.labels + 3), maps, atol=1e-5)
    assert grad_cam(classifier, data.images[:0], data.labels[:0]).shape == (0, 16, 16)
    assert map_side(classifier) == (2, 2)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_every_storage_type_and_a_cosine_head(dtype: str) -> None:
    data = toy_dataset((12, 6, 6), size=20, channels=3)
    images = data.pixels.astype(dtype)
    classifier = ImageClassifier(n_steps=4, batch_size=8, loss="ldam", device="cpu").fit(
        images, data.labels
    )
    maps = grad_cam(classifier, images, data.labels)
    assert maps.shape == (24, 20, 20)
    assert np.isfinite(maps).all()


def test_unknown_labels_and_images_of_another_kind_are_refused(
    fitted: tuple[ImageClassifier, ImageDataset],
) -> None:
    classifier, data = fitted
    with pytest.raises(DataError, match=r"\[3, 4\].*\[0\]"):
        grad_cam(classifier, data.images[:2], np.array([0, 3]))
    with pytest.raises(DataError, match="float32"):
        grad_cam(classifier, data.pixels.astype(np.float32), data.labels + 3)
    with pytest.raises(NotFittedError):
        grad_cam(ImageClassifier(), data.images, data.labels)


def test_heads_on_a_frozen_network_share_its_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.repeat([0, 1], 4)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 120, size=(8, 1, 16, 16)) + 100 * labels[:, None, None, None]
    images = images.astype(np.uint8)
    classifiers = []
    for loss in ("cross_entropy", "class_weights"):
        classifier = FrozenClassifier(
            network="small_cnn", pretrained="random", loss=loss, n_views=1, device="cpu"
        )
        classifiers.append(classifier.fit(images, labels))
    passes = []
    layer = classifiers[0].last_map_
    handle = layer.register_forward_hook(lambda *_: passes.append(1))
    shared = grad_cams(classifiers, images, [labels, 1 - labels])
    handle.remove()
    assert len(passes) == 1
    np.testing.assert_array_equal(shared[0], grad_cam(classifiers[0], images, labels))
    np.testing.assert_array_equal(shared[1], grad_cam(classifiers[1], images, 1 - labels))
