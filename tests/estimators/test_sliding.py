from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.estimators.sliding import SlidingPredictor
from equipoise.networks.patch_networks import PATCH_NETWORKS, PatchNetwork
from equipoise.testing.volumes import volumes_of

SIZE = 32
Logits = NDArray[np.float32]


@pytest.fixture
def case(tmp_path: Path) -> VolumeDataset:
    """Two slices of 37 x 46 px, larger than a patch, with a mask that touches two borders."""
    rng = np.random.default_rng(0)
    codes = np.kron(rng.integers(0, 3, (2, 5, 6)), np.ones((8, 8), dtype=int))[:, :37, :46]
    mask = np.zeros(codes.shape, dtype=bool)
    mask[0, 5:37, :31] = rng.random((32, 31)) < 0.7
    mask[1, 9, 17] = True
    dataset = volumes_of([np.where(mask, codes, 0)], tmp_path, k=3, masks=[mask])
    images = rng.normal(0, 1, (2, 2, 37, 46)) + 9 * codes
    np.save(dataset.volumes[0].folder / "images.npy", images.astype(np.float16))
    return dataset


def sliding(
    name: str, *, stride: int = 4, slides: bool | None = None, size: int = SIZE
) -> SlidingPredictor:
    """Build a predictor whose batch norm has seen blocks, so that the logits of patches differ."""
    torch.manual_seed(0)
    architecture = PATCH_NETWORKS[name]
    network = architecture.build(2, 3, 3)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0
    blocks = 9 * torch.rand(8, 2, 4, 4)
    network.train()(blocks.repeat_interleave(size // 4, 2).repeat_interleave(size // 4, 3))
    if slides is not None:
        architecture = replace(architecture, slides=slides)
    return SlidingPredictor(architecture, network, size, stride)


def whole(predictor: SlidingPredictor, images: NDArray[Any], mask: NDArray[np.bool_]) -> Logits:
    """(k, z, y, x) logits inside the mask, else 0."""
    volume = np.zeros((3, *mask.shape), dtype=np.float32)
    for z, box, logits in predictor.slices(images, mask):
        volume[:, z, *box] = np.where(mask[z][box], logits.numpy(), 0)
    return volume


def batch_sizes(network: nn.Module, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Record how many patches every forward pass gets."""
    sizes: list[int] = []
    forward = network.forward

    def counted(patches: Tensor) -> Tensor:
        sizes.append(len(patches))
        logits: Tensor = forward(patches)
        return logits

    monkeypatch.setattr(network, "forward", counted)
    return sizes


@pytest.mark.parametrize("stride", [4, 8])
@pytest.mark.parametrize(
    "architecture", [a for a in PATCH_NETWORKS.values() if a.slides], ids=lambda a: a.name
)
def test_one_pass_gives_what_patch_by_patch_gives(
    case: VolumeDataset, architecture: PatchNetwork, stride: int
) -> None:
    """To 1e-4; at the borders too, where both see zeros."""
    images, _, mask = case.arrays(0)
    fast = sliding(architecture.name, stride=stride, slides=True)
    literal = sliding(architecture.name, stride=stride, slides=False)
    np.testing.assert_allclose(whole(fast, images, mask), whole(literal, images, mask), atol=1e-4)
    assert whole(fast, images, mask)[:, mask].std(axis=1).min() > 0.01, (
        "patches too alike to detect a wrong one"
    )


@pytest.mark.parametrize(
    ("name", "size"), [("center_cnn_valid", 32), ("center_cnn_valid", 64), ("center_cnn", 24)]
)
def test_grid_points_are_the_centers_of_training_patches(
    case: VolumeDataset, name: str, size: int
) -> None:
    """A patch is labeled by its pixel [size // 2, size // 2], where its logits must be."""
    images, _, mask = case.arrays(0)
    predictor = sliding(name, size=size)
    logits = whole(predictor, images, np.ones_like(mask))
    points = np.array([(0, z, y, x) for z in (0, 1) for y in (0, 16, 36) for x in (0, 20, 44)])
    expected = predictor.at(case, points).numpy()
    np.testing.assert_allclose(
        logits[:, points[:, 1], points[:, 2], points[:, 3]].T, expected, atol=1e-4
    )
    assert expected.std(axis=0).min() > 0.01


def test_between_grid_points_logits_are_bilinear(case: VolumeDataset) -> None:
    images, _, mask = case.arrays(0)
    logits = whole(sliding("center_cnn_valid"), images, np.ones_like(mask))[:, 0]
    np.testing.assert_allclose(
        logits[:, 9, 8], 0.75 * logits[:, 8, 8] + 0.25 * logits[:, 12, 8], atol=1e-5
    )
    np.testing.assert_allclose(
        logits[:, 10, 14], logits[:, 8:13:4, 12:17:4].mean(axis=(1, 2)), atol=1e-5
    )


@pytest.mark.parametrize("name", ["center_cnn", "center_cnn_valid"])
def test_pixels_outside_the_mask_are_not_predicted_and_change_nothing(
    case: VolumeDataset, name: str
) -> None:
    images, _, mask = case.arrays(0)
    predictor = sliding(name)
    everywhere = whole(predictor, images, np.ones_like(mask))
    np.testing.assert_allclose(
        whole(predictor, images, mask), np.where(mask, everywhere, 0), atol=1e-5
    )
    seen = list(predictor.slices(images, mask))
    assert [(s.z, s.box) for s in seen][1] == (1, (slice(9, 10), slice(17, 18)))
    assert [s.z for s in predictor.slices(images, mask, [1])] == [1]
    assert not list(predictor.slices(images, np.zeros_like(mask)))


def test_only_patches_that_touch_the_mask_are_cropped(
    case: VolumeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, _, mask = case.arrays(0)
    predictor = sliding("center_cnn")
    sizes = batch_sizes(predictor.network, monkeypatch)
    # the pixel (9, 17) lies between (8, 16), (8, 20), (12, 16) and (12, 20)
    list(predictor.slices(images, mask, [1]))
    assert sizes == [4]


def test_patches_pass_in_chunks(case: VolumeDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    images, _, mask = case.arrays(0)
    predictor = sliding("center_cnn", stride=8)
    positions = np.stack([np.zeros(7), np.zeros(7), np.arange(7), np.arange(7)], axis=1).astype(
        np.int64
    )
    plain = whole(predictor, images, mask)
    plain_at = predictor.at(case, positions)
    monkeypatch.setattr("equipoise.estimators.sliding.CHUNK", 2 * SIZE**2)
    sizes = batch_sizes(predictor.network, monkeypatch)
    np.testing.assert_allclose(whole(predictor, images, mask), plain, atol=1e-5)
    torch.testing.assert_close(predictor.at(case, positions), plain_at)
    assert max(sizes) == 2


class Copies(nn.Module):
    """A dense network that returns the first channel as every logit."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(1))

    def forward(self, patches: Tensor) -> Tensor:
        assert not self.training
        assert patches.shape[2:] == (SIZE, SIZE)
        return patches[:, :1].repeat(1, 3, 1, 1)


def test_a_dense_network_sees_windows_of_the_size_of_its_patches(case: VolumeDataset) -> None:
    images, _, mask = case.arrays(0)
    predictor = SlidingPredictor(PATCH_NETWORKS["unet"], Copies(), SIZE, 4)
    expected = np.where(mask, images[0].astype(np.float32), 0)
    for logits in whole(predictor, images, mask):
        np.testing.assert_allclose(logits, expected, atol=1e-5)
    positions = np.array([[0, 0, 8, 3], [0, 1, 36, 45]])
    np.testing.assert_allclose(
        predictor.at(case, positions)[:, 0], images[0][(0, 1), (8, 36), (3, 45)], atol=1e-6
    )


@pytest.mark.parametrize("training", [True, False])
def test_the_network_is_left_as_it_was(case: VolumeDataset, training: bool) -> None:
    images, _, mask = case.arrays(0)
    predictor = sliding("center_cnn_valid")
    predictor.network.train(training)
    before = {name: tensor.clone() for name, tensor in predictor.network.state_dict().items()}
    seen, *_ = predictor.slices(images, mask)
    predictor.at(case, np.zeros((1, 4), dtype=np.int64))
    assert predictor.network.training is training
    assert not seen.logits.requires_grad
    assert all(
        torch.equal(tensor, before[name]) for name, tensor in predictor.network.state_dict().items()
    )
