"""Read an .npz file in MedMNIST layout, on disk or downloaded by name."""

import contextlib
import hashlib
import http.client
import importlib
import re
import shutil
import tokenize
import urllib.request
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_dir

from equipoise.arrays import Images, Labels
from equipoise.atomic import atomic_file
from equipoise.data.cache import cache_folder
from equipoise.data.dataset import ImageDataset
from equipoise.data.images.conversion import conform, describe_constant, is_constant
from equipoise.data.images.listing import NO_PATIENTS, check_classes
from equipoise.data.images.options import Loaded, ReaderCard, ReadOptions
from equipoise.data.limits import MAX_ARRAY_RATIO, MAX_VOLUME_BYTES, mib
from equipoise.discovery import pick
from equipoise.exceptions import DataError, SettingError
from equipoise.validation import check_images

CARD = ReaderCard(
    name="medmnist",
    summary="an .npz file in MedMNIST layout, or medmnist:NAME@SIZE to download one",
    example="equipoise run medmnist:pneumoniamnist@64 --size 64",
)
PARTS = {"train": "train", "val": "validation", "test": "test"}
ARRAYS = (
    "train_images",
    "train_labels",
    "val_images",
    "val_labels",
    "test_images",
    "test_labels",
)
ADDRESS = re.compile(r"medmnist:(\w+)(?:@(\d+))?")
SIZES = (28, 64, 128, 224)  # pixels
TIMEOUT_SECONDS = 60
MOST_CLASSES = 1000  # labels number classes from 0, and each has a name, a row and a column
# What NumPy raises on files that are damaged, encrypted, or contain one array or pickled objects.
VALUE_ERRORS = (ValueError, LookupError, TypeError, RuntimeError)
READ_ERRORS = (OSError, EOFError, zipfile.BadZipFile, zlib.error, tokenize.TokenError)
DAMAGE = (*VALUE_ERRORS, *READ_ERRORS, MemoryError, SyntaxError)


@dataclass(frozen=True, kw_only=True)
class OfficialSet:
    """What the `medmnist` package knows of a set.

    Attributes:
        class_names: k names.
        downloads: Side of the images in pixels -> address and MD5 of the file.
    """

    class_names: tuple[str, ...]
    downloads: Mapping[int, tuple[str, str]]


def recognizes(path: Path, options: ReadOptions) -> bool:
    """Return whether the path is an .npz file or the name of a set to download."""
    return path.suffix.lower() == ".npz" or str(path).startswith("medmnist:")


def read(path: Path, options: ReadOptions) -> Loaded:
    """Read the arrays {train,val,test}_{images,labels} of an .npz file.

    Images have shape (n, h, w) or (n, h, w, 3), labels (n,) or (n, 1), numbered from 0.

    The parts become the source's split, and the ids are "train/000000" and so on. Classes have
    their official names if the `medmnist` package is installed and knows the file, else "0", "1",
    ... A downloaded file is stored in the cache folder (the user's, if the cache is off).

    Source: Yang et al. (2023), MedMNIST v2, for the layout.

    Raises:
        DataError: An array is missing or of another shape, several labels per image, volumes, a
            class that is too small or not in train; or the download fails.
        SettingError: `groups` or a column was given, or the package or the set does not exist.

    Example:
        >>> import tempfile
        >>> arrays = {}
        >>> for part in PARTS:
        ...     arrays[f"{part}_images"] = np.zeros((4, 28, 28, 3), dtype=np.uint8)
        ...     arrays[f"{part}_labels"] = np.array([[0], [0], [1], [1]])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(Path(folder, "toy.npz"), **arrays)
        ...     loaded = read(Path(folder, "toy.npz"), ReadOptions())
        >>> loaded.dataset.images.shape, loaded.source_split[::4].tolist()
        ((12, 3, 28, 28), ['train', 'validation', 'test'])
    """
    options.refuse_columns(CARD.name)
    if options.groups is not None:
        raise SettingError(
            f"groups (--groups) searches for patients in file names, and {path} has none. "
            "Leave it out."
        )
    if str(path).startswith("medmnist:"):
        folder = cache_folder(options.cache) or Path(user_cache_dir("equipoise"))
        path = download(str(path), folder / "medmnist")
    arrays = _load_arrays(path)
    image_parts, label_parts = [], []
    splits: list[str] = []
    ids: list[str] = []
    for part, split in PARTS.items():
        part_images, part_labels = _part(arrays, part, path)
        image_parts.append(part_images)
        label_parts.append(part_labels)
        n = len(part_labels)
        splits += [split] * n
        ids += [f"{split}/{i:06d}" for i in range(n)]
    images = np.concatenate(image_parts)  # (n, c, h, w)
    labels = np.concatenate(label_parts)  # (n,)
    n_labels = int(labels.max(initial=0)) + 1
    class_names = official_names(path)
    if class_names is None or len(class_names) < n_labels:
        class_names = tuple(map(str, range(n_labels)))
    source_split = np.array(splits)
    check_classes(labels, class_names, source_split, source=path)
    channels = {"auto": images.shape[1], "gray": 1, "rgb": 3}[options.channels]
    conformed = np.stack([conform(image, channels, options) for image in images])
    dataset = ImageDataset(
        images=conformed,
        labels=labels,
        class_names=class_names,
        groups=np.arange(len(labels), dtype=np.int64),
        ids=np.array(ids),
    )
    constant = dataset.ids[list(map(is_constant, images))].tolist()
    notes = (NO_PATIENTS, *describe_constant(constant))
    return Loaded(dataset=dataset, source_split=source_split, notes=notes)


