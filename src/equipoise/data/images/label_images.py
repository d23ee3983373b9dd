"""Find label images among images by what they contain, whatever they are called.

A mask has few values, or a color for each region, and it has the size of its image. Classes whose
images are all like this are drawings, and honest; where only some are, they are labels of others.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from equipoise.arrays import Images
from equipoise.data.images.file import Header
from equipoise.data.images.listing import first_few
from equipoise.data.walking import ignore_options, is_ignored

SAMPLED = 128  # pixels along a side that are looked at
COARSE = 17  # of these pixels one, where more values than a label image has show soon
MOST_VALUES = 4  # of a label image
NEAR = 10  # gray levels that compression moves a value
APART = 64  # gray levels between the values of a mask that was compressed
LEAST_AREA = 0.02  # of the pixels that have the second value of a compressed mask
SOME, NEARLY_ALL = 0.2, 0.8  # shares of a class
FEWEST = 3  # label images that are no accident
FEWEST_PAIRS = 8  # images of two classes whose sizes are the same


def looks_like_labels(pixels: Images) -> bool:
    """Return whether an image (c, h, w) has 2 to 4 values, as they are or before compression.

    Example:
        >>> mask = np.zeros((1, 16, 16), dtype=np.uint8)
        >>> mask[:, 4:9, 4:9] = 255
        >>> looks_like_labels(mask), looks_like_labels(np.arange(256).reshape(1, 16, 16))
        (True, False)
    """
    steps = [max(1, side // SAMPLED) for side in pixels.shape[1:]]
    sample = pixels[:, :: steps[0], :: steps[1]].reshape(len(pixels), -1)
    if sample.dtype == np.uint8 and len(sample) == 1:
        histogram = _histogram(sample)
        n_values = len(histogram) - histogram.count(0)
        return n_values > 1 and (n_values <= MOST_VALUES or _has_few_peaks(histogram))
    n_values = _count_values(sample[:, ::COARSE])
    if n_values <= MOST_VALUES:
        n_values = _count_values(sample)
    if n_values <= MOST_VALUES:
        return n_values > 1
    if sample.dtype != np.uint8:
        return False
    return _has_few_peaks(_histogram(sample.max(axis=0, keepdims=True)))


def _count_values(sample: Images) -> int:
    """Return the number of different colors or gray levels of some pixels (c, n)."""
    colors = sample[0]
    if len(sample) > 1:  # integers, of 16 bits at most
        colors = np.tensordot(1 << np.array([32, 16, 0]), sample.astype(np.int64), axes=1)
    return len(np.unique(colors))


def _histogram(gray: Images) -> list[int]:
    """Return the number of pixels of each of 256 levels in (h, w) uint8.

    Pillow counts bytes as they are; `np.bincount` would make each of them eight.
    """
    return Image.fromarray(gray).histogram()


def _has_few_peaks(histogram: Sequence[int]) -> bool:
    """Return whether 2 to 4 gray levels that are far apart have nearly all pixels around them."""
    remaining = list(histogram)
    n_pixels = sum(remaining)
    levels: list[int] = []
    areas: list[float] = []
    for _ in range(MOST_VALUES):
        level = remaining.index(max(remaining))
        start, end = max(0, level - NEAR), min(level + NEAR + 1, len(remaining))
        levels.append(level)
        areas.append(sum(remaining[start:end]) / n_pixels)
        remaining[start:end] = [0] * (end - start)
        if len(levels) == 2 and (abs(levels[0] - level) < APART or areas[1] < LEAST_AREA):
            return False
    rest = sum(remaining) / n_pixels
    return areas[1] >= 2 * rest


def class_problems(
    label_like: Sequence[str], class_of: Mapping[str, str], headers: Mapping[str, Header]
) -> tuple[str, ...]:
    """Return what is wrong about label images and other versions of images among the classes.

    Args:
        label_like: Files that look like labels.
        class_of: File -> class, of all files.
        headers: File -> its header.
    """
    sizes: dict[str, list[tuple[int, int]]] = {}
    for file, name in class_of.items():
        sizes.setdefault(name, []).append((headers[file].height, headers[file].width))
    problems = (label_images_problem(label_like, class_of), paired_classes_problem(sizes))
    return tuple(filter(None, problems))


def label_images_problem(label_like: Sequence[str], class_of: Mapping[str, str]) -> str:
    """Return what is wrong if label images are among images of the classes; "" if nothing is.

    Args:
        label_like: Files that look like labels.
        class_of: File -> class, of all files.

    Example:
        >>> class_of = {f"{name}/{i}.png": name for name in ("ill", "x") for i in range(9)}
        >>> problem = label_images_problem([f"x/{i}.png" for i in range(9)], class_of)
        >>> "--ignore x" in problem
        True
    """
    sizes = Counter(class_of.values())
    shares = dict.fromkeys(sizes, 0.0)
    for file in label_like:
        shares[class_of[file]] += 1 / sizes[class_of[file]]
    are_drawings = min(shares.values(), default=0) >= NEARLY_ALL
    if are_drawings or max(shares.values(), default=0) < SOME or len(label_like) < FEWEST:
        return ""
    counts = []
    for name, share in shares.items():
        if share >= SOME:
            counts.append(f"{round(share * sizes[name]):,} of {sizes[name]:,} in '{name}'")
    pattern = pattern_of(label_like, class_of) or "PATTERN"
    return (
        f"{len(label_like):,} images have 2 to {MOST_VALUES} values only, as masks and label "
        f"images have ({first_few(counts)}; such as {first_few(label_like, 2)}). Leave them out "
        f"with ignore ({ignore_options([pattern])})."
    )


def pattern_of(files: Sequence[str], everything: Iterable[str]) -> str:
    """Return a pattern that leaves out some files and no others, "" if none is found.

    Example:
        >>> pattern_of(["a/LBL1.png", "b/LBL2.png"], ["a/IMG1.png", "a/LBL1.png", "b/LBL2.png"])
        'LBL*'
    """
    example = PurePosixPath(files[0])
    patterns = list(example.parts[:-1])
    if beginning := re.match(r"[A-Za-z]+[\W_]?", example.stem):
        patterns.append(f"{beginning[0]}*")
    for ending in re.finditer(r"[\W_][A-Za-z]", example.stem):
        patterns.append(f"*{example.stem[ending.start() :]}.*")
    for pattern in patterns:
        if {file for file in everything if is_ignored(file, [pattern])} == set(files):
            return pattern
    return ""


def paired_classes_problem(sizes: Mapping[str, Sequence[tuple[int, int]]]) -> str:
    """Return what is wrong if the images of two classes have the same sizes one to one, else "".

    Args:
        sizes: Class -> height and width of each image.

    Example:
        >>> sizes = [(20 + i, 30) for i in range(9)]
        >>> "'a' and 'b'" in paired_classes_problem({"a": sizes, "b": sizes})
        True
    """
    for first, second in combinations(sizes, 2):
        common = Counter(sizes[first]) & Counter(sizes[second])
        n = max(len(sizes[first]), len(sizes[second]))
        is_varied = len(common) >= max(FEWEST_PAIRS, n / 2)
        if is_varied and common.total() >= 0.9 * n:
            return (
                f"'{first}' and '{second}' have images of the same {len(common):,} sizes, one to "
                "one, as images and their masks or other versions have. Leave one out with ignore "
                f"({ignore_options([second])})."
            )
    return ""
