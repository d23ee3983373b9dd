"""Contact sheets: a few images of a class side by side, as one PNG inside the page."""

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from equipoise.arrays import Images, ValueRange, value_range
from equipoise.report.formatting import times
from equipoise.report.run_contents import Contents

COLUMNS = 4
MOST_IMAGES = 8
LARGEST_SIDE = 96  # pixels of a tile; larger images are reduced, so that the page fits an e-mail
LARGEST_SHOWN = 76  # pixels of a tile on the screen: three sheets fit side by side
BUDGET = 1_600_000  # bytes of pixels in all sheets of a page


@dataclass(frozen=True)
class Sheet:
    """A PNG of `n` images and the size at which a browser shows it, in pixels."""

    uri: str
    n: int
    width: int
    height: int
    zoom: int


@dataclass(frozen=True)
class ImageGroup:
    """Images of one class from one source, as they are shown.

    Attributes:
        method: Method that generated them; empty for real images. Of a pair of copies, its labels.
        origin: Part, split or seed that they come from.
        sheet: The images; None where there are none.
        text: Description for readers who do not see the images.
    """

    method: str
    origin: str
    sheet: Sheet | None
    text: str


def gallery(contents: Contents) -> dict[str, list[ImageGroup]]:
    """Return for each class real images, then those of every method that generated some."""
    real = contents.run.examples
    if real is None:
        return {}
    sources = {"": real, **contents.run.synthetic}
    most = images_per_sheet(real.images.shape[1:], len(sources) * len(contents.class_names))
    span = value_range(real.images)
    classes: dict[str, list[ImageGroup]] = {}
    for label, class_name in enumerate(contents.class_names):
        groups = classes.setdefault(class_name, [])
        for method, pictures in sources.items():
            kind = f"synthetic images made by {method}" if method else "real images"
            images = pictures.of_class(label)[:most]
            if len(images):
                sheet, text = contact_sheet(images, span), f"{len(images)} {kind} of {class_name}"
            else:
                sheet, text = None, f"There are no {kind} of {class_name}."
            groups.append(ImageGroup(method, pictures.origin, sheet, text))
    return classes


def conflicts(contents: Contents) -> list[ImageGroup]:
    """Return each pair of copies with different labels side by side, with names if shown."""
    pairs, stored = contents.run.duplicates, contents.run.conflicts
    groups: list[ImageGroup] = []
    if pairs is None or stored is None:
        return groups
    span = value_range(stored.images)
    for i, names in enumerate(pairs.conflicting[: len(stored.images) // 2]):
        rows = slice(2 * i, 2 * i + 2)
        first, second = (contents.class_names[label] for label in stored.labels[rows])
        sheet = contact_sheet(stored.images[rows], span, columns=2)
        origin = " = ".join(names) if contents.names else ""
        text = f"Two copies of an image, one called {first}, one {second}."
        groups.append(ImageGroup(f"{first}, {second}", origin, sheet, text))
    return groups


def note(contents: Contents) -> str:
    """Return a sentence about the size of the images on the page."""
    sides = contents.description.images.shape[1:]
    if max(sides) <= LARGEST_SIDE:
        return f"Every stored pixel ({times(*sides)}) is shown."
    return (
        f"The images have {times(*sides)} pixels; here their larger side is reduced to "
        f"{LARGEST_SIDE}."
    )


def images_per_sheet(shape: tuple[int, ...], n_sheets: int) -> int:
    """Return how many images of shape (c, h, w) each of `n_sheets` may show: one row or two."""
    channels, side = shape[0], min(max(shape[1:]), LARGEST_SIDE)
    affordable = BUDGET // (n_sheets * channels * side * side)
    return int(np.clip(affordable // COLUMNS * COLUMNS, COLUMNS, MOST_IMAGES))


def contact_sheet(images: Images, span: ValueRange, columns: int = COLUMNS) -> Sheet:
    """Arrange (n, c, h, w) images in rows.

    Args:
        images: Images in storage type; the first is at the top left.
        span: The values shown as black and white.
        columns: Images of a row.
    """
    tiles = [image_tile(image, span) for image in images]
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // columns)
    canvas = np.full(
        (rows * (height + 1) - 1, columns * (width + 1) - 1, tiles[0].shape[2]), 255, dtype=np.uint8
    )
    for i, tile in enumerate(tiles):
        top, left = i // columns * (height + 1), i % columns * (width + 1)
        canvas[top : top + height, left : left + width] = tile
    zoom = max(1, LARGEST_SHOWN // max(height, width))
    return Sheet(png(canvas), len(tiles), canvas.shape[1] * zoom, canvas.shape[0] * zoom, zoom)


def image_tile(image: Images, span: ValueRange) -> NDArray[np.uint8]:
    """Convert one (c, h, w) image to (h, w, c) bytes, its sides at most `LARGEST_SIDE`."""
    low, high = span
    unit = np.clip((np.moveaxis(image, 0, -1).astype(np.float64) - low) / (high - low), 0, 1)
    tile = np.rint(unit * 255).astype(np.uint8)
    height, width = tile.shape[:2]
    shrink = LARGEST_SIDE / max(height, width)
    if shrink < 1:
        size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        tile = np.asarray(pillow_image(tile).resize(size, Image.Resampling.LANCZOS)).reshape(
            size[1], size[0], -1
        )
    return tile


def pillow_image(array: NDArray[np.uint8]) -> Image.Image:
    """Return bytes (h, w, c), c = 1 or 3, as an image of Pillow."""
    return Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)


def png(array: NDArray[Any]) -> str:
    """Return bytes (h, w, c), c = 1 or 3, as the data URI of a PNG."""
    buffer = io.BytesIO()
    pillow_image(array).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