def official_sets() -> dict[str, OfficialSet]:
    """Return the sets that the `medmnist` package knows; none if it is not installed."""
    try:
        info = importlib.import_module("medmnist").INFO
    except ImportError:
        return {}
    sets = {}
    for name, about in info.items():
        downloads = {}
        for size in SIZES:
            suffix = _size_suffix(size)
            if f"url{suffix}" in about:
                downloads[size] = (about[f"url{suffix}"], about[f"MD5{suffix}"])
        labels = about["label"]
        class_names = tuple(labels[str(k)] for k in range(len(labels)))
        sets[name] = OfficialSet(class_names=class_names, downloads=downloads)
    return sets


def official_names(file: Path) -> tuple[str, ...] | None:
    """Return the class names of an official file (bloodmnist_64.npz), or None if unknown."""
    official = official_sets().get(re.sub(r"_\d+$", "", file.stem))
    return None if official is None else official.class_names


def download(address: str, folder: Path) -> Path:
    """Download a set once and check its MD5; a file that exists already is not downloaded again.

    Args:
        address: "medmnist:NAME" or "medmnist:NAME@SIZE".
        folder: Where the file is stored.

    The package knows the address, but its own download needs torchvision, so this one is separate.

    Raises:
        SettingError: Not such an address, or the package is not installed or does not know the name
            or size.
        DataError: The address cannot be reached, or the downloaded file is damaged.
    """
    match = ADDRESS.fullmatch(address)
    if match is None:
        raise SettingError(
            "Expected an address like medmnist:pneumoniamnist or medmnist:bloodmnist@64, "
            f"got {address}."
        )
    name, size = match[1], int(match[2] or SIZES[0])
    sets = official_sets()
    if not sets:
        raise SettingError(
            "medmnist:NAME needs the medmnist package. "
            "Install it: pip install 'equipoise[medmnist]'."
        )
    downloads = pick(sets, name, "MedMNIST set").downloads
    if size not in downloads:
        raise SettingError(f"Expected a size of {name} from {SIZES} pixels, got {size}.")
    url, md5 = downloads[size]
    path = folder / f"{name}{_size_suffix(size)}.npz"
    if not path.is_file():
        _fetch(url, md5, path)
    return path


def _size_suffix(size: int) -> str:
    return "" if size == SIZES[0] else f"_{size}"


