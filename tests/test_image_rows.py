"""Images by reference read like the arrays that they stand for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from equipoise.arrays import content_key, fingerprint, value_range
from equipoise.image_rows import (
    ImageArray,
    ImageRows,
    blocks,
    by_reference,
    copies_up_to,
    joined,
    select,
)

ROWS = st.lists(st.integers(0, 11), min_size=1, max_size=30)


def films(n: int = 12, start: int = 0) -> NDArray[np.uint8]:
    images: NDArray[np.uint8] = np.arange(start, start + n * 4, dtype=np.uint8)
    return images.reshape(n, 1, 2, 2)


@given(first=ROWS, second=ROWS, extra=st.integers(1, 3))
def test_rows_of_rows_are_those_of_the_array(
    first: list[int], second: list[int], extra: int
) -> None:
    images = by_reference(films())
    array = films()[first]
    rows = images.selected(np.array(first))
    both = joined([rows, films(extra, start=100)])
    whole = np.concatenate([array, films(extra, start=100)])
    assert isinstance(both, ImageRows)
    assert np.array_equal(np.asarray(both), whole)
    assert (both.shape, both.dtype, both.nbytes, len(both)) == (
        whole.shape,
        whole.dtype,
        whole.nbytes,
        len(whole),
    )
    chosen = np.array(second) % len(both)
    assert np.array_equal(both.selected(chosen)[:], whole[chosen])
    assert fingerprint(both) == fingerprint(whole)
    assert (both.min(), both.max()) == (whole.min(), whole.max())
    assert value_range(both) == value_range(whole)


@pytest.mark.parametrize(
    "key",
    [
        3,
        -1,
        slice(2, 9, 3),
        [4, 4, 0],
        np.empty(0, dtype=np.int64),
        slice(12, None),
        np.zeros(12, dtype=bool),
        np.arange(12) % 2 == 0,
        (slice(0, 3), 0),
        (2, 0, 1),
        (..., 1),
    ],
    ids=str,
)
def test_a_key_gives_what_it_gives_of_an_array(key: Any) -> None:
    rows = joined([by_reference(films(7)), films(5, start=28)])
    assert np.array_equal(rows[key], films()[key])
    assert np.array_equal(np.stack(list(rows)), films())


def test_what_is_returned_is_a_copy() -> None:
    images = films()
    by_reference(images)[:4][:] = 0
    assert np.array_equal(images, films())


def test_few_images_are_copied_and_many_are_not() -> None:
    rows = by_reference(films())
    assert isinstance(select(rows, slice(0, 5)), np.ndarray)
    with copies_up_to(19):
        assert isinstance(select(rows, slice(0, 5)), ImageRows)
        assert isinstance(select(rows, slice(0, 4)), np.ndarray)
        assert isinstance(select(films(), slice(0, 5)), np.ndarray)  # arrays stay arrays
    assert isinstance(select(rows, slice(0, 5)), np.ndarray)
    assert isinstance(joined([films(), films()]), np.ndarray)


def test_blocks_are_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", films())
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    monkeypatch.setattr("equipoise.image_rows.BLOCK", 20)
    assert list(map(len, blocks(by_reference(mapped)))) == [5, 5, 2]
    assert np.array_equal(np.concatenate(list(blocks(mapped))), films())


def test_pixels_are_hashed_once_for_all_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[int] = []

    def counted(images: Any) -> Any:
        hashed.append(len(images))
        return blocks(images)

    monkeypatch.setattr("equipoise.image_rows.blocks", counted)
    monkeypatch.setattr("equipoise.arrays.MOST_COPIED", 0)
    whole = by_reference(films())
    parts = [whole.selected([0, 1]), whole.selected([1, 0]), joined([whole, films(2, start=90)])]
    keys = {content_key(part, "settings") for part in (whole, *parts)}
    assert len(keys) == 4
    assert hashed == [12, 2]
    assert content_key(films()) == fingerprint(films())  # arrays have the keys that they had


def test_a_limit_of_copies_changes_no_key() -> None:
    with copies_up_to(0):
        rows = select(by_reference(films()), slice(0, 5))
    assert isinstance(rows, ImageRows)
    assert content_key(rows) == content_key(films()[:5])


def test_keys_distinguish_content_shape_and_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("equipoise.arrays.MOST_COPIED", 0)
    images = np.zeros((3, 1, 2, 2), dtype=np.uint8)
    changed = images.copy()
    changed[1, 0, 1, 1] = 1
    others = (images, changed, images.reshape(3, 1, 1, 4), images.view(np.bool_), images[:2])
    keys = {content_key(by_reference(other)) for other in others}
    assert len(keys) == len(others)
    stored = ImageArray(images, digests=by_reference(images).digests)
    assert content_key(by_reference(stored)) in keys
