"""Classifiers and segmenters."""

from . import patches
from .cascade import CascadeSegmenter
from .classifier import ImageClassifier
from .frozen.classifier import FrozenClassifier
from .loading import load_classifier
from .presets import PRESETS
from .segmenter import Segmenter

__all__ = [
    "PRESETS",
    "CascadeSegmenter",
    "FrozenClassifier",
    "ImageClassifier",
    "Segmenter",
    "load_classifier",
    "patches",
]
