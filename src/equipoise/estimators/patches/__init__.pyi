"""Samplers of training patches."""

from .balanced import BalancedPatches
from .base import PatchBatch, PatchSampler, VoxelSample
from .foreground import ForegroundPatches
from .hard_example import HardExamplePatches
from .hard_negative import HardNegativePatches
from .pool import VoxelPool
from .random import RandomPatches
from .table import PATCH_SAMPLERS

__all__ = [
    "PATCH_SAMPLERS",
    "BalancedPatches",
    "ForegroundPatches",
    "HardExamplePatches",
    "HardNegativePatches",
    "PatchBatch",
    "PatchSampler",
    "RandomPatches",
    "VoxelPool",
    "VoxelSample",
]
