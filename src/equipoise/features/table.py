"""All extractors of features by name; a new extractor is its file and a row of `EXTRACTORS`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from equipoise.discovery import Family
from equipoise.features import (
    dinov2,
    imagenet,
    inception,
    pixels,
    random_network,
    spectrum,
    statistics,
)
from equipoise.features.base import Extractor


@dataclass(frozen=True, kw_only=True)
class ExtractorRecord:
    """An extractor that can be built by name.

    Attributes:
        summary: One line for users.
        source: Author and year.
        dimension: Length of a feature vector; None where it depends on the network.
        build: Builds it from `weights` (only where there are `files`), `device` and `span`; None
            where it is built from a fitted classifier.
        files: Names of its weights in the folder $EQUIPOISE_WEIGHTS.
    """

    summary: str
    source: str
    dimension: int | None
    build: Callable[..., Extractor] | None
    files: tuple[str, ...] = ()


EXTRACTORS: Mapping[str, ExtractorRecord] = {
    "classifier": ExtractorRecord(
        summary="The input of a trained classifier's last layer; needs no download.",
        source="`equipoise.audit.in_domain`",
        dimension=None,
        build=None,
    ),
    "inception": ExtractorRecord(
        summary="The Inception of the standard FID, 299 px; slow without a graphics card.",
        source="Heusel et al. (2017), TensorFlow graph of 2015-12-05, resized as in torch-fidelity",
        dimension=inception.DIMENSION,
        build=inception.inception,
        files=inception.FILES,
    ),
    "imagenet": ExtractorRecord(
        summary="MobileNetV2 trained on ImageNet, 224 px.",
        source="Sandler et al. (2018), torchvision's first weights",
        dimension=imagenet.DIMENSION,
        build=imagenet.imagenet,
        files=imagenet.FILES,
    ),
    "dinov2": ExtractorRecord(
        summary="DINOv2 ViT-S/14, trained without labels, 224 px; needs the package transformers.",
        source="Oquab et al. (2023), facebook/dinov2-small",
        dimension=dinov2.DIMENSION,
        build=dinov2.dinov2,
        files=dinov2.FILES,
    ),
    "random": ExtractorRecord(
        summary="A small network with fixed random weights, 64 px; needs no download.",
        source="After Naeem et al. (2020)",
        dimension=random_network.DIMENSION,
        build=random_network.random_network,
    ),
    "pixels": ExtractorRecord(
        summary="The pixels at 16 px, each image standardized; needs no download.",
        source="Standardized pixels",
        dimension=pixels.DIMENSION,
        build=pixels.pixels,
    ),
    "spectrum": ExtractorRecord(
        summary="The radial power spectrum: sees noise, blur and checkerboards; no download.",
        source="After Durall et al. (2020)",
        dimension=spectrum.DIMENSION,
        build=spectrum.radial_spectrum,
    ),
    "statistics": ExtractorRecord(
        summary="Intensity statistics, an 8 px thumbnail, the radial spectrum; needs no download.",
        source="Moments and quantiles of the intensities",
        dimension=statistics.DIMENSION,
        build=statistics.intensity_statistics,
    ),
}
FAMILY = Family(
    name="extractors",
    summary="Feature extractors of images: --extractor of `equipoise audit`.",
    members=EXTRACTORS,
)
