"""Every kind of image file is decoded to (c, h, w) in its storage type, with its own values."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps
from tests.data.images.test_file import retag

from equipoise.data.images.decoding import decode, upright
from equipoise.data.images.encoding import encode
from equipoise.data.images.file import UnreadableError

RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 256, size=(9, 7), dtype=np.uint8)
COLOR = RNG.integers(0, 256, size=(9, 7, 3), dtype=np.uint8)
DEEP_GRAY = RNG.integers(0, 65536, size=(9, 7), dtype=np.uint16)
TIFF_COMPRESSION, TIFF_PREDICTOR = 259, 317  # OpenCV's settings: tags
DEEP_COLOR = RNG.integers(0, 65536, size=(9, 7, 3), dtype=np.uint16)


def first(pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    return np.moveaxis(np.atleast_3d(pixels), -1, 0)


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".bmp", ".tif", ".TIFF"])
@pytest.mark.parametrize("pixels", [GRAY, COLOR], ids=["gray", "color"])
def test_lossless_files_come_back_as_they_were(
    pixels: NDArray[np.uint8], suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"film{suffix}"
    Image.fromarray(pixels).save(path)
    decoded = decode(path)
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, first(pixels))


@pytest.mark.parametrize(("quality", "shape"), [(95, (1, 32, 24)), (95, (3, 32, 24))])
def test_jpeg_comes_back_almost_as_it_was(
    quality: int, shape: tuple[int, int, int], tmp_path: Path
) -> None:
    ramp = np.linspace(0, 255, 24, dtype=np.uint8)
    pixels = (
        np.broadcast_to(ramp, (32, 24))
        if shape[0] == 1
        else np.broadcast_to(ramp[:, None], (32, 24, 3))
    )
    Image.fromarray(np.ascontiguousarray(pixels)).save(tmp_path / "film.jpeg", quality=quality)
    decoded = decode(tmp_path / "film.jpeg")
    assert decoded.shape == shape
    assert np.abs(decoded.astype(int) - first(pixels)).max() <= 6


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("pixels", [DEEP_GRAY, DEEP_COLOR], ids=["gray", "color"])
def test_sixteen_bits_are_kept(pixels: NDArray[np.uint16], suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"film{suffix}"
    if pixels.ndim == 2:
        Image.fromarray(pixels).save(path)
    elif suffix == ".png":
        path.write_bytes(encode(pixels.transpose(2, 0, 1), "16 bits"))
    else:
        write_tiff(path, pixels, orientation=1)
    decoded = decode(path)
    assert decoded.dtype == np.uint16
    np.testing.assert_array_equal(decoded, first(pixels))


def test_big_endian_sixteen_bits_become_native(tmp_path: Path) -> None:
    Image.fromarray(DEEP_GRAY.astype(">u2")).save(tmp_path / "film.tif")
    decoded = decode(tmp_path / "film.tif")
    assert decoded.dtype.isnative
    np.testing.assert_array_equal(decoded, first(DEEP_GRAY))


def test_float_tiff_is_kept(tmp_path: Path) -> None:
    pixels = RNG.normal(size=(9, 7)).astype(np.float32)
    Image.fromarray(pixels).save(tmp_path / "film.tif")
    decoded = decode(tmp_path / "film.tif")
    assert decoded.dtype == np.float32
    np.testing.assert_array_equal(decoded, first(pixels))


@pytest.mark.parametrize("pixels", [GRAY > 99, GRAY, DEEP_GRAY], ids=["1", "8", "16"])
def test_where_zero_is_white_it_becomes_black(pixels: NDArray[np.generic], tmp_path: Path) -> None:
    """At every depth; Pillow itself leaves 16 bits as they are."""
    Image.fromarray(pixels).save(tmp_path / "plain.tif")
    Image.fromarray(pixels).save(tmp_path / "film.tif")
    plain, inverted = decode(tmp_path / "plain.tif"), decode(retag(tmp_path / "film.tif", {262: 0}))
    np.testing.assert_array_equal(inverted, np.iinfo(plain.dtype).max - plain)


def test_the_value_that_a_tiff_declares_as_no_data_is_refused(tmp_path: Path) -> None:
    pixels = GRAY.copy()
    Image.fromarray(pixels).save(tmp_path / "film.tif", tiffinfo={42113: "7"})
    pixels[pixels == 7] = 8
    Image.fromarray(pixels).save(tmp_path / "good.tif", tiffinfo={42113: "7"})
    np.testing.assert_array_equal(decode(tmp_path / "good.tif"), first(pixels))
    pixels[2, 2] = 7
    Image.fromarray(pixels).save(tmp_path / "film.tif", tiffinfo={42113: "7"})
    with pytest.raises(UnreadableError, match="7 in 1 pixel,"):
        decode(tmp_path / "film.tif")


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        (np.uint16, (0, 65535)),  # a mask
        (np.uint16, (20000, 20900, 0)),  # cut out on black
        (np.uint16, (0, 300, 4095)),
        (np.uint16, (0, 30000, 65535)),  # saturated
        (np.float32, (-1, 0, 1)),
        (np.float32, (-2000, -1024, 3071)),  # CT outside of the field of view
        (np.float32, (0, 0.001, 1)),
    ],
)
def test_ends_of_a_range_are_no_missing_pixels(
    dtype: type, values: tuple[float, ...], tmp_path: Path
) -> None:
    pixels: NDArray[Any] = np.resize(np.array(values, dtype=dtype), (8, 8))
    Image.fromarray(pixels).save(tmp_path / "film.tif")
    np.testing.assert_array_equal(decode(tmp_path / "film.tif"), first(pixels))


def test_the_content_decides_not_the_suffix(tmp_path: Path) -> None:
    Image.fromarray(GRAY).save(tmp_path / "film.bmp")
    (tmp_path / "film.bmp").rename(tmp_path / "film.jpg")
    np.testing.assert_array_equal(decode(tmp_path / "film.jpg"), first(GRAY))


def test_one_bit_becomes_black_and_white(tmp_path: Path) -> None:
    Image.fromarray(GRAY > 127).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(
        decode(tmp_path / "mask.png"), first((GRAY > 127) * np.uint8(255))
    )


def test_palette_becomes_its_colors(tmp_path: Path) -> None:
    picture = Image.fromarray(GRAY % 4).convert("P")
    picture.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120])
    picture.save(tmp_path / "cell.png")
    table = np.arange(10, 130, 10, dtype=np.uint8).reshape(4, 3)
    np.testing.assert_array_equal(decode(tmp_path / "cell.png"), first(table[GRAY % 4]))


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (255, 0, 0, 0)).save(tmp_path / "cell.tif")
    np.testing.assert_array_equal(decode(tmp_path / "cell.tif")[:, 0, 0], [0, 255, 255])


@pytest.mark.parametrize(("mode", "channels"), [("LA", 1), ("RGBA", 3)])
def test_alpha_is_composited_on_black(mode: str, channels: int, tmp_path: Path) -> None:
    pixels = np.full((8, 8, channels + 1), 200, dtype=np.uint8)
    pixels[..., -1] = 255
    pixels[2, 3, -1], pixels[4, 5, -1] = 0, 51
    Image.fromarray(pixels, mode=None).save(tmp_path / "cell.png")
    decoded = decode(tmp_path / "cell.png")
    assert decoded.shape == (channels, 8, 8)
    assert (decoded[:, 0, 0] == 200).all()
    assert (decoded[:, 2, 3] == 0).all()
    assert (decoded[:, 4, 5] == 40).all()  # 200 x 51 / 255


def test_sixteen_bit_alpha_is_composited_on_black(tmp_path: Path) -> None:
    opacity = np.full((9, 7, 1), 65535, dtype=np.uint16)
    opacity[0, 0] = 0
    pixels = np.concatenate([DEEP_COLOR, opacity], axis=-1).astype(">u2")
    write_png(tmp_path / "cell.png", pixels, color_type=6)
    expected = DEEP_COLOR.copy()
    expected[0, 0] = 0
    np.testing.assert_array_equal(decode(tmp_path / "cell.png"), first(expected))


def test_sixteen_bit_gray_with_alpha_becomes_equal_channels(tmp_path: Path) -> None:
    pixels = np.stack([DEEP_GRAY, np.full_like(DEEP_GRAY, 65535)], axis=-1).astype(">u2")
    write_png(tmp_path / "film.png", pixels, color_type=4)
    np.testing.assert_array_equal(
        decode(tmp_path / "film.png"), np.repeat(first(DEEP_GRAY), 3, axis=0)
    )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_agrees_with_pillow(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(COLOR).save(tmp_path / "film.png", exif=exif)
    with Image.open(tmp_path / "film.png") as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture))
    np.testing.assert_array_equal(upright(COLOR, orientation), expected)
    np.testing.assert_array_equal(decode(tmp_path / "film.png"), first(expected))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_sixteen_bit_color_is_rotated_upright(
    orientation: int, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"cell{suffix}"
    if suffix == ".tif":
        write_tiff(path, DEEP_COLOR, orientation)
    else:
        exif = Image.Exif()
        exif[0x0112] = orientation
        write_png(path, DEEP_COLOR.astype(">u2"), color_type=2, exif=exif.tobytes()[6:])
    np.testing.assert_array_equal(decode(path), first(upright(DEEP_COLOR, orientation)))


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize(
    ("suffix", "settings"),
    [
        (".png", []),  # filters of every kind
        (".tif", [TIFF_COMPRESSION, 1]),
        (".tif", [TIFF_COMPRESSION, 5]),
        (".tif", [TIFF_COMPRESSION, 5, TIFF_PREDICTOR, 2]),
        (".tif", [TIFF_COMPRESSION, 8]),
        (".tif", [TIFF_COMPRESSION, 32773]),
    ],
)
def test_sixteen_bit_color_agrees_with_opencv(
    suffix: str, settings: list[int], channels: int, tmp_path: Path
) -> None:
    cv2 = pytest.importorskip("cv2", reason="OpenCV writes what is read")
    ramps = np.add.outer(np.arange(70) * 900, np.arange(90) * 7)[..., None]
    noise = RNG.integers(0, 300, size=(70, 90, channels))
    pixels = (ramps + noise).astype(np.uint16)
    pixels[..., 3:] = 65535
    cv2.imwrite(str(tmp_path / f"cell{suffix}"), pixels, settings)
    np.testing.assert_array_equal(decode(tmp_path / f"cell{suffix}"), first(pixels[..., 2::-1]))


def test_alpha_that_a_tiff_has_multiplied_already_is_not_multiplied_again(tmp_path: Path) -> None:
    pixels = np.concatenate([DEEP_COLOR // 2, np.full((9, 7, 1), 32768, np.uint16)], axis=-1)
    write_tiff(tmp_path / "cell.tif", pixels, orientation=1, extra={338: 1})
    np.testing.assert_array_equal(decode(tmp_path / "cell.tif"), first(DEEP_COLOR // 2))


def test_sixteen_bit_colors_in_separate_planes_are_refused(tmp_path: Path) -> None:
    write_tiff(tmp_path / "cell.tif", DEEP_COLOR, orientation=1, extra={284: 2})
    with pytest.raises(UnreadableError, match="separate planes"):
        decode(tmp_path / "cell.tif")


def write_png(
    path: Path, pixels: NDArray[np.generic], *, color_type: int, exif: bytes = b""
) -> None:
    """Write 16-bit PNG that no library here writes: gray with alpha, or with an orientation."""
    height, width = pixels.shape[:2]
    head = struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in pixels))
    chunks = [
        (b"IHDR", head),
        *([(b"eXIf", exif)] if exif else []),
        (b"IDAT", rows),
        (b"IEND", b""),
    ]
    body = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(body))


def write_tiff(
    path: Path, pixels: NDArray[np.uint16], orientation: int, extra: dict[int, int] | None = None
) -> None:
    """Write an uncompressed 16-bit TIFF of color with an orientation and `extra` tags."""
    height, width, channels = pixels.shape
    numbers = {
        256: width, 257: height, 258: 0, 259: 1, 262: 2, 273: 0,
        274: orientation, 277: channels, 278: height, 279: pixels.nbytes,
    } | (extra or {})  # fmt: skip
    depth_at = 8 + 2 + 12 * len(numbers) + 4
    numbers |= {258: depth_at, 273: depth_at + 2 * channels}
    tags = dict(sorted(numbers.items()))
    entries = b"".join(
        struct.pack("<HHII", tag, 3, channels, value)
        if tag == 258
        else struct.pack("<HHII", tag, 4, 1, value)
        for tag, value in tags.items()
    )
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0)
    depths = struct.pack("<" + "H" * channels, *[16] * channels)
    path.write_bytes(head + depths + pixels.astype("<u2").tobytes())
