"""Headers of image files, reasons of unreadable ones, and silence while files are decoded."""

import os
import struct
import warnings
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from equipoise.data.images.decoding import decode
from equipoise.data.images.file import Header, UnreadableError, quiet, read_header
from equipoise.exceptions import DataError

RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 256, size=(40, 30), dtype=np.uint8)


def save(path: Path, pixels: NDArray[Any] = GRAY, **settings: Any) -> Path:
    Image.fromarray(pixels).save(path, **settings)
    return path


def empty(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def text(path: Path) -> Path:
    path.write_text("not an image")
    return path


def truncated_png(path: Path) -> Path:
    path.write_bytes(save(path).read_bytes()[:600])
    return path


def truncated_jpeg(path: Path) -> Path:
    save(path, format="JPEG")
    path.write_bytes(path.read_bytes()[:700])
    return path


def truncated_tiff(path: Path) -> Path:
    save(path, format="TIFF")
    path.write_bytes(path.read_bytes()[:500])
    return path


def truncated_compressed_tiff(path: Path) -> Path:
    save(path, format="TIFF", compression="tiff_lzw")
    content = bytearray(path.read_bytes())
    content[40:200] = bytes(160)
    path.write_bytes(content)
    return path


def tiff_with_an_empty_frame(path: Path) -> Path:
    content = bytearray(save(path, format="TIFF").read_bytes())
    (n_tags,) = struct.unpack("<H", content[8:10])
    end = 10 + 12 * n_tags
    content[end : end + 4] = struct.pack("<I", len(content))  # where the next frame lies
    path.write_bytes(content + bytes(6))
    return path


def deep_cmyk(path: Path) -> Path:
    Image.new("CMYK", (8, 8)).save(path, format="TIFF")
    eight, sixteen = struct.pack("<4H", *[8] * 4), struct.pack("<4H", *[16] * 4)
    path.write_bytes(path.read_bytes().replace(eight, sixteen))
    return path


def one_pixel(path: Path) -> Path:
    return save(path, GRAY[:1, :1])


def two_frames(path: Path) -> Path:
    Image.fromarray(GRAY).save(
        path, format="TIFF", save_all=True, append_images=[Image.fromarray(GRAY)]
    )
    return path


def nan_tiff(path: Path) -> Path:
    pixels = GRAY.astype(np.float32)
    pixels[3, 3] = np.nan
    return save(path, pixels, format="TIFF")


def signed_tiff(path: Path) -> Path:
    return save(path, GRAY.astype(np.int32), format="TIFF")


def bomb(path: Path) -> Path:
    """A PNG of 60 bytes that claims 12,000 x 12,000 pixels."""
    head = struct.pack(">IIBBBBB", 12_000, 12_000, 8, 2, 0, 0, 0)
    return _png(path, head)


def huge_bomb(path: Path) -> Path:
    return _png(path, struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0))


def real_bomb(path: Path) -> Path:
    """A PNG of some 400 kB that is one: transparent, 10,000 x 10,000."""
    rows = zlib.compressobj()
    body = b"".join(rows.compress(bytes(1 + 40_000)) for _ in range(10_000)) + rows.flush()
    return _png(path, struct.pack(">IIBBBBB", 10_000, 10_000, 8, 6, 0, 0, 0), body)


def tiled_bomb(path: Path) -> Path:
    save(path, format="TIFF")
    return retag(path, {322: 60_000, 323: 60_000})


def signed_bytes(path: Path) -> Path:
    return retag(save(path, format="TIFF"), {339: 2})


def undefined_numbers(path: Path) -> Path:
    return retag(save(path, format="TIFF"), {339: 4})


def white_is_zero_float(path: Path) -> Path:
    return retag(save(path, GRAY.astype(np.float32), format="TIFF"), {262: 0})


def no_photometric(path: Path) -> Path:
    return retag(save(path, format="TIFF"), {262: None})


def no_data(path: Path, value: float, dtype: type = np.float32) -> Path:
    pixels: NDArray[Any] = GRAY.astype(dtype)
    pixels[3, :2] = value
    return save(path, pixels, format="TIFF")


def web_page(path: Path) -> Path:
    path.write_text("\n<!DOCTYPE html><title>404</title>")
    return path


def gif(path: Path) -> Path:
    return save(path, format="GIF")


def float_color(path: Path) -> Path:
    cv2 = pytest.importorskip("cv2", reason="OpenCV writes this TIFF")
    cv2.imwrite(str(path.with_suffix(".tif")), np.zeros((8, 8, 3), np.float32))
    return path.with_suffix(".tif").rename(path)


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def absent(path: Path) -> Path:
    return path


