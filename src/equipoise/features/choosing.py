"""Build an extractor by name, with weights from a file, $EQUIPOISE_WEIGHTS or their address."""

import os
from collections.abc import Sequence
from pathlib import Path

from equipoise.arrays import ValueRange
from equipoise.discovery import pick
from equipoise.exceptions import SettingError, WeightsError
from equipoise.features.base import Extractor
from equipoise.features.table import EXTRACTORS
from equipoise.networks.weight_files import FOLDER

# Extractors in whose features quality is measured.
ALWAYS = ("random", "spectrum")
PRETRAINED = ("imagenet", "dinov2", "inception")  # the first whose weights are at hand: by cost


def make_extractor(
    name: str,
    *,
    weights: str | Path | None = None,
    device: str = "auto",
    span: ValueRange | None = None,
) -> Extractor:
    """Build an extractor of `EXTRACTORS`.

    Args:
        name: Its name. Use `equipoise.audit.in_domain` for "classifier".
        weights: A local file (for dinov2 a folder). None searches the folder $EQUIPOISE_WEIGHTS,
            then downloads the official file.
        device: "auto", or the name of a device.
        span: The values of black and white: `arrays.value_range` of the real training images.
            Required for 16-bit and float images; the same for all images that will be compared.

    Raises:
        SettingError: No such extractor or device, or weights for an extractor that has none.
        WeightsError: The weights cannot be downloaded or do not fit; the message says what to do.

    Example:
        >>> make_extractor("random", device="cpu").dimension
        512
    """
    record = pick(EXTRACTORS, name, "extractor")
    if record.build is None:
        raise SettingError(
            f"The extractor '{name}' is built from a fitted classifier: use "
            "equipoise.audit.in_domain.in_domain(classifier), or train_in_domain(images, labels, "
            "seed=0). Here, choose another one, such as 'random'."
        )
    if record.files:
        return record.build(weights or find_weights(record.files), device=device, span=span)
    if weights is not None:
        raise SettingError(
            f"Expected no weights for the extractor '{name}', which has none, got {weights}."
        )
    return record.build(device=device, span=span)


def find_weights(files: tuple[str, ...]) -> Path | None:
    """Find the first of these files in the folder $EQUIPOISE_WEIGHTS.

    Returns:
        Its path; None where the variable is not set or the folder has none of them.

    Raises:
        WeightsError: The folder does not exist.
    """
    folder = os.environ.get(FOLDER)
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise WeightsError(
            f"Expected a folder of weights at {folder} (${FOLDER}), found none. Unset or correct "
            "the variable."
        )
    for file in files:
        if (Path(folder) / file).exists():
            return Path(folder) / file
    return None


def choose_extractors(
    span: ValueRange, *, device: str = "auto", also: Sequence[Extractor] = ()
) -> tuple[list[Extractor], tuple[str, ...]]:
    """Choose the extractors in whose features quality is measured.

    Always a random network and the radial spectrum, which need no training and cannot have learned
    to ignore a fault; the first of `PRETRAINED` whose weights lie in $EQUIPOISE_WEIGHTS, never a
    download; and those of `also`, if they are others.

    Args:
        span: `arrays.value_range` of the real training images.
        device: Where to compute.
        also: Extractors that the caller has, such as that of a classifier.

    Returns:
        The extractors, and notes on weights that could not be used.
    """
    extractors = [make_extractor(name, device=device, span=span) for name in ALWAYS]
    notes: list[str] = []
    given = {extractor.name for extractor in also}
    try:
        for name in PRETRAINED:
            weights = find_weights(EXTRACTORS[name].files)
            if weights is not None and not given & set(PRETRAINED):
                extractors.append(make_extractor(name, weights=weights, device=device, span=span))
                break
    except WeightsError as error:
        notes.append(f"Quality was measured without pretrained features. {error}")
    for extractor in also:
        if extractor.name not in ALWAYS:
            extractors.append(extractor)
    return extractors, tuple(notes)
