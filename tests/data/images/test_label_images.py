"""Masks among images are found by their pixels and sizes, and honest drawings are not."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.arrays import Images
from equipoise.data.images.label_images import looks_like_labels, paired_classes_problem
from equipoise.data.images.options import ReadOptions
from equipoise.data.reading import read
from equipoise.exceptions import DataError

OPTIONS = ReadOptions(cache="off", size=16)


def photograph(seed: int, side: int = 32) -> Images:
    rng = np.random.default_rng(seed)
    return rng.normal(100, 30, (side, side)).clip(0, 255).astype(np.uint8)


def mask(seed: int, value: int = 255, side: int = 32) -> Images:
    pixels = np.zeros((side, side), dtype=np.uint8)
    pixels[4 + seed % 5 : 20, 6 : 20 + seed % 7] = value
    return pixels


def write(path: Path, pixels: Images) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def as_jpeg(pixels: Images) -> Images:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=70)
    return np.asarray(Image.open(buffer))


def test_label_images_are_recognized_in_every_form() -> None:
    codes = np.arange(4, dtype=np.uint8).reshape(2, 2).repeat(16, 0).repeat(16, 1)
    colors = np.stack([mask(1), mask(2, 128), mask(1, 0)])
    wide = mask(1).repeat(8, 0).repeat(8, 1)
    for pixels in (mask(0)[None], mask(0, 1)[None], codes[None], colors, as_jpeg(wide)[None]):
        assert looks_like_labels(pixels)
        assert looks_like_labels(pixels.astype(np.uint16)) or pixels.max() > 250
    assert looks_like_labels(mask(0)[None].astype(np.float32))


def test_images_are_not_taken_for_labels() -> None:
    dark = (photograph(1) // 16)[None]
    scan = np.where(mask(1) > 0, photograph(2), 0).astype(np.uint8)[None]
    bright_text = np.maximum(photograph(3) // 2, mask(0, 255) * (photograph(4) > 150))[None]
    ramp = np.tile(np.arange(32, dtype=np.uint16) * 900, (32, 1))[None]
    color = np.stack([photograph(5), photograph(6), photograph(7)])
    for pixels in (photograph(0)[None], dark, scan, bright_text, ramp, color):
        assert not looks_like_labels(pixels)
    assert not looks_like_labels(np.zeros((1, 8, 8), dtype=np.uint8))


@pytest.mark.parametrize(
    ("file", "option"),
    [
        ("tissue/t{}.png", "--ignore tissue"),
        ("ill/roi/{}.png", "--ignore roi"),
        ("ill/LBL{}.png", "--ignore 'LBL*'"),
        ("well/{}_net.png", "--ignore '*_net.*'"),
    ],
)
def test_masks_among_images_stop_with_the_option_and_a_table_is_believed(
    file: str, option: str, tmp_path: Path
) -> None:
    for name in ("ill", "well"):
        for i in range(9):
            write(tmp_path / name / f"{name}{i}.png", photograph(i + len(name)))
    for i in range(6):
        write(tmp_path / file.format(i), mask(i))
    with pytest.raises(DataError) as refused:
        read(tmp_path, OPTIONS)
    assert option in str(refused.value)
    pattern = option.split(" ", 1)[1].strip("'")
    assert len(read(tmp_path, ReadOptions(cache="off", size=16, ignore=(pattern,))).dataset) == 18
    lines = [f"{path.relative_to(tmp_path)},{path.parent.name}" for path in tmp_path.rglob("*.png")]
    (tmp_path / "all.csv").write_text("\n".join(["file,label", *lines]))
    loaded = read(tmp_path / "all.csv", OPTIONS)
    assert len(loaded.dataset) == 24
    assert any("6 images have 2 to 4 values" in note for note in loaded.notes)


def test_drawings_in_every_class_and_a_few_blank_images_are_read(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for i in range(6):
            write(tmp_path / "drawings" / name / f"{i}.png", mask(i + len(name)))
            write(tmp_path / "films" / name / f"{i}.png", photograph(i))
    write(tmp_path / "films" / "a" / "test_pattern.png", mask(1))
    assert len(read(tmp_path / "drawings", OPTIONS).dataset) == 12
    assert len(read(tmp_path / "films", OPTIONS).dataset) == 13


def test_classes_of_paired_sizes_are_named() -> None:
    sizes = [(30 + i, 40 + i % 3) for i in range(12)]
    assert "--ignore y" in paired_classes_problem({"x": sizes, "y": sizes[::-1]})
    assert paired_classes_problem({"x": sizes, "y": [(64, 64)] * 12}) == ""
    assert paired_classes_problem({"x": [(64, 64)] * 12, "y": [(64, 64)] * 12}) == ""
    assert paired_classes_problem({"x": sizes, "y": [(h + 1, w) for h, w in sizes]}) == ""
