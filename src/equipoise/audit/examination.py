"""`examine`: everything that decides a release, for every command that asks whether one may be."""

from dataclasses import dataclass
from pathlib import Path

from equipoise.arrays import Labels, value_range
from equipoise.audit.quality import QualityAudit, measure_quality
from equipoise.audit.report import Audit, audit
from equipoise.data.dataset import ImageDataset
from equipoise.features.base import Extractor
from equipoise.features.choosing import choose_extractors, make_extractor
from equipoise.image_rows import ImageSource

# Untrained: a classifier fits its own training images better than held-out ones, and its memory
# would pass for the generator's.
EXTRACTOR = "random"


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What was measured of synthetic images.

    Attributes:
        audit: Copies of training images, and traces of who was in training.
        quality: How easily they are distinguished from real ones.
    """

    audit: Audit
    quality: QualityAudit


def examine(
    train: ImageDataset,
    held_out: ImageDataset | None,
    images: ImageSource,
    labels: Labels,
    *,
    features: Extractor | None = None,
    device: str = "auto",
    cache: Path | None = None,
) -> Examination:
    """Search for copies and for traces of training patients, and measure quality.

    `equipoise audit` and `equipoise generate` both decide by this function, so that they decide
    alike about the same images.

    Args:
        train: Real images that the generator was trained on.
        held_out: Real images of other patients; None where there are none.
        images: (n, c, h, w) synthetic images of the same kind.
        labels: (n,) their classes.
        features: Extractor of the search for copies and traces, in whose features quality is
            measured too, unless it is a classifier, which has seen the real images and not the
            synthetic ones; None for an untrained network.
        device: Where to compute.
        cache: Folder of features, by content.

    Raises:
        DataError: See `equipoise.audit.report.audit`.
        LeakageError: See there.
    """
    span = value_range(train.images)
    also = [] if features is None or features.name == "classifier" else [features]
    extractors, notes = choose_extractors(span, device=device, also=also)
    extractor = features or make_extractor(EXTRACTOR, device=device, span=span)
    return Examination(
        audit=audit(train, held_out, images, labels, extractor, cache=cache),
        quality=measure_quality(
            train, held_out, images, labels, extractors, notes=notes, cache=cache
        ),
    )
