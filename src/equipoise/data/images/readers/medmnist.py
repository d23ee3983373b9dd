"""An .npz in MedMNIST layout, on disk or downloaded by name."""

import hashlib
import http.client
import importlib
import re
import shutil
import urllib.request
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_dir

from equipoise.arrays import Images, Labels
from equipoise.atomic import atomic_file
from equipoise.data.dataset import ImageDataset
from equipoise.data.images.cache import cache_folder
from equipoise.data.images.conversion import conform, describe_constant, is_constant
from equipoise.data.images.listing import NO_PATIENTS, check_classes
from equipoise.data.images.options import Card, Loaded, ReadOptions
from equipoise.discovery import pick
from equipoise.exceptions import DataError, SettingError
from equipoise.validation import check_images

SIZES = (28, 64, 128, 224)  # pixels
SECONDS = 60


def official_sets() -> Mapping[str, Any]:
    """Give what the package says of each set, or nothing if the package is not installed."""
    try:
        info: Mapping[str, Any] = importlib.import_module("medmnist").INFO
    except ImportError:
        return {}
    return info


def official_names(file: Path) -> tuple[str, ...] | None:
    """Give the class names of an official file (pneumoniamnist.npz, bloodmnist_64.npz); None if it is not known."""
    about = official_sets().get(re.sub(r"_\d+$", "", file.stem))
    return (
        None if about is None else tuple(about["label"][str(k)] for k in range(len(about["label"])))
    )


def download(name: str, size: int, folder: Path) -> Path:
    """Download a set once and check its MD5; a file that is there already is not downloaded again.

    The package knows the address, but its own download needs torchvision, hence the few lines here.

    Raises:
        SettingError: The package is not installed, or does not know the name or size.
        DataError: The address cannot be reached, or what came is damaged.
    """
    known = official_sets()
    if not known:
        raise SettingError(
            "medmnist:NAME needs the medmnist package. Install it: pip install 'equipoise[medmnist]'."
        )
    about, suffix = pick(known, name, "MedMNIST set"), "" if size == SIZES[0] else f"_{size}"
    if f"url{suffix}" not in about:
        raise SettingError(f"Expected a size of {name} from {SIZES} pixels, got {size}.")
    path = folder / f"{name}{suffix}.npz"
    if not path.is_file():
        _download(about[f"url{suffix}"], about[f"MD5{suffix}"], path)
    return path


def _download(url: str, md5: str, path: Path) -> None:
    if not url.startswith("https://"):
        raise DataError(f"Expected an https address to download from, got {url}.")
    try:
        with atomic_file(path) as temporary:
            with (
                urllib.request.urlopen(url, timeout=SECONDS) as source,  # noqa: S310 (https only)
                temporary.open("wb") as target,
            ):
                shutil.copyfileobj(source, target)
            with temporary.open("rb") as file:
                came = hashlib.file_digest(
                    file, lambda: hashlib.md5(usedforsecurity=False)
                ).hexdigest()
            if came != md5:
                raise DataError(
                    f"Expected MD5 {md5} of {url}, got {came}. Try again, or download it by hand."
                )
    except (OSError, http.client.HTTPException) as error:
        raise DataError(
            f"Cannot download {url}: {error}. Where the network does not allow it, copy the file here by other "
            f"means and give its path: equipoise run {path.name}"
        ) from error


CARD = Card(
    name="medmnist",
    summary="an .npz file in MedMNIST layout, or medmnist:NAME@SIZE to download one",
    example="equipoise run medmnist:pneumoniamnist@64 --size 64",
)
PARTS = {"train": "train", "val": "validation", "test": "test"}
ARRAYS = tuple(f"{part}_{what}" for part in PARTS for what in ("images", "labels"))
# What NumPy raises on files that are damaged, encrypted, or hold one array or pickled objects.
DAMAGE = (
    OSError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)
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
    return Loaded(
        dataset=dataset, source_split=splits, notes=(NO_PATIENTS, *describe_constant(constant))
    )


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
        raise DataError(
            f"Cannot read {path} as .npz of numbers ({error}). Copy or save it again."
        ) from error
    for part in PARTS:
        n_images, n_labels = (arrays[f"{part}_{what}"].shape[:1] for what in ("images", "labels"))
        if n_images != n_labels:
            raise DataError(
                f"Expected one label per image in {path}, got {n_labels} for {n_images} in {part}."
            )
    if len(shapes := {arrays[f"{part}_images"].shape[1:] for part in PARTS}) > 1:
        raise DataError(
            f"Expected images of one shape in {path}, got {sorted(shapes)}. Resize them before saving."
        )
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
        raise DataError(
            f"Expected labels 0, 1, ... as whole numbers in {path}, got {labels.dtype}."
        )
    return labels.astype(np.int64)


def _class_names(path: Path, n_labels: int) -> tuple[str, ...]:
    official = official_names(path)
    return (
        official
        if official and len(official) >= n_labels
        else tuple(str(k) for k in range(n_labels))
    )
