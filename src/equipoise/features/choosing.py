"""Make an extractor by name, with the weights of a file, of $EQUIPOISE_WEIGHTS or of their official address."""

import os
from pathlib import Path

from equipoise.arrays import ValueRange
from equipoise.discovery import pick
from equipoise.exceptions import SettingError, WeightsError
from equipoise.features.base import Extractor
from equipoise.features.table import EXTRACTORS

FOLDER = "EQUIPOISE_WEIGHTS"


def make_extractor(
    name: str,
    *,
    weights: str | Path | None = None,
    device: str = "auto",
    span: ValueRange | None = None,
) -> Extractor:
    """Make an extractor of `EXTRACTORS`.

    Args:
        name: Its name. "classifier" is made by `equipoise.audit.in_domain`.
        weights: A local file (for dinov2 a folder). None looks into the folder $EQUIPOISE_WEIGHTS, and then
            downloads the official file.
        device: "auto", or the name of a device.
        span: The values that stand for black and white: `arrays.value_range` of the real training images. Needed
            for 16-bit and float images; the same for all images that will be compared.

    Raises:
        SettingError: No such extractor or device, or weights for one that has none.
        WeightsError: The weights cannot be had or do not fit; says what to do.
    """
    member = pick(EXTRACTORS, name, "extractor")
    if member.make is None:
        raise SettingError(
            f"The extractor '{name}' is made of a fitted classifier: use equipoise.audit.in_domain.in_domain("
            "classifier), or train_in_domain(images, labels, seed=0). Here, choose another one, such as 'random'."
        )
    if member.files:
        return member.make(weights or found_weights(member.files), device=device, span=span)
    if weights is not None:
        raise SettingError(
            f"Expected no weights for the extractor '{name}', which has none, got {weights}."
        )
    return member.make(device=device, span=span)


def found_weights(files: tuple[str, ...]) -> Path | None:
    """Find the first of these files in the folder $EQUIPOISE_WEIGHTS; None where it is not set or has none.

    Raises:
        WeightsError: The folder does not exist.
    """
    if not (folder := os.environ.get(FOLDER)):
        return None
    if not Path(folder).is_dir():
        raise WeightsError(
            f"Expected a folder of weights at {folder} (${FOLDER}), found none. Unset or mend it."
        )
    return next((Path(folder) / file for file in files if (Path(folder) / file).exists()), None)
