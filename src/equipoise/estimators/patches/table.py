"""All patch samplers by name, with their default settings."""

from collections.abc import Mapping

from equipoise.discovery import Family
from equipoise.estimators.patches.balanced import BalancedPatches
from equipoise.estimators.patches.base import PatchSampler
from equipoise.estimators.patches.foreground import ForegroundPatches
from equipoise.estimators.patches.hard_example import HardExamplePatches
from equipoise.estimators.patches.hard_negative import HardNegativePatches
from equipoise.estimators.patches.random import RandomPatches

PATCH_SAMPLERS: Mapping[str, PatchSampler] = {
    "random": RandomPatches(),
    "balanced": BalancedPatches(),
    "hard_example": HardExamplePatches(),
    "hard_negative": HardNegativePatches(),
    "foreground": ForegroundPatches(),
}
FAMILY = Family(
    name="patch_samplers",
    summary="Ways of drawing the patches of a segmenter.",
    members=PATCH_SAMPLERS,
)
