"""Metrics of stored predictions, of synthetic images, and statistics."""

from .base import Metric, Predictions
from .calibration import ece, fit_temperature, reliability, wilson
from .classic_tests import corrected_t, mcnemar, signed_ranks
from .classification import METRICS, auprcs, aurocs, f1_scores, precisions, recalls, specificities
from .delong import compare_areas
from .fidelity import fid, kid, prdc
from .lesions import count_lesions
from .memorization import authenticity, copying_score, membership, nearness_ratio
from .operating import at_least_cost, at_recall
from .priors import correct_priors, fit_priors
from .rank_tests import average_ranks, critical_difference, friedman
from .segmentation import SEGMENTATION_METRICS, dice, ppv, sensitivity
from .similarity import ms_ssim
from .statistics import detectable_difference, holm, paired_test
from .surface import surface_distances
from .thresholds import best_threshold
from .two_sample import two_sample_test

__all__ = [
    "METRICS",
    "SEGMENTATION_METRICS",
    "Metric",
    "Predictions",
    "at_least_cost",
    "at_recall",
    "auprcs",
    "aurocs",
    "authenticity",
    "average_ranks",
    "best_threshold",
    "compare_areas",
    "copying_score",
    "correct_priors",
    "corrected_t",
    "count_lesions",
    "critical_difference",
    "detectable_difference",
    "dice",
    "ece",
    "f1_scores",
    "fid",
    "fit_priors",
    "fit_temperature",
    "friedman",
    "holm",
    "kid",
    "mcnemar",
    "membership",
    "ms_ssim",
    "nearness_ratio",
    "paired_test",
    "ppv",
    "prdc",
    "precisions",
    "recalls",
    "reliability",
    "sensitivity",
    "signed_ranks",
    "specificities",
    "surface_distances",
    "two_sample_test",
    "wilson",
]
