"""What the files of a dataset have in common, what has to be converted, and the sentences that say so."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from equipoise.arrays import Images
from equipoise.data.images.file import Header
from equipoise.data.images.listing import first_few
from equipoise.data.images.options import ReadOptions
from equipoise.data.images.resizing import resize
from equipoise.exceptions import DataError

T = TypeVar("T")
LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as Pillow's mode "L"
KINDS = {"uint8": "8 bits", "uint16": "16 bits", "float32": "float"}
FITTED = {
    "pad": "padded with black",
    "crop": "cropped to their center",
    "stretch": "stretched, which changes their aspect",
}


class Target(NamedTuple):
    """Shape and storage type that every image gets."""

    channels: int
    dtype: np.dtype[Any]
    height: int
    width: int


def agree(headers: Mapping[str, Header], options: ReadOptions) -> Target:
    """Find the shape and storage type for files whose headers are given by name.

    Raises:
        DataError: The files mix 8 bits with 16 or float, or differ in size while `options.size` is None.
    """
    dtype = _one_type(headers)
    colored = any(header.channels == 3 for header in headers.values())
    channels = {"auto": 3 if colored else 1, "gray": 1, "rgb": 3}[options.channels]
    height, width = (options.size, options.size) if options.size else _one_size(headers)
    return Target(channels, dtype, height, width)


def conform(image: Images, channels: int, options: ReadOptions) -> Images:
    """Give an image of (c, h, w) the channels, and the size if one is asked for, of the others."""
    converted = _to_channels(image, channels)
    if options.size is None:
        return converted
    return resize(converted, options.size, fit=options.fit, resample=options.filter)


def is_gray(images: Images) -> bool:
    """Tell whether all images of (n, 3, h, w) have three equal channels."""
    return all(np.array_equal(x[0], x[1]) and np.array_equal(x[0], x[2]) for x in images)


def is_constant(image: Images) -> bool:
    """Tell whether all pixels of (c, h, w) are the same."""
    return bool((image == image[:, :1, :1]).all())


def describe(
    headers: Mapping[str, Header], target: Target, options: ReadOptions
) -> tuple[str, ...]:
    """Say how many files were converted, laid on black, reshaped and enlarged."""
    n = len(headers)
    n_color = sum(header.channels == 3 for header in headers.values())
    n_alpha = sum(header.alpha for header in headers.values())
    n_oblong = sum(header.height != header.width for header in headers.values())
    n_small = sum(max(header.height, header.width) < target.height for header in headers.values())
    converted = n_color if target.channels == 1 else n - n_color
    name = {1: "color and were turned to gray", 3: "gray and were given three equal channels"}[
        target.channels
    ]
    facts = {
        f"files are {name}": converted,
        "files have an alpha channel; what is transparent was laid on black": n_alpha,
        f"images are not square and were {FITTED[options.fit]}": n_oblong if options.size else 0,
        f"images are smaller than {target.height} pixels and were enlarged": n_small
        if options.size
        else 0,
    }
    return tuple(f"{count} of {n} {fact}." for fact, count in facts.items() if count)


def describe_constant(names: Sequence[str]) -> tuple[str, ...]:
    """Name images whose pixels are all the same, which is often a failed export."""
    if not names:
        return ()
    return (
        f"Images with one value in all pixels ({len(names)}): {first_few(names)}. Look at them.",
    )


def _to_channels(image: Images, channels: int) -> Images:
    """Repeat gray to RGB, or weigh RGB to gray (ITU-R BT.601), where the image has other channels."""
    if len(image) == channels:
        return image
    if channels == 3:
        return np.repeat(image, 3, axis=0)
    gray = np.tensordot(LUMA, image, axes=1)[None]
    return (gray if image.dtype == np.float32 else np.rint(gray)).astype(image.dtype)


def _files_by(headers: Mapping[str, Header], kind: Callable[[Header], T]) -> dict[T, list[str]]:
    """Group the files' names by what `kind` says of their headers; the most common first."""
    files: dict[T, list[str]] = {}
    for name, header in headers.items():
        files.setdefault(kind(header), []).append(name)
    return dict(sorted(files.items(), key=lambda item: -len(item[1])))


def _one_type(headers: Mapping[str, Header]) -> np.dtype[Any]:
    names = _files_by(headers, lambda header: header.dtype.name)
    if len(names) == 1:
        return next(iter(headers.values())).dtype
    kinds = [
        f"{KINDS[kind]} ({len(files)} files: {first_few(files, 3)})"
        for kind, files in names.items()
    ]
    raise DataError(
        f"Expected files of one depth, got {' and '.join(kinds)}. Convert them to one depth, or leave the few out: "
        "a mixture would show a model which file came from where."
    )


def _one_size(headers: Mapping[str, Header]) -> tuple[int, int]:
    names = _files_by(headers, lambda header: (header.height, header.width))
    if len(names) == 1:
        return next(iter(names))
    (common, _), (other, files) = list(names.items())[:2]
    raise DataError(
        f"Expected files of one size, got {len(names)} sizes, for example {common[1]} x {common[0]} and "
        f"{other[1]} x {other[0]} ({files[0]}). Give a size to resize them to, for example size=64 (--size 64)."
    )
