"""An .npz in MedMNIST layout, on disk or downloaded by name."""

import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_dir

from equipoise.arrays import Images, Labels
from equipoise.data.agreement import conform, describe_constant, is_constant
from equipoise.data.dataset import ImageDataset
from equipoise.data.image_cache import cache_folder
from equipoise.data.listing import NO_PATIENTS, check_classes
from equipoise.data.medmnist_download import SIZES, download, official_names
from equipoise.data.source import Card, Loaded, ReadOptions
from equipoise.exceptions import DataError, SettingError
from equipoise.validation import check_images

CARD = Card(
    name="medmnist",
    summary="an .npz file in MedMNIST layout, or medmnist:NAME@SIZE to download one",
    example="equipoise run medmnist:pneumoniamnist@64 --size 64",
)
PARTS = {"train": "train", "val": "validation", "test": "test"}
ARRAYS = tuple(f"{part}_{what}" for part in PARTS for what in ("images", "labels"))
# What NumPy raises on files that are damaged, encrypted, or hold one array or pickled objects.
DAMAGE = (OSError, ValueError, EOFError, LookupError, TypeError, RuntimeError, zipfile.BadZipFile, zlib.error)
ADDRESS = re.compile(r"medmnist:(\w+)(?:@(\d+))?")


def recognizes(path: Path, options: ReadOptions) -> bool:
    """Take an .npz file, and names of sets to download."""
    return path.suffix.lower() == ".npz" or str(path).startswith("medmnist:")


def read(path: Path, options: ReadOptions) -> Loaded:
    """Read {train,val,test}_{images,labels}: images (n, h, w) or (n, h, w, 3), labels (n,) or (n, 1) from 0.

    The parts become the source's split and ids are "train/000000" and so on. Classes have their official names if
    the `medmnist` package is installed and knows the file, else "0", "1", ... A downloaded file is kept in the
    cache folder (the user's, if the cache is off).

    Raises:
        DataError: An array is missing or of another shape, several labels per image, volumes, a class that is too
            small or not in train; or the download fails.
        SettingError: `groups` or a column was given, or the package or the set does not exist.
    """
    options.refuse_columns(CARD.name)
    if options.groups is not None:
        raise SettingError(
            f"groups (--groups) looks for patients in file names, and {path} holds none. Leave it out."
        )
    if str(path).startswith("medmnist:"):
        path = _downloaded(str(path), options)
    arrays = _load(path)
    images = np.concatenate([_channels_first(arrays[f"{part}_images"], path) for part in PARTS])
    labels = np.concatenate([_one_label(arrays[f"{part}_labels"], path) for part in PARTS])
    n_images = {part: len(arrays[f"{part}_labels"]) for part in PARTS}
    splits = np.repeat(list(PARTS.values()), list(n_images.values()))
    class_names = _class_names(path, int(labels.max(initial=0)) + 1)
    check_classes(labels, class_names, splits, source=path)
    channels = {"auto": images.shape[1], "gray": 1, "rgb": 3}[options.channels]
    dataset = ImageDataset(
        images=np.stack([conform(image, channels, options) for image in images]),
        labels=labels,
        class_names=class_names,
        groups=np.arange(len(labels), dtype=np.int64),
        ids=np.array([f"{PARTS[part]}/{i:06d}" for part, n in n_images.items() for i in range(n)]),
    )
    constant = dataset.ids[[is_constant(image) for image in images]].tolist()
    return Loaded(dataset=dataset, source_split=splits, notes=(NO_PATIENTS, *describe_constant(constant)))


def _downloaded(address: str, options: ReadOptions) -> Path:
    match = ADDRESS.fullmatch(address)
    if match is None:
        raise SettingError(
            f"Expected an address like medmnist:pneumoniamnist or medmnist:bloodmnist@64, got {address}."
        )
    folder = cache_folder(options.cache) or Path(user_cache_dir("equipoise"))
    return download(match[1], int(match[2] or SIZES[0]), folder / "medmnist")


def _load(path: Path) -> Mapping[str, NDArray[Any]]:
    if not path.is_file():
        raise DataError(f"Expected an .npz file at {path}, found none. Check the path.")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            _refuse_missing(stored.files, path)
            arrays = {name: stored[name] for name in ARRAYS}
    except DataError:
        raise
    except DAMAGE as error:
        raise DataError(f"Cannot read {path} as .npz of numbers ({error}). Copy or save it again.") from error
    for part in PARTS:
        n_images, n_labels = (arrays[f"{part}_{what}"].shape[:1] for what in ("images", "labels"))
        if n_images != n_labels:
            raise DataError(f"Expected one label per image in {path}, got {n_labels} for {n_images} in {part}.")
    if len(shapes := {arrays[f"{part}_images"].shape[1:] for part in PARTS}) > 1:
        raise DataError(f"Expected images of one shape in {path}, got {sorted(shapes)}. Resize them before saving.")
    return arrays


def _refuse_missing(names: Sequence[str], path: Path) -> None:
    if missing := [name for name in ARRAYS if name not in names]:
        raise DataError(
            f"Expected the arrays {', '.join(ARRAYS)} in {path}, got {', '.join(names) or 'none'}: "
            f"{', '.join(missing)} missing. Store them with np.savez."
        )


def _channels_first(images: NDArray[Any], path: Path) -> Images:
    if images.ndim == 3:
        return check_images(images[:, None], name=f"images of {path}")
    if images.ndim == 4 and images.shape[-1] == 3:
        return check_images(np.moveaxis(images, -1, 1), name=f"images of {path}")
    raise DataError(
        f"Expected images of shape (n, h, w) or (n, h, w, 3) in {path}, got {images.shape}. "
        "Sets of volumes (...mnist3d) are not supported; cut them into slices."
    )


def _one_label(labels: NDArray[Any], path: Path) -> Labels:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DataError(
            f"Expected one label per image in {path}, got labels of shape {labels.shape}. "
            "Sets with several labels per image (chestmnist) are not supported; keep one of them."
        )
    if not np.issubdtype(labels.dtype, np.integer) or labels.min(initial=0) < 0:
        raise DataError(f"Expected labels 0, 1, ... as whole numbers in {path}, got {labels.dtype}.")
    return labels.astype(np.int64)


def _class_names(path: Path, n_labels: int) -> tuple[str, ...]:
    official = official_names(path)
    return official if official and len(official) >= n_labels else tuple(str(k) for k in range(n_labels))
