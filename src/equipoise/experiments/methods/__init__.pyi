"""Methods by name."""

from .catalogue import METHODS, build_methods
from .method import Method
from .regimes import REGIMES
from .segmentation import VOLUME_METHODS, build_volume_methods

__all__ = [
    "METHODS",
    "REGIMES",
    "VOLUME_METHODS",
    "Method",
    "build_methods",
    "build_volume_methods",
]
