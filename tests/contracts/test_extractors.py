"""The contract of every extractor in `EXTRACTORS`."""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from equipoise.arrays import Images, value_range
from equipoise.audit.in_domain import in_domain
from equipoise.estimators.classifier import ImageClassifier
from equipoise.exceptions import DataError, SettingError
from equipoise.features import inception
from equipoise.features.base import Extractor, extract, seconds_for
from equipoise.features.choosing import make_extractor
from equipoise.features.network import NetworkExtractor
from equipoise.features.table import EXTRACTORS
from equipoise.networks.backbones.mobilenet import mobilenet_v2
from equipoise.networks.inception import fid_inception
from equipoise.training.chance import isolated_chance

SIDE = 20
TAP = 64  # an early map: the whole Inception takes most of a second per image
TYPES = ("uint8", "uint16", "float32")
KINDS = [(dtype, channels) for dtype in TYPES for channels in (1, 3)]


def images_of(dtype: str, channels: int, n: int = 2) -> Images:
    """Noise on a ramp between the extremes 0 and 255, 0 and 4095, or -1 and 1."""
    rng = np.random.default_rng(0)
    unit = np.clip(rng.random((n, channels, SIDE, SIDE)) / 2 + np.linspace(0, 0.5, SIDE), 0, 1)
    unit.flat[0], unit.flat[-1] = 0, 1
    top, low = {"uint8": (255, 0), "uint16": (4095, 0), "float32": (1.0, -1.0)}[dtype]
    values = unit * (top - low) + low
    return np.asarray(values if dtype == "float32" else np.rint(values), dtype=dtype)


Make = Callable[[Images, Path], Extractor]


def classifier(images: Images, _folder: Path) -> Extractor:
    noisy = np.concatenate([images, images[::-1]])
    fitted = ImageClassifier(n_steps=2, batch_size=4, device="cpu").fit(
        noisy, np.arange(len(noisy)) % 2
    )
    return in_domain(fitted)


def random_weights(name: str, build: Callable[[], torch.nn.Module], folder: Path) -> Path:
    file = folder / f"{name}.safetensors"
    if not file.is_file():
        with isolated_chance("contracts", name):
            save_file(build().state_dict(), file)
    return file


def imagenet(images: Images, folder: Path) -> Extractor:
    file = random_weights("imagenet", lambda: mobilenet_v2(3, 1000, 224), folder)
    return make_extractor("imagenet", weights=file, device="cpu", span=value_range(images))


def early_inception(images: Images, folder: Path) -> Extractor:
    file = random_weights("inception", fid_inception, folder)
    return inception.inception(file, dimension=TAP, device="cpu", span=value_range(images))


def dinov2(images: Images, folder: Path) -> Extractor:
    if find_spec("transformers") is None:
        pytest.skip("the package transformers is not installed")
    transformers = import_module("transformers")
    with isolated_chance("contracts", "dinov2"):
        tiny = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
        transformers.Dinov2Model(transformers.Dinov2Config(**tiny, image_size=224)).save_pretrained(
            folder / "dinov2"
        )
    return make_extractor(
        "dinov2", weights=folder / "dinov2", device="cpu", span=value_range(images)
    )


def without_weights(name: str) -> Make:
    return lambda images, _folder: make_extractor(name, device="cpu", span=value_range(images))


BUILDERS: Mapping[str, Make] = {
    "classifier": classifier,
    "inception": early_inception,
    "imagenet": imagenet,
    "dinov2": dinov2,
    "random": without_weights("random"),
    "pixels": without_weights("pixels"),
    "spectrum": without_weights("spectrum"),
    "statistics": without_weights("statistics"),
}

Built = Callable[[str, str, int], Extractor]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("weights")

    @cache
    def build(name: str, dtype: str, channels: int) -> Extractor:
        return BUILDERS[name](images_of(dtype, channels), folder)

    return build


def test_every_extractor_is_tested() -> None:
    assert BUILDERS.keys() == EXTRACTORS.keys()


@pytest.mark.parametrize("name", EXTRACTORS)
@pytest.mark.parametrize(("dtype", "channels"), KINDS)
def test_shape_type_and_repetition(built: Built, name: str, dtype: str, channels: int) -> None:
    extractor, images = built(name, dtype, channels), images_of(dtype, channels)
    features = extractor(images)
    assert extractor.name == name
    assert features.shape == (len(images), extractor.dimension)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert features.std(axis=0).max() > 0  # different images, different features
    np.testing.assert_array_equal(extractor(images.copy()), features)


