"""Properties of files that tell the classes apart: a model may learn them in place of the disease.

Images of a rare class often come from another source than the others: in color, of another size,
or saved in another format.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from equipoise.data.images.file import Header

MOST, FEWEST = 0.9, 0.1  # shares of a class and of all others
LEAST = 3  # images of a class
JPEG = (".jpg", ".jpeg")


def describe_coincidence(
    headers: Mapping[str, Header], classes: Sequence[str], *, is_color: bool
) -> tuple[str, ...]:
    """Return a note on the properties that nearly all files of one class have, and no others.

    Args:
        headers: File -> its header.
        classes: The class of each of these files.
        is_color: Whether color is kept.

    Example:
        >>> headers = {}
        >>> for i in range(9):
        ...     headers[f"{i}.png"] = Header(1, np.dtype(np.uint8), 30, 30 + i // 5, False)
        >>> (note,) = describe_coincidence(headers, "aaaaabbbb", is_color=False)
        >>> note[:76]
        'Class and file coincide: 5 of 5 images of a are square, of the others 0 of 4'
    """
    names = np.array(list(classes))
    facts: list[str] = []
    for text, has_it in _properties(headers, is_color=is_color).items():
        for name in sorted(set(classes)):
            inside, outside = has_it[names == name], has_it[names != name]
            if min(len(inside), len(outside)) < LEAST:
                continue
            low, high = sorted((inside.mean(), outside.mean()))
            if low <= FEWEST and high >= MOST:
                facts.append(
                    f"{inside.sum():,} of {len(inside):,} images of {name} are {text}, of the "
                    f"others {outside.sum():,} of {len(outside):,}"
                )
                break
    if not facts:
        return ()
    return (
        f"Class and file coincide: {'; '.join(facts)}. A model may tell classes by this. See "
        "whether they come from different sources.",
    )


def _properties(headers: Mapping[str, Header], *, is_color: bool) -> dict[str, NDArray[np.bool_]]:
    """Return property -> whether each file has it."""
    values: dict[str, list[bool]] = {}
    sizes = [(header.width, header.height) for header in headers.values()]
    (common, _), *_ = Counter(sizes).most_common(1)
    suffixes = [PurePosixPath(file).suffix.lower() for file in headers]
    values["square"] = [width == height for width, height in sizes]
    values[f"{common[0]} x {common[1]} px"] = [size == common for size in sizes]
    values["JPEG"] = [suffix in JPEG for suffix in suffixes]
    values["stored with transparency"] = [header.alpha for header in headers.values()]
    if is_color:
        values["in color"] = [header.channels == 3 for header in headers.values()]
    return {text: np.array(has_it) for text, has_it in values.items()}
