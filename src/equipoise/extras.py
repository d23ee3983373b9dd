"""Packages that are not installed with equipoise itself, but with one of its extras."""

from importlib import import_module
from typing import Any

from equipoise.exceptions import MissingPackageError


def import_extra(module: str, extra: str, purpose: str) -> Any:
    """Import a package where it is used.

    Args:
        module: Its name in Python.
        extra: The extra of equipoise that installs it.
        purpose: What needs it, to begin a sentence with.

    Raises:
        MissingPackageError: It, or a package that it imports, is not installed.

    Example:
        >>> import_extra("json", "volumes", "This example").dumps([1])
        '[1]'
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"{purpose} needs the package {error.name}, which is not installed. "
            f"Install it: pip install 'equipoise[{extra}]'"
        ) from error


def import_itk() -> Any:
    """Import SimpleITK, which reads NIfTI files, writes volumes and corrects bias fields.

    Raises:
        MissingPackageError: It is not installed.
    """
    return import_extra("SimpleITK", "volumes", "A NIfTI file, a label map or a bias field")
