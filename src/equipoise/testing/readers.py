"""What every reader must do, as checks on a small source of its kind.

@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_my_reader(check, tmp_path):
    check(my_source(tmp_path))
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from equipoise.data.images.options import Card, Loaded, ReadOptions
from equipoise.exceptions import DataError


class AnySource(Protocol):
    """What the checks that readers of images and of volumes share need to know."""

    @property
    def reader(self) -> ModuleType:
        """The module under test."""

    @property
    def spoil(self) -> Callable[[], str]:
        """Damages a file of the source and returns the name that the error must contain."""

    def read(self) -> Any:
        """Read the source."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A small source on disk, what is in it, and how to break it.

    Attributes:
        reader: The module under test, with `CARD`, `recognizes` and `read`.
        path: What a user gives; the reader recognizes it.
        options: How it is read.
        counts: Number of images of each class, in the order of the classes.
        dtype: Storage type of the images.
        spoil: Damages a file of the source and returns the name that the error must contain.
    """

    reader: ModuleType
    path: Path
    options: ReadOptions
    counts: dict[str, int]
    dtype: np.dtype[Any]
    spoil: Callable[[], str]

    def read(self) -> Loaded:
        """Read the source."""
        loaded = self.reader.read(self.path, self.options)
        assert isinstance(loaded, Loaded)
        return loaded


def card_is_complete(source: AnySource) -> None:
    """The card bears the name of the file and says how the reader is used."""
    card = source.reader.CARD
    assert isinstance(card, Card)
    assert card.name == source.reader.__name__.rpartition(".")[2]
    assert card.summary
    assert card.example.startswith("equipoise run ")


def recognizes_its_source(source: Source) -> None:
    """The reader takes its own source, and no path where nothing is."""
    assert source.reader.recognizes(source.path, source.options) is True
    assert source.reader.recognizes(source.path / "nowhere", ReadOptions()) is False


def ids_are_unique(source: Source) -> None:
    """Ids are text, no two are the same, and none shows where the source lies on this machine."""
    ids = source.read().dataset.ids
    assert ids.dtype.kind == "U"
    assert len(set(ids.tolist())) == len(ids)
    assert not any(str(source.path.parent) in name for name in ids.tolist())


def counts_are_those_of_the_source(source: Source) -> None:
    """No image is lost, invented or given to another class."""
    dataset = source.read().dataset
    assert dict(zip(dataset.class_names, dataset.counts.tolist(), strict=True)) == source.counts


def storage_type_is_kept(source: Source) -> None:
    """Images are (n, c, h, w) of the type in which they are stored."""
    images = source.read().dataset.images
    assert images.dtype == source.dtype
    assert images.ndim == 4


def size_is_obeyed(source: Source) -> None:
    """A size that is asked for is the size of every image."""
    size = 12
    loaded = source.reader.read(source.path, ReadOptions(**{**vars(source.options), "size": size}))
    assert loaded.dataset.images.shape[2:] == (size, size)
    assert loaded.dataset.images.dtype == source.dtype


def groups_are_numbers(source: AnySource) -> None:
    """Patients are whole numbers from 0, never names."""
    dataset = source.read().dataset
    assert dataset.groups.dtype == np.int64
    assert dataset.groups.min() == 0
    assert len(np.unique(dataset.groups)) == dataset.groups.max() + 1


def split_is_named(source: AnySource) -> None:
    """A source's own split has the names that `equipoise.data.splits` knows."""
    loaded = source.read()
    if loaded.source_split is not None:
        assert loaded.source_split.shape == (len(loaded.dataset),)
        assert set(loaded.source_split.tolist()) <= {"", "train", "validation", "test"}


def reading_twice_gives_the_same(source: Source) -> None:
    """The result depends on the source only."""
    once, again = source.read(), source.read()
    assert once.dataset.fingerprint == again.dataset.fingerprint
    assert (once.notes, once.skipped) == (again.notes, again.skipped)


def errors_name_the_file(source: AnySource) -> None:
    """A damaged file ends in one `DataError` that names it."""
    name = source.spoil()
    try:
        source.read()
    except DataError as error:
        message = str(error)
    else:
        raise AssertionError(f"Expected a DataError that names {name}, got none.")
    assert name in message, message


CHECKS = (
    card_is_complete,
    recognizes_its_source,
    ids_are_unique,
    counts_are_those_of_the_source,
    storage_type_is_kept,
    size_is_obeyed,
    groups_are_numbers,
    split_is_named,
    reading_twice_gives_the_same,
    errors_name_the_file,
)
