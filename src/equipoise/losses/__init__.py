"""Losses for imbalanced classes, by name; one file for each family."""

from equipoise.losses.base import LossFactory
from equipoise.losses.cross_entropy import CLASS_WEIGHTS, CROSS_ENTROPY

LOSSES: dict[str, LossFactory] = {factory.name: factory for factory in (CROSS_ENTROPY, CLASS_WEIGHTS)}