@pytest.mark.parametrize("name", EXTRACTORS)
def test_features_of_an_image_do_not_depend_on_the_batch(built: Built, name: str) -> None:
    extractor, images = built(name, "uint8", 3), images_of("uint8", 3)
    one_by_one = np.concatenate([extractor(images[i : i + 1]) for i in range(len(images))])
    np.testing.assert_allclose(extractor(images), one_by_one, atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(extractor(images[::-1])[::-1], one_by_one, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", EXTRACTORS)
def test_depth_of_storage_hardly_matters(built: Built, name: str) -> None:
    def features(dtype: str) -> NDArray[np.float32]:
        extractor = built(name, dtype, 1)
        return np.asarray(extractor(images_of(dtype, 1)))

    if name == "classifier":  # one classifier for each type, each trained on its own images
        with pytest.raises(DataError, match="uint16"):
            built(name, "uint8", 1)(images_of("uint16", 1))
        return
    fine, coarse = features("uint16"), features("uint8")
    scale = np.abs(fine).max()
    np.testing.assert_allclose(coarse, fine, atol=0.02 * scale)
    np.testing.assert_allclose(features("float32"), fine, atol=0.02 * scale)


@pytest.mark.parametrize("name", [name for name in EXTRACTORS if name != "classifier"])
def test_gray_is_the_same_as_three_equal_channels(built: Built, name: str) -> None:
    extractor, images = built(name, "uint8", 1), images_of("uint8", 1)
    np.testing.assert_allclose(extractor(images.repeat(3, axis=1)), extractor(images), atol=1e-4)


@pytest.mark.parametrize("name", EXTRACTORS)
def test_cached_features_are_the_fresh_ones(built: Built, name: str, tmp_path: Path) -> None:
    extractor, images = built(name, "uint8", 1), images_of("uint8", 1)
    fresh = extract(images, extractor)
    stored = extract(images, extractor, cache=tmp_path)
    # batches that are stored are filled up, and one of another size may round differently
    np.testing.assert_allclose(stored, fresh, rtol=1e-3, atol=1e-6)
    np.testing.assert_array_equal(extract(images, extractor, cache=tmp_path), stored)
    assert fresh.dtype == stored.dtype == np.float64


@pytest.mark.parametrize("name", EXTRACTORS)
def test_digest_is_stable_and_depends_on_the_range_of_values(
    built: Built, name: str, tmp_path: Path
) -> None:
    first = built(name, "uint8", 1)
    again = BUILDERS[name](images_of("uint8", 1), tmp_path)
    assert len(first.digest) == 64
    assert first.digest == again.digest != built(name, "uint16", 1).digest


def test_digests_differ_between_extractors(built: Built) -> None:
    names = [name for name in EXTRACTORS if name != "dinov2" or find_spec("transformers")]
    assert len({built(name, "uint8", 1).digest for name in names}) == len(names)


@pytest.mark.parametrize("name", EXTRACTORS)
def test_estimate_of_the_time(built: Built, name: str) -> None:
    assert 0 < seconds_for(built(name, "uint8", 1), 1, images_of("uint8", 1)) < 60


@pytest.mark.parametrize("name", EXTRACTORS)
def test_bad_images_are_refused(built: Built, name: str) -> None:
    extractor = built(name, "uint8", 1)
    with pytest.raises(DataError, match=r"shape \(n, c, h, w\)"):
        extract(np.zeros((2, 8, 8), dtype=np.uint8), extractor)
    with pytest.raises(DataError, match="1 or 3 channels"):
        extract(np.zeros((2, 2, 8, 8), dtype=np.uint8), extractor)


@pytest.mark.parametrize("name", ["random", "pixels"])
def test_range_of_more_than_eight_bits_is_required(name: str) -> None:
    extractor = make_extractor(name, device="cpu")
    assert extractor(images_of("uint8", 1)).shape == (2, extractor.dimension)
    for dtype in ("uint16", "float32"):
        with pytest.raises(DataError, match="span=value_range"):
            extractor(images_of(dtype, 1))


def test_stated_dimensions(built: Built) -> None:
    for name in ("imagenet", "random", "pixels"):
        assert built(name, "uint8", 1).dimension == EXTRACTORS[name].dimension
    assert EXTRACTORS["inception"].dimension == inception.DIMENSION


def test_network_stays_as_it_is_and_large_sets_pass_in_chunks() -> None:
    batch_sizes: list[int] = []

    class Mean(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            batch_sizes.append(len(images))
            return images.mean(dim=(2, 3))[:, :1]

    extractor = NetworkExtractor(
        "mean", Mean(), dimension=1, preparation="none", side=512, device="cpu"
    )
    images = images_of("uint8", 1, n=9)
    np.testing.assert_allclose(
        extractor(images)[:, 0], images.mean(axis=(1, 2, 3)) / 255, atol=1e-6
    )
    assert batch_sizes == [4, 4, 1]


def test_device_must_exist() -> None:
    with pytest.raises(SettingError, match="No device"):
        make_extractor("pixels", device="abacus")
