"""Common shape and type of files, conversion of images, and the notes about it."""

import numpy as np
import pytest

from equipoise.arrays import Images
from equipoise.data.images.conversion import (
    Target,
    agree,
    conform,
    describe,
    describe_constant,
    is_constant,
    is_gray,
)
from equipoise.data.images.file import Header
from equipoise.data.images.options import ReadOptions
from equipoise.exceptions import DataError

UINT8, UINT16, FLOAT32 = (np.dtype(t) for t in (np.uint8, np.uint16, np.float32))
FILM = Header(1, UINT8, 40, 30, alpha=False)
COLOR = FILM._replace(channels=3)


def named(*headers: Header) -> dict[str, Header]:
    return {f"{i}.png": header for i, header in enumerate(headers)}


@pytest.mark.parametrize(
    ("channels", "headers", "expected"),
    [
        ("auto", (FILM, FILM), 1),
        ("auto", (FILM, COLOR), 3),
        ("gray", (COLOR, COLOR), 1),
        ("rgb", (FILM, FILM), 3),
    ],
)
def test_channels_follow_the_policy(
    channels: str, headers: tuple[Header, ...], expected: int
) -> None:
    target = agree(named(*headers), ReadOptions(size=16, channels=channels))
    assert target == Target(expected, UINT8, 16, 16)


def test_without_a_size_the_common_one_is_kept() -> None:
    assert agree(named(FILM, FILM), ReadOptions()) == Target(1, UINT8, 40, 30)


def test_several_sizes_are_refused_if_none_is_requested() -> None:
    headers = named(FILM, FILM, FILM._replace(height=41))
    with pytest.raises(DataError, match=r"2 sizes.* 30 x 40 and 30 x 41 \(2\.png\).*--size 64"):
        agree(headers, ReadOptions())


@pytest.mark.parametrize(("dtype", "words"), [(UINT16, "16 bits"), (FLOAT32, "float")])
def test_several_depths_are_refused_with_the_rare_files(
    dtype: np.dtype[np.generic], words: str
) -> None:
    headers = named(FILM, FILM._replace(dtype=dtype), FILM)
    with pytest.raises(DataError, match=rf"8 bits .2 .*0.png”, “2.png”.*{words} .1 .*1.png”"):
        agree(headers, ReadOptions(size=16))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_gray_to_rgb_and_back_is_the_same(dtype: type) -> None:
    image: Images = np.random.default_rng(0).integers(0, 256, size=(1, 8, 8)).astype(dtype)
    color = conform(image, 3, ReadOptions())
    assert color.shape == (3, 8, 8)
    np.testing.assert_array_equal(conform(color, 1, ReadOptions()), image)


def test_color_becomes_gray_by_the_luma_weights() -> None:
    values = []
    for channel in range(3):
        color = np.zeros((3, 8, 8), dtype=np.uint8)
        color[channel] = 255
        values.append(conform(color, 1, ReadOptions(size=8))[0, 0, 0])
    assert values == [76, 150, 29]


def test_gray_and_constant_images_are_recognized() -> None:
    gray = (
        np.random.default_rng(0)
        .integers(0, 256, size=(2, 1, 8, 8), dtype=np.uint8)
        .repeat(3, axis=1)
    )
    assert is_gray(gray)
    assert not is_constant(gray[0])
    gray[1, 2, 3, 3] ^= 1
    assert not is_gray(gray)
    assert is_constant(np.stack([np.full((8, 8), value, dtype=np.uint8) for value in (1, 2, 3)]))


def test_notes_count_what_was_done() -> None:
    headers = named(FILM, COLOR._replace(alpha=True), FILM._replace(height=10, width=10))
    options = ReadOptions(size=16)
    notes = describe(headers, agree(headers, options), options)
    assert [note[:6] for note in notes] == ["2 of 3", "1 of 3", "2 of 3", "1 of 3"]
    for note, word in zip(notes, ("gray", "alpha", "padded", "smaller than 16"), strict=True):
        assert word in note
    gray = ReadOptions(size=10, channels="gray", fit="crop")
    note = describe(headers, agree(headers, gray), gray)[0]
    assert note.startswith("1 of 3 files are color")


def test_files_as_they_should_be_need_no_note() -> None:
    headers = named(FILM, FILM)
    assert describe(headers, agree(headers, ReadOptions()), ReadOptions()) == ()
    assert describe_constant([]) == ()


def test_constant_images_are_counted_and_named() -> None:
    (note,) = describe_constant(["a", "b"])
    assert "(2): “a”, “b”." in note


def test_the_order_of_pixels_in_memory_does_not_matter() -> None:
    color = np.random.default_rng(0).integers(0, 256, size=(200, 200, 3), dtype=np.uint8)
    view = np.moveaxis(color, -1, 0)
    whole = np.ascontiguousarray(view)
    for options in (ReadOptions(), ReadOptions(size=32), ReadOptions(size=32, fit="crop")):
        for channels in (1, 3):
            expected = conform(whole, channels, options)
            np.testing.assert_array_equal(conform(view, channels, options), expected)
