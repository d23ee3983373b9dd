import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from scipy.linalg import sqrtm

from equipoise.arrays import Images
from equipoise.exceptions import WeightsError
from equipoise.features.choosing import find_weights
from equipoise.features.inception import (
    FILES,
    URL,
    InceptionInput,
    inception,
    load_inception,
    read_archive,
)
from equipoise.networks.inception import fid_inception
from equipoise.networks.weight_files import FOLDER

Array = NDArray[np.float64]


@pytest.fixture(scope="session")
def official() -> Path:
    """A file of the official weights, one of `FILES` in the folder $EQUIPOISE_WEIGHTS."""
    file = find_weights(FILES) if FOLDER in os.environ else None
    if file is None:
        pytest.skip(f"the weights of the FID Inception ({', '.join(FILES)}) are not in ${FOLDER}")
    return file


@pytest.fixture
def documented() -> Iterator[tuple[Images, Images]]:
    """Both image sets of the examples in torchmetrics' documentation; its random stream goes on.

    Its doctests start from seed 42 and build the network first: these layers and the last one draw
    as many random numbers.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(42)
        fid_inception(), torch.nn.Linear(2048, 1008)
        first = torch.randint(0, 200, (100, 3, 299, 299), dtype=torch.uint8)
        yield first.numpy(), torch.randint(100, 255, (100, 3, 299, 299), dtype=torch.uint8).numpy()


def test_address_is_the_released_file() -> None:
    assert URL.startswith("https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/")
    assert URL.endswith("/" + FILES[0])


def test_input_of_a_ramp_follows_tensorflow_1() -> None:
    # TensorFlow 1 reads index x at source x * old / new, and is constant after the last pixel.
    # Aligned pixel centers would give (x + 0.5) * old / new - 0.5.
    ramp = torch.arange(0, 20, dtype=torch.float32).view(1, 1, 20, 1).expand(1, 1, 20, 13) / 255
    resized = InceptionInput()(ramp)
    assert resized.shape == (1, 3, 299, 299)
    expected = np.minimum(np.arange(299) * 20 / 299, 19)
    np.testing.assert_allclose(resized[0, 1, :, 7] * 128 + 128, expected, atol=1e-4)
    np.testing.assert_allclose(resized[0, 2, :, 7], resized[0, 0, :, 200], atol=0)


def test_both_axes_are_interpolated() -> None:
    rng = np.random.default_rng(0)
    image = rng.random((7, 5))
    unit = torch.tensor(image, dtype=torch.float32)[None, None]
    resized = InceptionInput()(unit)[0, 0].double().numpy()
    for x, y in ((0, 0), (298, 298), (130, 17), (42, 250)):
        r, c = x * 7 / 299, y * 5 / 299
        a, b = math.floor(r), math.floor(c)
        p, q = min(a + 1, 6), min(b + 1, 4)
        top = image[a, b] * (1 - c + b) + image[a, q] * (c - b)
        low = image[p, b] * (1 - c + b) + image[p, q] * (c - b)
        expected = ((top * (1 - r + a) + low * (r - a)) * 255 - 128) / 128
        assert resized[x, y] == pytest.approx(expected, abs=1e-5)


def test_images_of_299_px_are_only_scaled() -> None:
    image = torch.randint(0, 256, (1, 3, 299, 299), generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(InceptionInput()(image / 255), (image - 128.0) / 128, atol=1e-6)


def test_released_names_load_and_the_last_layer_is_ignored(tmp_path: Path) -> None:
    whole = fid_inception()
    state = {k: v for k, v in whole.state_dict().items() if "num_batches" not in k}
    state |= {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    torch.save(state, tmp_path / "weights.pth")
    network = fid_inception(64)
    load_inception(network, tmp_path / "weights.pth")
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, whole.state_dict()[name])


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    save_file({"Conv2d_1a_3x3.conv.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="do not fit"):
        inception(tmp_path / "other.safetensors", device="cpu")
    with pytest.raises(WeightsError, match="found none"):
        inception(tmp_path / "none.pth", device="cpu")


def test_foreign_programs_are_not_opened(tmp_path: Path) -> None:
    torch.save({"weights": torch.zeros(1)}, tmp_path / "default_1.pt")
    with pytest.raises(WeightsError, match=r"default_1\.pt.* with "):
        read_archive(tmp_path / "default_1.pt")
    with pytest.raises(WeightsError, match="found none"):
        read_archive(tmp_path / "none.pt")


def test_without_connection_the_message_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(url: str, *_: object, **__: object) -> None:
        raise OSError(f"no connection to {url}")

    monkeypatch.delenv("EQUIPOISE_WEIGHTS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(WeightsError, match=r"pt_inception-2015-12-05-6726825d\.pth.*weights="):
        inception(device="cpu")


@pytest.mark.slow
def test_official_weights_give_the_documented_fid(
    official: Path, documented: tuple[Images, Images]
) -> None:
    # torchmetrics documents FrechetInceptionDistance(feature=64) of these images as 12.6388
    extractor = inception(official, dimension=64, device="cpu")
    first = extractor(documented[0]).astype(np.float64)
    second = extractor(documented[1]).astype(np.float64)
    a, b = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    distance = ((first.mean(axis=0) - second.mean(axis=0)) ** 2).sum()
    assert distance + np.trace(a + b - 2 * sqrtm(a @ b)).real == pytest.approx(12.6388, abs=5e-5)


@pytest.mark.slow
def test_official_weights_give_the_documented_kid(
    official: Path, documented: tuple[Images, Images]
) -> None:
    # torchmetrics documents KernelInceptionDistance(subset_size=50) as (0.0312, 0.0025)
    extractor = inception(official, device="cpu")
    real = extractor(documented[0]).astype(np.float64)
    fake = extractor(documented[1]).astype(np.float64)
    distances = []
    for _ in range(100):
        real_rows, fake_rows = torch.randperm(100)[:50].numpy(), torch.randperm(100)[:50].numpy()
        distances.append(unbiased_mmd(real[real_rows], fake[fake_rows]))
    assert np.mean(distances) == pytest.approx(0.0312, abs=5e-5)
    assert np.std(distances) == pytest.approx(0.0025, abs=5e-5)


def unbiased_mmd(a: Array, b: Array) -> float:
    m = len(a)

    def kernel(x: Array, y: Array) -> Array:
        return np.asarray((x @ y.T / x.shape[1] + 1) ** 3)

    within = sum((k.sum() - np.trace(k)) / (m * (m - 1)) for k in (kernel(a, a), kernel(b, b)))
    return float(within - 2 * kernel(a, b).mean())


def test_official_weights_give_known_features(official: Path) -> None:
    # Computed once by the TorchScript program in default_1.pt (input (x - 128) / 128, no resizing).
    row, column = np.indices((299, 299))
    channels = [(3 * row + 5 * column) % 256, (7 * row * column) % 256, (row**2 + column) % 256]
    features = inception(official, device="cpu")(np.stack(channels)[None].astype(np.uint8))[0]
    expected = [0.25870818, 0.24437921, 0.00213178, 0.20578504, 0.45275006]
    np.testing.assert_allclose(features[[0, 1, 500, 1000, 2047]], expected, atol=2e-5)
    assert features.mean() == pytest.approx(0.26456881, abs=1e-5)
    assert np.linalg.norm(features) == pytest.approx(19.413223, abs=1e-3)
