"""All methods for volumes by name, and how to build them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from imblearn.pipeline import Pipeline
from sklearn.base import BaseEstimator

from equipoise.discovery import Family, pick
from equipoise.experiments.methods.method import check_names
from equipoise.experiments.protocol import VolumeBudget

if TYPE_CHECKING:
    from equipoise.estimators.segmenter import Segmenter

STEP = "segment"


@dataclass(frozen=True, kw_only=True)
class VolumeMethod:
    """A named way of segmenting.

    Attributes:
        name: What users type; also a folder name.
        summary: One line for `equipoise list`.
        segmenter: Builds the segmenter.
    """

    name: str
    summary: str
    segmenter: Callable[[VolumeBudget], BaseEstimator]

    def build(self, budget: VolumeBudget) -> Pipeline:
        """Build the pipeline of one segmenter."""
        return Pipeline([(STEP, self.segmenter(budget))])


def make_segmenter(budget: VolumeBudget, sampler: str = "balanced", **settings: Any) -> "Segmenter":
    """Build a segmenter within a budget; `settings` are those that the method is about."""
    from equipoise.estimators.patches.table import PATCH_SAMPLERS
    from equipoise.estimators.segmenter import Segmenter

    patch_sampler = pick(PATCH_SAMPLERS, sampler, "patch sampler")
    if hasattr(patch_sampler, "candidates"):
        patch_sampler = replace(patch_sampler, candidates=budget.candidates)  # type: ignore[type-var]  # all are dataclasses
    dense = settings.get("mode") == "dense"
    segmenter = Segmenter(
        width=budget.width,
        patch_size=budget.patch_size,
        n_steps=budget.n_steps,
        epoch_steps=budget.epoch_steps,
        evaluate_every=budget.epoch_steps,
        batch_size=budget.dense_batch_size if dense else budget.batch_size,
        learning_rate=budget.learning_rate,
        n_slices=budget.n_slices,
        precision=budget.precision,
        device=budget.device,
        patch_sampler=patch_sampler,
    )
    segmenter.set_params(**settings)
    return segmenter


def patch_method(name: str, summary: str, sampler: str, **settings: Any) -> VolumeMethod:
    """Return the method of one segmenter with a patch sampler and other settings."""
    return VolumeMethod(
        name=name,
        summary=summary,
        segmenter=lambda budget: make_segmenter(budget, sampler, **settings),
    )


def cascade(budget: VolumeBudget) -> BaseEstimator:
    """Build a cascade of two segmenters that spend half of the steps each."""
    from equipoise.estimators.cascade import CascadeSegmenter

    half = replace(budget, n_steps=max(1, budget.n_steps // 2))
    return CascadeSegmenter(
        detect=make_segmenter(half), divide=make_segmenter(half), device=budget.device
    )


_METHODS = (
    patch_method("random", "Patches around random voxels of the brain (paper S3).", "random"),
    patch_method("balanced", "As many patches of each class (paper S3).", "balanced"),
    patch_method(
        "hard_example",
        "As balanced; voxels that the network got wrong or was unsure of first.",
        "hard_example",
    ),
    patch_method(
        "hard_negative",
        "As balanced; healthy tissue that was mistaken for tumor comes first.",
        "hard_negative",
    ),
    patch_method(
        "foreground", "A third of the patches around tumor voxels (nnU-Net).", "foreground"
    ),
    patch_method(
        "class_weights",
        "Random patches; the loss weighs every class alike.",
        "random",
        loss="class_weights",
    ),
    patch_method(
        "balanced_corrected",
        "As balanced; predictions are corrected for class shares, by a strength tuned on "
        "validation.",
        "balanced",
        prior_correction=True,
    ),
    patch_method(
        "hard_example_corrected",
        "As hard_example; predictions are corrected for the class shares.",
        "hard_example",
        prior_correction=True,
    ),
    VolumeMethod(
        name="cascade",
        summary="One network finds the tumor, another divides it; half of the steps each.",
        segmenter=cascade,
    ),
    patch_method("unet_random", "U-Net on all pixels of random patches.", "random", mode="dense"),
    patch_method(
        "unet_balanced", "U-Net on all pixels of balanced patches.", "balanced", mode="dense"
    ),
    patch_method(
        "unet_foreground", "U-Net, a third of the patches around tumor.", "foreground", mode="dense"
    ),
    patch_method("unet_dice", "U-Net with the Dice loss.", "foreground", mode="dense", loss="dice"),
    patch_method(
        "unet_ce_dice",
        "U-Net, cross-entropy plus Dice (nnU-Net).",
        "foreground",
        mode="dense",
        loss="ce_dice",
    ),
    patch_method(
        "unet_tversky",
        "U-Net with the focal Tversky loss.",
        "foreground",
        mode="dense",
        loss="focal_tversky",
    ),
)
VOLUME_METHODS: dict[str, VolumeMethod] = {method.name: method for method in _METHODS}
FAMILY = Family(
    name="volume_methods",
    summary="Ways of drawing patches of volumes: --methods with --task segmentation.",
    members=VOLUME_METHODS,
)


def build_volume_methods(names: Iterable[str], budget: VolumeBudget) -> dict[str, Pipeline]:
    """Build methods by name, in the order of the names.

    Raises:
        SettingError: A name is unknown or repeated, or there is none.
    """
    names = check_names(names, VOLUME_METHODS)
    return {name: pick(VOLUME_METHODS, name, "method for volumes").build(budget) for name in names}
