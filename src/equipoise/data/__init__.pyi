"""Images and volumes, split by patient."""

from .dataset import ImageDataset
from .duplicates import Duplicates, find_duplicates, merge_groups
from .imbalance import binary, exponential, fraction, keep, step, thin
from .phantoms.brains import write_brains
from .phantoms.datasets import cells, chest_films
from .splits import Split, hold_out, k_fold, source_splits
from .volume_dataset import Volume, VolumeDataset, load_volume

__all__ = [
    "Duplicates",
    "ImageDataset",
    "Split",
    "Volume",
    "VolumeDataset",
    "binary",
    "cells",
    "chest_films",
    "exponential",
    "find_duplicates",
    "fraction",
    "hold_out",
    "k_fold",
    "keep",
    "load_volume",
    "merge_groups",
    "source_splits",
    "step",
    "thin",
    "write_brains",
]
