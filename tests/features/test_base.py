from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise.arrays import Images
from equipoise.data.feature_store import BLOCK, FEATURES
from equipoise.exceptions import DataError
from equipoise.features.base import STEP, extract, seconds_for
from equipoise.features.spectrum import radial_spectrum
from equipoise.training.progress import listening


@dataclass
class Means:
    """Mean and maximum of each image; counts the images of each call."""

    name: str = "means"
    digest: str = "0" * 64
    dimension: int = 2
    calls: list[int] = field(default_factory=list)

    def __call__(self, images: Images) -> NDArray[np.float32]:
        self.calls.append(len(images))
        flat = images.reshape(len(images), -1)
        return np.stack([flat.mean(axis=1), flat.max(axis=1)], axis=1).astype(np.float32)


@pytest.fixture
def images() -> Images:
    return np.random.default_rng(0).integers(0, 256, size=(2 * BLOCK + 5, 1, 8, 8), dtype=np.uint8)


def test_batches_and_reports(images: Images) -> None:
    extractor, reports = Means(), list[tuple[str, int, int]]()
    with listening(lambda *report: reports.append(report)):
        features = extract(images, extractor)
    assert features.shape == (len(images), 2)
    assert features.dtype == np.float64
    np.testing.assert_array_equal(features, Means()(images))
    assert max(extractor.calls) == STEP
    assert reports[0] == ("features: means", 0, len(images))
    assert reports[-1] == ("features: means", len(images), len(images))
    steps = [step for _, step, _ in reports]
    assert steps == sorted(steps)


def test_cache_returns_the_same_without_computing(images: Images, tmp_path: Path) -> None:
    first = extract(images, Means(), cache=tmp_path / "new")
    again = Means()
    np.testing.assert_array_equal(extract(images, again, cache=tmp_path / "new"), first)
    assert again.calls == []


def test_killed_run_continues_after_the_last_complete_block(images: Images, tmp_path: Path) -> None:
    def kill(_name: str, step: int, _n: int) -> None:
        if step > BLOCK:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), listening(kill):
        extract(images, Means(), cache=tmp_path)
    again = Means()
    extract(images, again, cache=tmp_path)
    assert len(again.calls) == np.ceil((len(images) - BLOCK) / STEP)


def test_an_image_is_computed_once_whatever_is_beside_it(images: Images, tmp_path: Path) -> None:
    extract(images[:40], Means(), cache=tmp_path)
    again = Means()
    rows = np.array([50, 3, 39, 41, 0])
    features = extract(images[rows], again, cache=tmp_path)
    assert again.calls == [STEP]  # a filled batch of two images
    np.testing.assert_array_equal(features, extract(images[rows], Means()))


def test_features_do_not_depend_on_the_batch(images: Images, tmp_path: Path) -> None:
    """Matrix products of small batches round differently."""
    network = radial_spectrum(device="cpu")
    together = extract(images[:70], network, cache=tmp_path / "a")
    extract(images[30:33], network, cache=tmp_path / "b")
    np.testing.assert_array_equal(extract(images[:70], network, cache=tmp_path / "b"), together)


def test_a_cache_that_cannot_be_written_costs_no_features(images: Images, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    features = extract(images, Means(), cache=tmp_path / "file")
    np.testing.assert_array_equal(features, extract(images, Means()))


def test_cache_distinguishes_contents_and_extractors(images: Images, tmp_path: Path) -> None:
    extract(images[:3], Means(), cache=tmp_path)
    for changed in (images[1:4], images[:3].astype(np.uint16), images[:2]):
        cached = extract(changed, Means(), cache=tmp_path)
        np.testing.assert_array_equal(cached, extract(changed, Means()))
    again = Means(digest="1" * 64)
    extract(images[:3], again, cache=tmp_path)
    assert again.calls == [STEP]


def test_a_damaged_file_is_computed_again(images: Images, tmp_path: Path) -> None:
    first = extract(images[:9], Means(), cache=tmp_path)
    [file] = tmp_path.glob(f"*/*/{FEATURES}")
    damaged = bytearray(file.read_bytes())
    damaged[-1] ^= 1
    file.write_bytes(damaged)
    np.testing.assert_array_equal(extract(images[:9], Means(), cache=tmp_path), first)


def test_no_images_have_no_features(images: Images, tmp_path: Path) -> None:
    assert extract(images[:0], Means(), cache=tmp_path).shape == (0, 2)


def test_mapped_images_are_read_in_blocks(images: Images, tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    np.testing.assert_array_equal(
        extract(mapped, Means(), cache=tmp_path), extract(images, Means())
    )


def test_bad_images_and_features_are_refused() -> None:
    with pytest.raises(DataError, match=r"\(n, c, h, w\).*\(2, 1, 8, 8, 8\)"):
        extract(np.zeros((2, 1, 8, 8, 8), dtype=np.uint8), Means())
    with pytest.raises(DataError, match="numbers, got complex"):
        extract(np.zeros((2, 1, 8, 8), dtype=np.complex64), Means())
    with pytest.raises(DataError, match="1 or 3 channels"):
        extract(np.zeros((2, 4, 8, 8), dtype=np.uint8), Means())

    class Broken(Means):
        def __call__(self, images: Images) -> NDArray[np.float32]:
            return np.full((len(images), 2), np.nan, dtype=np.float32)

    with pytest.raises(DataError, match="not finite"):
        extract(np.zeros((2, 1, 8, 8), dtype=np.uint8), Broken())


def test_estimate_scales_with_the_number_of_images(
    images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter([10.0, 14.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(ticks))
    extractor = Means()
    assert seconds_for(extractor, 100, images) == pytest.approx(4.0 / 8 * 100)
    assert extractor.calls == [1, 8]  # the first call warms up
    with pytest.raises(DataError, match="at least one image"):
        seconds_for(extractor, 100, images[:0])