def retag(path: Path, tags: dict[int, int | None]) -> Path:
    """Replace tags of a little-endian TIFF, add new ones, or remove them (None)."""
    content = path.read_bytes()
    (place,) = struct.unpack_from("<I", content, 4)
    (n,) = struct.unpack_from("<H", content, place)
    entries = {}
    for i in range(n):
        entry = content[place + 2 + 12 * i : place + 14 + 12 * i]
        entries[struct.unpack_from("<H", entry)[0]] = entry
    for tag, value in tags.items():
        entries.pop(tag, None)
        if value is not None:
            entries[tag] = struct.pack("<HHII", tag, 4, 1, value)
    table = b"".join(entry for _, entry in sorted(entries.items()))
    header = content[:4] + struct.pack("<I", len(content))
    path.write_bytes(header + content[8:] + struct.pack("<H", len(entries)) + table + bytes(4))
    return path


def _png(path: Path, head: bytes, body: bytes = zlib.compress(b"")) -> Path:
    chunks = ((b"IHDR", head), (b"IDAT", body), (b"IEND", b""))
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


BAD: dict[Callable[[Path], Path], str] = {
    empty: "empty",
    text: "not a PNG",
    truncated_png: "damaged",
    truncated_jpeg: "damaged",
    truncated_tiff: "damaged",
    truncated_compressed_tiff: "damaged",
    tiff_with_an_empty_frame: "damaged",
    deep_cmyk: "16-bit CMYK color",
    one_pixel: "1 x 1 pixels",
    two_frames: "2 frames",
    nan_tiff: "NaN",
    signed_tiff: "signed",
    bomb: "more than 256 MiB of pixels",
    huge_bomb: "more than 256 MiB of pixels",
    real_bomb: "more than 256 MiB of pixels",
    tiled_bomb: "more than 256 MiB of pixels",
    signed_bytes: "signed",
    undefined_numbers: "a TIFF of a kind",
    white_is_zero_float: "0 is white",
    no_photometric: "black or white",
    web_page: "a web page",
    gif: "a GIF",
    float_color: "a TIFF of a kind",
    partial(no_data, value=-9999): "-9999 in 2 pixels",
    partial(no_data, value=float(np.finfo(np.float32).min)): "-3.40282e+38 in 2 pixels",
    partial(no_data, value=1e20): "1e+20 in 2 pixels",
    partial(no_data, value=65535, dtype=np.uint16): "65535 in 2 pixels",
    folder: "Is a directory",
    absent: "No such file",
}


def name_of(make: Callable[[Path], Path]) -> str:
    """Return a name of what writes a bad file, the same in every process."""
    if isinstance(make, partial):
        return "-".join(map(str, make.keywords.values()))
    return make.__name__


@pytest.mark.parametrize("make", BAD, ids=name_of)
def test_bad_file_is_named_with_its_reason_and_nothing_else_is_printed(
    make: Callable[[Path], Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = make(tmp_path / "film.png")
    with quiet(), pytest.raises(UnreadableError, match=r"film\.png") as caught:
        decode(path)
    assert BAD[make] in caught.value.reason
    assert caught.value.reason.endswith(".")
    assert "film.png" not in caught.value.reason.replace(str(path), "")
    assert capfd.readouterr() == ("", "")


def test_header_has_the_upright_size(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path / "turned.jpg", GRAY, exif=exif)
    assert read_header(path) == Header(1, np.dtype(np.uint8), 30, 40, False)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    data=st.data(),
    name=st.sampled_from(["f.png", "f.jpg", "f.bmp", "f.tif", "lzw.tif", "deep.png"]),
)
def test_any_damage_yields_an_image_or_a_data_error(
    data: st.DataObject, name: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    if name == "lzw.tif":
        save(path, compression="tiff_lzw")
    else:
        save(path, GRAY.astype(np.uint16) * 257 if "deep" in name else GRAY)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    with quiet():
        try:
            n_channels = len(decode(path))
        except DataError:
            n_channels = 0
    assert n_channels in (0, 1, 3)


# ---- quiet ----


def test_standard_error_is_muted_and_comes_back(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet():
        os.write(2, b"noise of a library\n")
    os.write(2, b"message of the program\n")
    assert capfd.readouterr().err == "message of the program\n"


def test_standard_error_comes_back_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), quiet():
        raise KeyError
    os.write(2, b"message of the program\n")
    assert capfd.readouterr().err == "message of the program\n"


def test_other_warnings_are_not_silenced() -> None:
    with quiet(), pytest.warns(UserWarning, match="not Pillow's"):
        warnings.warn("not Pillow's", stacklevel=1)


def test_a_program_without_standard_error_can_be_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.__stderr__", None)
    with quiet():
        inside = True
    assert inside