def _fetch(url: str, md5: str, path: Path) -> None:
    if not url.startswith("https://"):
        raise DataError(f"Expected an https address to download from, got {url}.")
    try:
        with atomic_file(path) as temporary:
            with (
                urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as source,  # noqa: S310 (https only)
                temporary.open("wb") as target,
            ):
                shutil.copyfileobj(source, target)
            with temporary.open("rb") as file:
                new_md5 = partial(hashlib.md5, usedforsecurity=False)
                digest = hashlib.file_digest(file, new_md5).hexdigest()
            if digest != md5:
                raise DataError(
                    f"Expected MD5 {md5} of {url}, got {digest}. Try again, or download it by hand."
                )
    except (OSError, http.client.HTTPException) as error:
        raise DataError(
            f"Cannot download {url}: {error}. If the network does not allow it, copy the file here "
            f"by other means and give its path: equipoise run {path.name}"
        ) from error


def _load_arrays(path: Path) -> Mapping[str, NDArray[Any]]:
    """Load the six arrays, and check that they fit one another."""
    if not path.is_file():
        raise DataError(f"Expected an .npz file at {path}, found none. Check the path.")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            names = stored.files
            _check_sizes(stored.zip, path)
            arrays = {name: stored[name] for name in ARRAYS if name in names}
    except DAMAGE as error:
        raise DataError(
            f"Cannot read {path} as .npz of numbers ({error}). Copy or save it again."
        ) from error
    if missing := [name for name in ARRAYS if name not in arrays]:
        raise DataError(
            f"Expected the arrays {', '.join(ARRAYS)} in {path}, got {', '.join(names) or 'none'}: "
            f"{', '.join(missing)} missing. Store them with np.savez."
        )
    shapes = set()
    for part in PARTS:
        images, labels = arrays[f"{part}_images"], arrays[f"{part}_labels"]
        if images.shape[:1] != labels.shape[:1]:
            raise DataError(
                f"Expected one label per image in {path}, got {labels.shape[:1]} for "
                f"{images.shape[:1]} in {part}."
            )
        shapes.add(images.shape[1:])
    if len(shapes) > 1:
        raise DataError(
            f"Expected images of one shape in {path}, got {sorted(shapes)}. "
            "Resize them before saving."
        )
    return arrays


def _check_sizes(archive: zipfile.ZipFile, path: Path) -> None:
    """Check what the arrays of an archive take before one of them is unpacked.

    Raises:
        DataError: They take many times what images of this file's size take.
    """
    n_bytes = 0
    for name in ARRAYS:
        with contextlib.suppress(KeyError):
            n_bytes += archive.getinfo(f"{name}.npy").file_size
    most = max(MAX_VOLUME_BYTES, MAX_ARRAY_RATIO * path.stat().st_size)
    if n_bytes > most:
        raise DataError(
            f"Expected at most {mib(most)} in the arrays of {path} ({mib(MAX_VOLUME_BYTES)}, or "
            f"{MAX_ARRAY_RATIO} times the file), got {mib(n_bytes)}. Save it again without "
            "compression (np.savez) if that is what it contains."
        )


def _part(arrays: Mapping[str, NDArray[Any]], part: str, path: Path) -> tuple[Images, Labels]:
    """Return the images of a part as (n, c, h, w) and its labels as (n,) int64."""
    images, labels = arrays[f"{part}_images"], arrays[f"{part}_labels"]
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4 and images.shape[-1] == 3:
        images = np.moveaxis(images, -1, 1)
    else:
        raise DataError(
            f"Expected images of shape (n, h, w) or (n, h, w, 3) in {path}, got {images.shape}. "
            "Sets of volumes (...mnist3d) are not supported; cut them into slices."
        )
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DataError(
            f"Expected one label per image in {path}, got labels of shape {labels.shape}. "
            "Sets with several labels per image (chestmnist) are not supported; keep one of them."
        )
    if not np.issubdtype(labels.dtype, np.integer) or labels.min(initial=0) < 0:
        raise DataError(
            f"Expected labels 0, 1, ... as whole numbers in {path}, got {labels.dtype}."
        )
    if labels.max(initial=0) >= MOST_CLASSES:
        raise DataError(
            f"Expected labels 0 to {MOST_CLASSES - 1} in {path}, got {labels.max()}. Number the "
            "classes from 0."
        )
    checked = check_images(images, name=f"images of {path}")
    return np.asarray(checked), labels.astype(np.int64)
