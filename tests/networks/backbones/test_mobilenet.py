from pathlib import Path

import torch
from safetensors.torch import load_file
from sklearn.datasets import load_sample_image
from torch.nn.functional import interpolate

from equipoise.networks.backbones.mobilenet import MobileNetV2, mobilenet_v2
from equipoise.networks.weights import InputNormalization

OFFICIAL_FILE = "weights/mobilenet_v2-b0353104.safetensors"


def test_golden_parameters() -> None:
    network = MobileNetV2(3, 1000)
    assert sum(p.numel() for p in network.parameters()) == 3_504_872  # as torchvision documents
    assert len(network.features) == 19


def test_official_weights_fit_name_by_name(shared: Path) -> None:
    network = MobileNetV2(3, 1000)
    outcome = network.load_state_dict(load_file(shared / OFFICIAL_FILE), strict=True)
    assert not outcome.missing_keys
    assert not outcome.unexpected_keys


def test_official_weights_see_a_palace(shared: Path) -> None:
    """scikit-learn's picture of the Summer Palace is class 698, palace, unless a layer is wrong."""
    network = MobileNetV2(3, 1000).eval()
    network.load_state_dict(load_file(shared / OFFICIAL_FILE))
    picture = (
        torch.tensor(load_sample_image("china.jpg")).permute(2, 0, 1)[None, :, :, 106:533] / 255
    )
    images = interpolate(picture, (224, 224), mode="bilinear", antialias=True)
    with torch.no_grad():
        scores = network(InputNormalization()(images)).softmax(dim=1)[0]
    assert scores.argmax() == 698
    assert scores.max() > 0.4


def test_small_images_keep_their_size_in_the_stem() -> None:
    images = torch.rand(2, 1, 32, 32)
    assert mobilenet_v2(1, 2, 32).features[0](images).shape == (2, 32, 32, 32)
    assert mobilenet_v2(1, 2, 64).features[0](images).shape == (2, 32, 16, 16)
    assert mobilenet_v2(1, 2, 32).eval()(images).shape == (2, 2)
