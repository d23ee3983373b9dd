"""Find a common shape and storage type for the files of a dataset, and convert images to it."""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, TypeVar

import numpy as np

from equipoise.arrays import Images
from equipoise.data.images.file import Header
from equipoise.data.images.options import ReadOptions
from equipoise.data.images.resizing import resize
from equipoise.data.walking import distinct_patterns, ignore_options
from equipoise.exceptions import DataError
from equipoise.names import first_names

T = TypeVar("T")
LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as Pillow's mode "L"
FEW = 0.5  # of the files of the common depth: so many others may be left out
DEPTHS = {"uint8": "8 bits", "uint16": "16 bits", "float32": "float"}
FITTED = {
    "pad": "padded with black",
    "crop": "cropped to their center",
    "stretch": "stretched, which changes their aspect",
}
CONVERTED = {1: "color and were converted to gray", 3: "gray and were given three equal channels"}


class Target(NamedTuple):
    """Shape and storage type that every image gets."""

    channels: int
    dtype: np.dtype[Any]
    height: int
    width: int


def agree(headers: Mapping[str, Header], options: ReadOptions) -> Target:
    """Return the common shape and storage type of files, given their headers by name.

    Raises:
        DataError: The files mix 8 bits with 16 or float, or differ in size while `options.size` is
            None.
    """
    files_by_type = _group_files(headers, lambda header: header.dtype.name)
    if len(files_by_type) > 1:
        depths = []
        for name, files in files_by_type.items():
            depths.append(f"{DEPTHS[name]} ({len(files)} files: {first_names(files, 3)})")
        usual, *rare = files_by_type.values()
        fewer = list(chain.from_iterable(rare))
        leave_out = ""
        if len(fewer) <= FEW * len(usual):
            patterns = distinct_patterns(fewer, usual)
            leave_out = f", or leave the few out with ignore ({ignore_options(patterns)})"
        raise DataError(
            f"Expected files of one depth, got {' and '.join(depths)}. Convert them to one "
            f"depth{leave_out}: a mixture would reveal to a model which source an image is from."
        )
    dtype = next(iter(headers.values())).dtype
    colored = any(header.channels == 3 for header in headers.values())
    channels = {"auto": 3 if colored else 1, "gray": 1, "rgb": 3}[options.channels]
    if options.size:
        return Target(channels, dtype, options.size, options.size)
    files_by_size = _group_files(headers, lambda header: (header.height, header.width))
    if len(files_by_size) > 1:
        (common, _), (other, files) = list(files_by_size.items())[:2]
        raise DataError(
            f"Expected files of one size, got {len(files_by_size)} sizes, for example "
            f"{common[1]} x {common[0]} and {other[1]} x {other[0]} ({files[0]}). "
            "Give a size to resize them to, for example size=64 (--size 64)."
        )
    height, width = next(iter(files_by_size))
    return Target(channels, dtype, height, width)


def conform(image: Images, channels: int, options: ReadOptions) -> Images:
    """Convert a (c, h, w) image to `channels`, and resize it if a size is requested.

    Gray becomes RGB by repetition, RGB becomes gray by the weights of ITU-R BT.601.
    """
    if len(image) != channels and channels == 3:
        image = np.repeat(image, 3, axis=0)
    elif len(image) != channels:
        image = np.ascontiguousarray(image)  # another order in memory would round differently
        gray = np.tensordot(LUMA, image, axes=1)[None]
        image = (gray if image.dtype == np.float32 else np.rint(gray)).astype(image.dtype)
    if options.size is None:
        return image
    return resize(image, options.size, fit=options.fit, resample=options.filter)


def is_gray(images: Images) -> bool:
    """Return whether all images of (n, 3, h, w) have three equal channels."""
    return all(np.array_equal(x[0], x[1]) and np.array_equal(x[0], x[2]) for x in images)


def is_constant(image: Images) -> bool:
    """Return whether all pixels of (c, h, w) are the same."""
    first = image[:, :1, :1]
    return bool((image[:, ::8, ::8] == first).all() and (image == first).all())


def describe(
    headers: Mapping[str, Header], target: Target, options: ReadOptions
) -> tuple[str, ...]:
    """Describe how many files were converted, composited on black, reshaped and enlarged."""
    n_converted = n_alpha = n_oblong = n_small = 0
    for header in headers.values():
        n_converted += header.channels != target.channels
        n_alpha += header.alpha
        n_oblong += header.height != header.width
        n_small += max(header.height, header.width) < target.height
    n_files = {
        f"files are {CONVERTED[target.channels]}": n_converted,
        "files have an alpha channel; transparent pixels were composited on black": n_alpha,
    }
    if options.size:
        n_files[f"images are not square and were {FITTED[options.fit]}"] = n_oblong
        n_files[f"images are smaller than {target.height} pixels and were enlarged"] = n_small
    return tuple(f"{n} of {len(headers)} {change}." for change, n in n_files.items() if n)


def describe_constant(names: Sequence[str]) -> tuple[str, ...]:
    """Name images whose pixels are all the same, which is often a failed export."""
    if not names:
        return ()
    return (
        f"Constant images, all pixels the same ({len(names)}): {first_names(names)}. Check them.",
    )


def _group_files(headers: Mapping[str, Header], key: Callable[[Header], T]) -> dict[T, list[str]]:
    """Group the files' names by a key of their headers, the most common first."""
    files: dict[T, list[str]] = {}
    for name, header in headers.items():
        files.setdefault(key(header), []).append(name)
    return dict(sorted(files.items(), key=lambda item: -len(item[1])))
