"""Options of all readers of images, and what a reader returns."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from numbers import Integral
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from equipoise.atomic import JsonFields, JsonValue
from equipoise.data.dataset import ImageDataset
from equipoise.data.images.resizing import FILTERS, FITS
from equipoise.discovery import unknown
from equipoise.exceptions import SettingError

SIDES = (8, 1024)  # pixels
CHANNELS = ("auto", "gray", "rgb")
ON_ERROR = ("stop", "skip")
NOT_STORED = (
    "workers",
    "cache",
    "progress",
    "check_patients",
)  # options that do not change what is read
LATER = ("ignore", "follow_links")  # not stored at their defaults, as in older runs
COLUMN_ROLES = ("path", "label", "group", "split")


@dataclass(frozen=True, kw_only=True)
class ReaderCard:
    """Name, summary and example of a reader, for `equipoise list readers`."""

    name: str
    summary: str
    example: str


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    r"""How images are read; the same for every reader.

    Attributes:
        size: Side in pixels of the square that images are resized to, 8 to 1024; None keeps the
            size of the files, which must then be the same for all.
        fit: "pad" keeps the aspect and fills with black, "crop" keeps it and takes the central
            square, "stretch" changes it. See `equipoise.data.images.resizing`.
        filter: Resampling filter: "bicubic", "lanczos", "bilinear", "area" or "nearest"; all but
            the last antialias.
        channels: "gray", "rgb", or "auto": gray if every file is gray, where a color file with
            three equal channels throughout counts as gray, and otherwise rgb.
        groups: Regular expression, searched in the path of a file relative to its class folder (the
            whole path as written, for a table). Its first group, or else the whole match, is the
            patient: r"(patient\d+)".
        table: CSV with one row per image; paths are relative to the images' folder.
        path_column: Its column of paths; found by name if None (path, file, image, ...).
        label_column: Its column of classes; found by name if None (label, class, target, ...).
        group_column: Its column of patients; found by name if None (Patient ID, subject, lesion_id,
            ...; see `equipoise.data.patient_columns.patient_column`). "none" is no column.
        split_column: Its column of train, validation, test; found by name if None (split, ...).
            "none" is no column.
        ignore: Patterns of files and folders to leave out, such as "*_mask.*" or "masks"; see
            `equipoise.data.walking.walk`.
        follow_links: Whether links may lead out of the images' folder.
        on_error: "stop" at files that cannot be decoded, or "skip" them; either way all of them are
            named.
        workers: Decoding threads; one per core if None.
        cache: Folder of decoded images; "auto" is $EQUIPOISE_CACHE or the user's cache folder,
            "off" or None is none.
        progress: Called with (files done, files in all); anything it writes to standard error is
            lost.

    Raises:
        SettingError: A name is not known, a number is out of range, `groups` is not a regular
            expression, or `ignore` is not a tuple of patterns.

    Example:
        >>> ReadOptions(size=64, groups=r"(patient\d+)").fit
        'pad'
    """

    size: int | None = None
    fit: str = "pad"
    filter: str = "bicubic"
    channels: str = "auto"
    groups: str | None = None
    table: Path | str | None = None
    path_column: str | None = None
    label_column: str | None = None
    group_column: str | None = None
    split_column: str | None = None
    ignore: tuple[str, ...] = ()
    follow_links: bool = False
    on_error: str = "stop"
    workers: int | None = None
    cache: Path | str | None = "auto"
    progress: Callable[[int, int], None] | None = None

    def __post_init__(self) -> None:
        choices = {"fit": FITS, "filter": FILTERS, "channels": CHANNELS, "on_error": ON_ERROR}
        for name, available in choices.items():
            value = getattr(self, name)
            if value not in available:
                raise SettingError(unknown(value, available, name))
        is_number = isinstance(self.size, Integral)
        if self.size is not None and not (is_number and SIDES[0] <= self.size <= SIDES[1]):
            raise SettingError(
                f"Expected a size from {SIDES[0]} to {SIDES[1]} pixels, got {self.size!r}."
            )
        if self.workers is not None and self.workers < 1:
            raise SettingError(f"Expected at least 1 worker, got {self.workers}.")
        if self.groups is not None and self.group_column is not None:
            raise SettingError(
                "Expected patients from groups or from group_column, got both. Leave one out."
            )
        check_groups(self.groups)
        check_ignore(self.ignore)

    @classmethod
    def from_json(cls, value: JsonFields) -> Self:
        """Build the options from the object that `to_json` returned."""
        return cls(**{**value, "ignore": tuple(value.get("ignore", ()))})

    def to_json(self) -> dict[str, JsonValue]:
        """Return every option that changes what is read, as a JSON object.

        Example:
            >>> ReadOptions(size=64, workers=2).to_json()["size"]
            64
        """
        values: dict[str, JsonValue] = {}
        for option in fields(self):
            value = getattr(self, option.name)
            is_later = option.name in LATER and value == option.default
            if option.name not in NOT_STORED and not is_later:
                values[option.name] = str(value) if isinstance(value, Path) else value
        if self.ignore:
            values["ignore"] = list(self.ignore)
        return values

    def refuse_columns(self, reader: str) -> None:
        """Check that no column is named, for a reader that has no table.

        Raises:
            SettingError: A column is named.
        """
        for role in COLUMN_ROLES:
            if getattr(self, f"{role}_column") is not None:
                raise SettingError(
                    f"{role}_column (--{role}-column) names a column of a table, and the {reader} "
                    "reader has none. Give the table (--table FILE.csv), or leave the column out."
                )


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A dataset as it was read.

    Attributes:
        dataset: The images; those of single files are sorted by id.
        source_split: (n,) "train", "validation", "test", or "" if the source does not say; None if
            it never does.
        skipped: "file: reason" for each file that could not be decoded, with on_error="skip".
        notes: Sentences for the report: what was assumed, converted or left out.
        options: How it was read; None where no reader did.
    """

    dataset: ImageDataset
    source_split: NDArray[np.str_] | None = field(default=None, repr=False)
    skipped: tuple[str, ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = field(default=(), repr=False)
    options: ReadOptions | None = field(default=None, repr=False)


def check_groups(groups: str | None) -> None:
    """Check that the pattern of patients is a regular expression.

    Raises:
        SettingError: It is not.
    """
    try:
        re.compile(groups or "")
    except re.error as error:
        raise SettingError(
            f"Expected a regular expression for groups (--groups), got {groups!r}: {error}. "
            r"For example, 'patient(\d+)' finds 12 in patient12_b.png."
        ) from error


def check_ignore(patterns: tuple[str, ...]) -> None:
    """Check that the patterns of files to leave out are a tuple of strings that are not empty.

    Raises:
        SettingError: They are not.
    """
    is_tuple = isinstance(patterns, tuple)
    if not is_tuple or not all(isinstance(pattern, str) and pattern for pattern in patterns):
        raise SettingError(
            f"Expected a tuple of patterns in ignore (--ignore), got {patterns!r}. "
            "For example, ignore=('*_mask.*',)."
        )
