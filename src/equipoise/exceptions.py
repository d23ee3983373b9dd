"""Every error that equipoise raises on purpose: what was expected, what came, how to fix it."""


class EquipoiseError(Exception):
    """Base of all errors that a user can cause and mend; the command line prints them without a traceback."""


class DataError(EquipoiseError, ValueError):
    """Images, labels or files are not what was expected."""


class NoStartError(DataError):
    """A class has no image from which a method that looks for its border could start."""


class LeakageError(EquipoiseError, ValueError):
    """Information would cross from the test or validation images into training."""


class SettingError(EquipoiseError, ValueError):
    """An argument is unknown or out of range."""


class WeightsError(EquipoiseError, RuntimeError):
    """Pretrained weights are missing, damaged or do not fit the network."""


class StaleRunError(EquipoiseError, RuntimeError):
    """A run folder was made with other settings than those asked for now."""


class DivergedError(EquipoiseError, FloatingPointError):
    """A loss became NaN or infinite."""


class CollapseError(EquipoiseError, RuntimeError):
    """A generator stopped learning: its critic won, or all its images are alike."""


class ReleaseError(EquipoiseError, RuntimeError):
    """Synthetic images may not be released: they repeat patients' images, or betray who was in training."""
