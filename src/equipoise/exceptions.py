"""The errors that equipoise raises: what was expected, what was received, how to fix it."""

from collections.abc import Mapping, Sequence


class EquipoiseError(Exception):
    """Base of all errors that a user can cause and fix; the command line prints no traceback."""


class DataError(EquipoiseError, ValueError):
    """Images, labels or files are not what was expected."""


class ListingError(DataError):
    """The files of a source are not as expected, although their classes can be read.

    Attributes:
        class_names: The classes.
        class_of: File -> class, where folders are the classes; else None.
    """

    def __init__(
        self,
        message: str,
        class_names: Sequence[str],
        class_of: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.class_names = tuple(class_names)
        self.class_of = class_of


class DamagedFileError(DataError):
    """A stored file is not as it was written, or cannot be read."""


class NoStartError(DataError):
    """A class has no image near other classes, where a borderline method could start."""


class LeakageError(EquipoiseError, ValueError):
    """Information would leak from test or validation images into training."""


class SettingError(EquipoiseError, ValueError):
    """An argument is unknown or out of range."""


class MissingPackageError(EquipoiseError, ImportError):
    """A package of an extra is not installed."""


class WeightsError(EquipoiseError, RuntimeError):
    """Pretrained weights are missing, damaged, or do not match the network."""


class StaleRunError(EquipoiseError, RuntimeError):
    """A run folder was created with settings that differ from the requested ones."""


class DivergedError(EquipoiseError, FloatingPointError):
    """A loss became NaN or infinite."""


class CollapseError(EquipoiseError, RuntimeError):
    """A generator stopped learning: its critic won, or all its images look the same."""


class CrowdedDeviceError(EquipoiseError, MemoryError):
    """The memory of a device is too small for a cell while others are trained on it."""


class ReleaseError(EquipoiseError, RuntimeError):
    """Synthetic images may not be released: they copy or reveal training images."""
