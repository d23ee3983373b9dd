"""Fixtures that every test may use."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from _pytest.nodes import Item

from equipoise.data.dataset import ImageDataset
from equipoise.exceptions import MissingPackageError

pytest_plugins = (
    "tests.fixtures.pretrained",
    "tests.fixtures.studies",
    "tests.fixtures.timm_networks",
    "tests.fixtures.volume_studies",
)

FOR_TESTS = ("EQUIPOISE_WEIGHT_PACKAGES",)  # settings of the tests themselves
SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: Item) -> Iterator[None]:
    """Skip a test whose fixtures need an extra that is not installed."""
    del item
    try:
        yield
    except MissingPackageError as error:
        pytest.skip(str(error))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: Item) -> Iterator[None]:
    """Skip a test that needs an extra that is not installed; all are where `dev` is."""
    del item
    try:
        yield
    except MissingPackageError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_user() -> Iterator[None]:
    """Unset what a user of this machine may have set: weights and cache folders."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("EQUIPOISE_") and name not in FOR_TESTS:
                patch.delenv(name)
        yield


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Run torch on one thread: two test processes share two cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def shared() -> Path:
    """The folder of real data and weights beside a checkout; tests skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the real data sets (../shared) are not on this machine")
    return SHARED


def toy_dataset(
    counts: tuple[int, ...] = (40, 12), size: int = 16, channels: int = 1, seed: int = 0
) -> ImageDataset:
    """Noise whose brightness tells the class; two images per patient."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts).astype(np.int64)
    noise = rng.normal(0, 25, size=(len(labels), channels, size, size))
    images = np.clip(noise + 80 + 60 * labels[:, None, None, None], 0, 255).astype(np.uint8)
    return ImageDataset(
        images=images,
        labels=labels,
        class_names=tuple(f"class-{k}" for k in range(len(counts))),
        groups=np.arange(len(labels), dtype=np.int64) // 2,
        ids=np.array([f"image-{i:04d}" for i in range(len(labels))]),
    )


@pytest.fixture
def toy() -> ImageDataset:
    """A two-class data set of 52 images, 16 px, one channel."""
    return toy_dataset()
