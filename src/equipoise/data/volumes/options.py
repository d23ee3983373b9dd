"""Options of all readers of volumes, and what a reader returns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from equipoise.atomic import JsonFields, JsonValue
from equipoise.data.cache import cache_folder, make_cache_folder
from equipoise.data.images.options import LATER, NOT_STORED, ON_ERROR, check_groups, check_ignore
from equipoise.data.volume_dataset import VolumeDataset
from equipoise.data.volumes.labels import LABEL_SCHEMES
from equipoise.discovery import unknown
from equipoise.exceptions import SettingError

PLAIN = "plain"  # a class for each value in the label files
COLUMN_ROLES = ("case", "patient", "label", "mask", "split")


@dataclass(frozen=True, kw_only=True)
class VolumeOptions:
    r"""How volumes are read; the same for every reader.

    Attributes:
        labels: Meaning of the values in label files: a name of `LABEL_SCHEMES`, or "plain", a class
            for each value; None guesses from the values, and a note says what was guessed.
        modalities: Names of the channels, in order, as they are called after reading (FLAIR, T1,
            T1c, T2, or a file's own name); None takes those that every case has.
        table: CSV with one row per case; its paths are relative to the folder that is read.
        case_column: Its column of case names; "case" if None.
        patient_column: Its column of patients; found by name if None (see
            `equipoise.data.patient_columns.patient_column`). "none" is no column.
        label_column: Its column of label files; "label" if None.
        mask_column: Its column of brain masks; "mask" if None.
        split_column: Its column of train, validation, test; "split" if None.
        groups: Regular expression, searched in a case's name. Its first group, or else the whole
            match, is the patient; None takes the table's patients, or each case as a patient.
        ignore: Patterns of files and folders to leave out; see `equipoise.data.walking.walk`.
        follow_links: Whether links may lead out of the folder that is read.
        n4: Correct the bias field of T1 and T1c by N4; they must be raw, above 0 in the brain.
        on_error: "stop" at cases that cannot be prepared, or "skip" them; either way all of them
            are named.
        cache: Folder of prepared cases; None is $EQUIPOISE_CACHE or the user's cache folder. It
            cannot be off: volumes are read from it in pieces.
        progress: Called with (cases done, cases in all).
        check_patients: Called with the patient of every case before any is prepared; returns what
            is wrong with them, which is refused with the other faults.

    Raises:
        SettingError: A name is not known, `groups` is not a regular expression, or `ignore` is not
            a tuple of patterns.

    Example:
        >>> VolumeOptions(labels="brats2013", modalities=("FLAIR", "T1c")).n4
        False
    """

    labels: str | None = None
    modalities: tuple[str, ...] | None = None
    table: Path | str | None = None
    case_column: str | None = None
    patient_column: str | None = None
    label_column: str | None = None
    mask_column: str | None = None
    split_column: str | None = None
    groups: str | None = None
    ignore: tuple[str, ...] = ()
    follow_links: bool = False
    n4: bool = False
    on_error: str = "stop"
    cache: Path | str | None = None
    progress: Callable[[int, int], None] | None = None
    check_patients: Callable[[Sequence[str]], Sequence[str]] | None = None

    def __post_init__(self) -> None:
        schemes = (PLAIN, *LABEL_SCHEMES)
        if self.labels is not None and self.labels not in schemes:
            raise SettingError(unknown(self.labels, schemes, "label scheme"))
        if self.on_error not in ON_ERROR:
            raise SettingError(unknown(self.on_error, ON_ERROR, "on_error"))
        if self.modalities is not None and not self.modalities:
            raise SettingError(
                "Expected at least one modality, got none. Name some, or leave modalities out."
            )
        check_groups(self.groups)
        check_ignore(self.ignore)

    @classmethod
    def from_json(cls, value: JsonFields) -> Self:
        """Build the options from the object that `to_json` returned."""
        modalities = value["modalities"]
        tuples = {
            "modalities": None if modalities is None else tuple(modalities),
            "ignore": tuple(value.get("ignore", ())),
        }
        return cls(**{**value, **tuples})

    def to_json(self) -> dict[str, JsonValue]:
        """Return every option that changes what is read, as a JSON object.

        Example:
            >>> VolumeOptions(modalities=("FLAIR", "T1")).to_json()["modalities"]
            ['FLAIR', 'T1']
        """
        values: dict[str, JsonValue] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            is_later = field.name in LATER and value == field.default
            if field.name not in NOT_STORED and not is_later:
                values[field.name] = str(value) if isinstance(value, Path) else value
        if self.ignore:
            values["ignore"] = list(self.ignore)
        values["modalities"] = None if self.modalities is None else list(self.modalities)
        return values

    @property
    def prepared_folder(self) -> Path:
        """Folder of prepared cases.

        Raises:
            SettingError: The cache is off, or cannot be written.
        """
        folder = cache_folder(self.cache or "auto")
        if folder is None:
            raise SettingError(
                "Expected a cache folder, got 'off': volumes are read from it in pieces. "
                "Set EQUIPOISE_CACHE, or cache in Python, to a folder."
            )
        make_cache_folder(folder / "volumes")
        return folder / "volumes"


@dataclass(frozen=True, kw_only=True)
class RawCase:
    """The files of a case.

    Attributes:
        id: Its name: its path below the folder that is read, or its name in a table.
        patient: Name of the patient, "" if not known; it is never stored.
        images: Modality -> file.
        label_file: Label map, None for a case to predict.
        mask_file: Brain mask, or None.
        split: "train", "validation", "test", or "" if the source does not say.
    """

    id: str
    patient: str = ""
    images: Mapping[str, Path]
    label_file: Path | None
    mask_file: Path | None = None
    split: str = ""


@dataclass(frozen=True, kw_only=True)
class LoadedVolumes:
    """A dataset as it was read.

    Attributes:
        dataset: The cases, sorted by name.
        notes: Sentences for the report: what was assumed or left out.
        skipped: The reason for each case that could not be prepared, with on_error="skip".
        source_split: (n,) "train", "validation", "test" or ""; None if the source has no split.
        options: How they were read; None where no reader did.
    """

    dataset: VolumeDataset
    notes: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    source_split: NDArray[np.str_] | None = None
    options: VolumeOptions | None = None
