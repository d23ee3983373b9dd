"""Files of a listing become one array, and every file that cannot be read is named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from equipoise.data.images.listing import ListedImage, Listing, list_images
from equipoise.data.images.loading import load
from equipoise.data.images.options import ReadOptions
from equipoise.exceptions import DataError

RNG = np.random.default_rng(0)


def listing_of(root: Path) -> Listing:
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    return list_images(
        root, [ListedImage(file=file, label=file.split("/")[0], patient=file) for file in files]
    )


def write(root: Path, n: int = 3, *, shape: tuple[int, ...] = (24, 20)) -> Path:
    for name in ("ill", "well"):
        (root / name).mkdir(parents=True)
        for i in range(n):
            Image.fromarray(RNG.integers(0, 256, size=shape, dtype=np.uint8)).save(
                root / name / f"{i}.png"
            )
    return root


def options(**settings: object) -> ReadOptions:
    return ReadOptions(**{"cache": "off", "size": 16, **settings})  # type: ignore[arg-type]  # the settings vary


def test_the_result_does_not_depend_on_the_number_of_threads(tmp_path: Path) -> None:
    listing = listing_of(write(tmp_path, 8))
    single, several = (load(listing, options(workers=n)).dataset for n in (1, 4))
    assert single.fingerprint == several.fingerprint
    assert single.images.shape == (16, 1, 16, 16)


def test_progress_counts_to_the_end(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    load(listing_of(write(tmp_path)), options(progress=lambda *counts: calls.append(counts)))
    assert calls == [(i + 1, 6) for i in range(6)]


def test_files_keep_their_size_if_none_is_requested(tmp_path: Path) -> None:
    root = write(tmp_path)
    images = load(listing_of(root), options(size=None)).dataset.images
    with Image.open(root / "ill/0.png") as picture:
        np.testing.assert_array_equal(images[0, 0], np.asarray(picture))


def test_sixteen_bits_are_kept(tmp_path: Path) -> None:
    for path in write(tmp_path).rglob("*.png"):
        Image.fromarray(RNG.integers(0, 4096, size=(24, 20), dtype=np.uint16)).save(path)
    images = load(listing_of(tmp_path), options()).dataset.images
    assert images.dtype == np.uint16
    assert images.max() > 255


def test_each_file_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = listing_of(write(tmp_path, 20))
    opened: list[Path] = []
    open_image = Image.open

    def spy(path: Path, **settings: Any) -> Image.Image:
        opened.append(path)
        return open_image(path, **settings)

    monkeypatch.setattr("equipoise.data.images.file.Image.open", spy)
    load(listing, options())
    assert sorted(opened) == [tmp_path / file for file in listing.files]


def test_gray_images_are_widened_when_a_color_one_follows(tmp_path: Path) -> None:
    root = write(tmp_path, 20)
    gray = load(listing_of(root), options()).dataset.images
    color = RNG.integers(0, 256, size=(24, 20, 3), dtype=np.uint8)
    Image.fromarray(color).save(root / "well/z.png")
    images = load(listing_of(root), options(workers=3)).dataset.images
    np.testing.assert_array_equal(images[:40], np.repeat(gray, 3, axis=1))
    assert np.ptp(images[40].astype(int), axis=0).max() > 0


@pytest.mark.parametrize("size", [16, None])
def test_a_mixture_is_refused_with_all_files_counted(tmp_path: Path, size: int | None) -> None:
    root = write(tmp_path, 40)
    for path in (root / "ill").iterdir():
        Image.fromarray(RNG.integers(0, 4096, size=(24, 20), dtype=np.uint16)).save(path)
    with pytest.raises(DataError, match=r"16 bits \(40 files.* 8 bits \(40 files"):
        load(listing_of(root), options(size=size))


def break_two(root: Path) -> None:
    (root / "ill/0.png").write_text("no image")
    (root / "well/1.png").write_bytes((root / "well/1.png").read_bytes()[:200])


def test_all_unreadable_files_are_named_at_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    break_two(write(tmp_path))
    expected = r"2 of 6 .* ill/0.png: .*not a PNG.*well/1.png: .*damaged.*--on-error skip"
    with pytest.raises(DataError, match=expected):
        load(listing_of(tmp_path), options())
    assert capfd.readouterr() == ("", "")


def test_unreadable_files_may_be_skipped(tmp_path: Path) -> None:
    break_two(write(tmp_path))
    loaded = load(listing_of(tmp_path), options(on_error="skip"))
    assert loaded.dataset.ids.tolist() == ["ill/1.png", "ill/2.png", "well/0.png", "well/2.png"]
    assert loaded.dataset.groups.tolist() == [1, 2, 3, 5]
    assert [text.split(":")[0] for text in loaded.skipped] == ["ill/0.png", "well/1.png"]
    with Image.open(tmp_path / "well/2.png") as picture:
        unresized = load(listing_of(tmp_path), options(on_error="skip", size=None)).dataset
        np.testing.assert_array_equal(unresized.images[3, 0], np.asarray(picture))


def test_a_class_that_skipping_leaves_too_small_is_refused(tmp_path: Path) -> None:
    break_two(write(tmp_path, 2))
    with pytest.raises(DataError, match=r"ill.* \(1\)"):
        load(listing_of(tmp_path), options(on_error="skip"))


def test_nothing_to_read_is_an_error_also_when_skipping(tmp_path: Path) -> None:
    for path in write(tmp_path).rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="6 of 6 images"):
        load(listing_of(tmp_path), options(on_error="skip"))


def test_color_files_that_are_gray_become_gray(tmp_path: Path) -> None:
    root = write(tmp_path)
    for path in (root / "ill").iterdir():
        with Image.open(path) as picture:
            picture.convert("RGB").save(path)
    loaded = load(listing_of(root), options())
    assert loaded.dataset.images.shape == (6, 1, 16, 16)
    assert any("three equal channels" in note for note in loaded.notes)
    assert load(listing_of(root), options(channels="rgb")).dataset.images.shape == (6, 3, 16, 16)


def test_one_color_file_makes_all_color(tmp_path: Path) -> None:
    root = write(tmp_path)
    Image.fromarray(RNG.integers(0, 256, size=(24, 20, 3), dtype=np.uint8)).save(root / "ill/0.png")
    loaded = load(listing_of(root), options())
    assert loaded.dataset.images.shape == (6, 3, 16, 16)
    assert any(note.startswith("5 of 6 files are gray") for note in loaded.notes)


def test_constant_images_are_noted_although_padding_hides_them(tmp_path: Path) -> None:
    root = write(tmp_path)
    Image.new("L", (20, 24), 9).save(root / "ill/0.png")
    notes = load(listing_of(root), options()).notes
    assert any("(1): " in note and "ill/0.png" in note for note in notes)


def test_an_orientation_behind_the_pixels_is_noticed(tmp_path: Path) -> None:
    root = write(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(root / "ill/0.png") as picture:
        picture.save(root / "ill/0.png", exif=exif)
    content = (root / "ill/0.png").read_bytes()
    start = content.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(content[start : start + 4], "big")
    tail = content[end:-12]
    (root / "ill/0.png").write_bytes(content[:start] + tail + content[start:end] + content[-12:])
    with pytest.raises(DataError, match=r"ill/0.png: .*orientation.*--size"):
        load(listing_of(root), options(size=None))
    assert load(listing_of(root), options()).dataset.images.shape == (6, 1, 16, 16)
