"""What headers show before pixels are decoded, and what completes a refusal."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.data.images import outline as module
from equipoise.data.images.options import ReadOptions
from equipoise.data.images.outline import pixel_faults
from equipoise.data.reading import outline


def films(root: Path, *, deep: int = 0) -> Path:
    for name in ("ill", "well"):
        (root / name).mkdir(parents=True)
        for i in range(4):
            Image.new("L", (12, 10), i).save(root / name / f"{i}.png")
    for i in range(deep):
        Image.fromarray(np.full((9, 9), i, dtype=np.uint16)).save(root / "ill" / f"deep{i}.png")
    return root


def test_sizes_are_no_fault_but_depths_are_with_the_option(tmp_path: Path) -> None:
    seen = outline(films(tmp_path / "in", deep=2), ReadOptions())
    assert seen is not None
    assert seen.shapes.tolist() == [[1, 10, 12]] * 4 + [[1, 9, 9]] * 2 + [[1, 10, 12]] * 4
    (fault,) = seen.faults
    assert "16 bits (2 files" in fault
    assert "(--ignore ill/deep0.png --ignore ill/deep1.png)" in fault


def test_headers_that_cannot_be_read_are_collected(tmp_path: Path) -> None:
    root = films(tmp_path / "in")
    (root / "ill/0.png").write_bytes(b"<html>")
    seen = outline(root, ReadOptions())
    assert seen is not None
    assert list(seen.unreadable) == ["ill/0.png"]
    assert len(seen.shapes) == 7


def test_a_bounded_number_of_files_completes_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = films(tmp_path / "in")
    files = [f"ill/{i}.png" for i in range(4)]
    for file in files[1:]:
        (root / file).write_bytes((root / file).read_bytes()[:45])
    (fault,) = pixel_faults(root, files, ReadOptions())
    assert fault.startswith("Cannot read 3 of 4 images")
    assert pixel_faults(root, files, ReadOptions(on_error="skip")) == []
    monkeypatch.setattr(module, "MOST_TRIED", 2)
    (fault,) = pixel_faults(root, files, ReadOptions())
    assert fault.startswith("Cannot read 1 of 2 images")
    monkeypatch.setattr(module, "MOST_BYTES", 1)
    assert pixel_faults(root, files, ReadOptions()) == []


def test_masks_complete_a_refusal_where_folders_are_classes(tmp_path: Path) -> None:
    """They are recognized by their pixels; a file in no class folder is no reason to fail."""
    root = films(tmp_path / "in")
    generator = np.random.default_rng(0)
    for name in ("ill", "well"):
        for i in range(4):
            pixels = generator.integers(0, 256, (12, 10), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.png")
            mask = 255 * (pixels > 99).astype(np.uint8)
            (root / "region").mkdir(exist_ok=True)
            Image.fromarray(mask).save(root / "region" / f"{name}{i}.png")
    Image.fromarray(mask).save(root / "overview.png")
    seen = outline(root, ReadOptions())
    assert seen is not None
    listing = seen.listing
    files = [*listing.files, "overview.png"]
    (fault,) = pixel_faults(root, files, ReadOptions(), listing.class_of)
    assert "8 of 8 in 'region'" in fault
    assert "--ignore region" in fault
    assert pixel_faults(root, files, ReadOptions()) == []
