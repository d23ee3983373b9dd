"""What is compared."""

from . import methods

__all__ = ["methods"]
