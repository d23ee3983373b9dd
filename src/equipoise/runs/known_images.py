"""Which images belong to a run, so that no score of a training image passes for a test."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from equipoise.arrays import Images
from equipoise.atomic import read_json, reading, write_json
from equipoise.data.dataset import ImageDataset
from equipoise.names import first_names
from equipoise.runs.cell import Cell
from equipoise.runs.stored_splits import read_split_ids

FILE = "pixels.json"  # {hash of the pixels as they were read: id}
HASH_BYTES = 16


def save_pixel_hashes(folder: Path, dataset: ImageDataset) -> None:
    """Store the hash of each image of a run."""
    ids = {}
    for image, name in zip(dataset.images, dataset.ids.tolist(), strict=True):
        ids[pixel_hash(image)] = name
    write_json(folder / FILE, ids, checksum=True)


def pixel_hash(image: Images) -> str:
    """Hash the pixels (c, h, w) of an image, whatever file they were in.

    Example:
        >>> image = np.zeros((1, 8, 8), dtype=np.uint8)
        >>> pixel_hash(image) == pixel_hash(image.copy())
        True
    """
    content = hashlib.sha256(f"{image.shape} {image.dtype.str}".encode())
    content.update(np.ascontiguousarray(image).tobytes())
    return content.digest()[:HASH_BYTES].hex()


def find_known_images(folder: Path, images: Images) -> dict[int, str]:
    """Return row -> id for the images that are of a run; none for runs of earlier versions."""
    path = folder / FILE
    if not path.is_file():
        return {}
    with reading(path):
        ids: Mapping[str, str] = read_json(path)
    known = {}
    for row, image in enumerate(images):
        name = ids.get(pixel_hash(image))
        if name is not None:
            known[row] = name
    return known


def known_images_note(
    folder: Path, images: Images, files: Sequence[str], cells: Sequence[Cell]
) -> str:
    """Return a sentence about new images that are of a run; "" if there are none.

    Args:
        folder: The run.
        images: (n, c, h, w) as `predict` reads them.
        files: Their n names.
        cells: Whose networks score them.
    """
    known = find_known_images(folder, images)
    if not known:
        return ""
    tested = {split.name: split.test for split in read_split_ids(folder)}
    seen = []
    for row, name in known.items():
        if any(name not in tested.get(cell.split, ()) for cell in cells):
            seen.append(files[row])
    of_run = f"{len(known)} of {len(files)} images are of this run"
    if not seen:
        return f"{of_run}; no network used has seen them."
    return (
        f"Warning: {of_run}, and networks used here were trained or chosen on {len(seen)} of them: "
        f"{first_names(seen)}. Their scores say nothing about new images; --split names networks "
        "of one split."
    )
