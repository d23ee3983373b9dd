"""All extractors of features by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from equipoise.discovery import Family
from equipoise.features import dinov2, imagenet, inception, pixels, random_network
from equipoise.features.base import Extractor


@dataclass(frozen=True, kw_only=True)
class Member:
    """An extractor that can be had.

    Attributes:
        summary: One line for lists.
        source: Where it is from.
        dimension: Length of a feature vector; None where it depends on the network.
        make: Makes it from `weights` (only where there are `files`), `device` and `span`; None where it is made of
            a fitted classifier.
        files: Names of its weights, as looked for in the folder $EQUIPOISE_WEIGHTS.
    """

    summary: str
    source: str
    dimension: int | None
    make: Callable[..., Extractor] | None
    files: tuple[str, ...] = ()


EXTRACTORS: Mapping[str, Member] = {
    "classifier": Member(
        summary="What goes into the last layer of a classifier trained on the real images; needs no download.",
        source="Methods 7.2; `equipoise.audit.in_domain`.",
        dimension=None,
        make=None,
    ),
    "inception": Member(
        summary="The Inception of the standard FID, 299 px; slow without a graphics card.",
        source="TensorFlow graph of 2015-12-05 (Heusel et al. 2017), resized as torch-fidelity does.",
        dimension=inception.DIMENSION,
        make=inception.inception,
        files=inception.FILES,
    ),
    "imagenet": Member(
        summary="MobileNetV2 trained on ImageNet, 224 px.",
        source="Sandler et al. 2018, torchvision's first weights.",
        dimension=imagenet.DIMENSION,
        make=imagenet.imagenet,
        files=imagenet.FILES,
    ),
    "dinov2": Member(
        summary="DINOv2 ViT-S/14, learned without labels, 224 px; needs the package transformers.",
        source="Oquab et al. 2023, facebook/dinov2-small.",
        dimension=dinov2.DIMENSION,
        make=dinov2.dinov2,
        files=dinov2.FILES,
    ),
    "random": Member(
        summary="A small network with fixed random weights, 64 px; needs no download.",
        source="Methods 7.2; after Naeem et al. 2020.",
        dimension=random_network.DIMENSION,
        make=random_network.random_network,
    ),
    "pixels": Member(
        summary="The pixels at 16 px, each image standardized; needs no download.",
        source="Methods 7.3.",
        dimension=pixels.DIMENSION,
        make=pixels.pixels,
    ),
}
FAMILY = Family(
    name="extractors",
    summary="Feature extractors of images: --extractor of `equipoise audit`.",
    members=EXTRACTORS,
)
