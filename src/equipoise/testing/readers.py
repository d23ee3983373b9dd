"""The contract of every reader of images, as checks on a small source of its kind.

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

from equipoise.data.images.options import Loaded, ReaderCard, ReadOptions
from equipoise.exceptions import DataError
from equipoise.testing.probes import refusal


class AnySource(Protocol):
    """A source as the checks shared by readers of images and of volumes see it."""

    @property
    def reader(self) -> ModuleType:
        """The module under test."""

    @property
    def spoil(self) -> Callable[[], str]:
        """Damage a file of the source and return the name that the error must contain."""

    def read(self) -> Any:
        """Read the source."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A small source on disk, its contents, and a way to damage it.

    Attributes:
        reader: The module under test, with `CARD`, `recognizes` and `read`.
        path: The path that a user gives; the reader recognizes it.
        options: Options with which it is read.
        counts: Number of images of each class, in the order of the classes.
        dtype: Storage type of the images.
        spoil: Damages a file and returns the name that the error must contain.
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
    """The card contains the name of the module and an example of its use."""
    card = source.reader.CARD
    assert isinstance(card, ReaderCard)
    assert card.name == source.reader.__name__.rpartition(".")[2]
    assert card.summary
    assert card.example.startswith("equipoise run ")


def recognizes_its_source(source: Source) -> None:
    """The reader recognizes its own source, and no missing path."""
    assert source.reader.recognizes(source.path, source.options) is True
    assert source.reader.recognizes(source.path / "nowhere", ReadOptions()) is False


def ids_are_unique(source: Source) -> None:
    """Ids are text, unique, and do not contain the folder of the source."""
    ids = source.read().dataset.ids
    assert ids.dtype.kind == "U"
    assert len(set(ids.tolist())) == len(ids)
    assert not any(str(source.path.parent) in name for name in ids.tolist())


def counts_are_those_of_the_source(source: Source) -> None:
    """No image is lost, added or moved to another class."""
    dataset = source.read().dataset
    assert dict(zip(dataset.class_names, dataset.counts.tolist(), strict=True)) == source.counts


def storage_type_is_kept(source: Source) -> None:
    """Images have shape (n, c, h, w) and the type in which they are stored."""
    images = source.read().dataset.images
    assert images.dtype == source.dtype
    assert images.ndim == 4


def size_is_respected(source: Source) -> None:
    """Every image gets the requested size."""
    size = 12
    loaded = source.reader.read(source.path, ReadOptions(**{**vars(source.options), "size": size}))
    assert loaded.dataset.images.shape[2:] == (size, size)
    assert loaded.dataset.images.dtype == source.dtype


def groups_are_numbers(source: AnySource) -> None:
    """Patients are the numbers 0, 1, ..., never names."""
    dataset = source.read().dataset
    assert dataset.groups.dtype == np.int64
    assert dataset.groups.min() == 0
    assert len(np.unique(dataset.groups)) == dataset.groups.max() + 1


def split_has_valid_parts(source: AnySource) -> None:
    """The split of a source has no part but train, validation and test."""
    loaded = source.read()
    if loaded.source_split is not None:
        assert loaded.source_split.shape == (len(loaded.dataset),)
        assert set(loaded.source_split.tolist()) <= {"", "train", "validation", "test"}


def reading_twice_gives_the_same(source: Source) -> None:
    """The result depends on the source only."""
    first = source.read()
    second = source.read()
    assert first.dataset.fingerprint == second.dataset.fingerprint
    assert (first.notes, first.skipped) == (second.notes, second.skipped)


def errors_name_the_file(source: AnySource) -> None:
    """A damaged file raises a `DataError` that names it."""
    name = source.spoil()
    message = refusal(source.read, DataError, otherwise=f"{name} is damaged")
    assert name in message, message


CHECKS = (
    card_is_complete,
    recognizes_its_source,
    ids_are_unique,
    counts_are_those_of_the_source,
    storage_type_is_kept,
    size_is_respected,
    groups_are_numbers,
    split_has_valid_parts,
    reading_twice_gives_the_same,
    errors_name_the_file,
)
