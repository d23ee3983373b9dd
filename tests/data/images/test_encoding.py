"""What is written is read back value for value, by the reader that reads everything else."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from equipoise.arrays import Images
from equipoise.data.images.decoding import decode
from equipoise.data.images.encoding import encode, suffix_for
from equipoise.exceptions import DataError

NOTE = "equipoise 0.3.0, dcgan, seed 4, index 17"
KINDS = [("uint8", 1), ("uint8", 3), ("uint16", 1), ("uint16", 3), ("float32", 1)]


def noise(dtype: str, channels: int, side: int = 9) -> Images:
    rng = np.random.default_rng(3)
    if dtype == "float32":
        return rng.normal(0, 1e4, size=(channels, side, side + 2)).astype(np.float32)
    top = np.iinfo(dtype).max
    image = rng.integers(0, top, size=(channels, side, side + 2), dtype=dtype, endpoint=True)
    image[:, 0, :2] = (0, top)
    return image


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
def test_every_kind_comes_back_value_for_value(dtype: str, channels: int, tmp_path: Path) -> None:
    image = noise(dtype, channels)
    path = tmp_path / f"image{suffix_for(image[None])}"
    path.write_bytes(encode(image, NOTE))
    read = decode(path)
    assert read.dtype == image.dtype
    np.testing.assert_array_equal(read, image)
    assert encode(image, NOTE) == path.read_bytes()


@settings(deadline=None)
@given(image=arrays(np.float32, (1, 4, 5), elements=st.floats(-998, 998, width=32)))
def test_any_float_comes_back_bit_for_bit(
    image: Images, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "float.tiff"
    path.write_bytes(encode(image, NOTE))
    assert decode(path).tobytes() == image.tobytes()


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
def test_each_file_is_marked_as_synthetic(dtype: str, channels: int, tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(encode(noise(dtype, channels), NOTE))
    with Image.open(path) as image:
        if dtype == "float32":
            assert image.tag_v2[270] == f"synthetic: {NOTE}"  # type: ignore[attr-defined]  # of TIFF files
        else:
            assert image.info["synthetic"] == NOTE
        image.load()  # checks every chunk's checksum


def test_arrays_without_a_file_format_are_refused() -> None:
    with pytest.raises(DataError, match="gray float32"):
        suffix_for(np.zeros((2, 3, 8, 8), np.float32))
    with pytest.raises(DataError, match="slices"):
        suffix_for(np.zeros((2, 1, 8, 8, 8), np.uint8))
