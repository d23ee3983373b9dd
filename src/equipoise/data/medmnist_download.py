"""What the `medmnist` package knows: addresses, checksums and class names of the official sets."""

import hashlib
import http.client
import importlib
import re
import shutil
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from equipoise.atomic import atomic_file
from equipoise.discovery import pick
from equipoise.exceptions import DataError, SettingError

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
    return None if about is None else tuple(about["label"][str(k)] for k in range(len(about["label"])))


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
            with urllib.request.urlopen(url, timeout=SECONDS) as source, temporary.open("wb") as target:  # noqa: S310 (https, above)
                shutil.copyfileobj(source, target)
            with temporary.open("rb") as file:
                came = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
            if came != md5:
                raise DataError(f"Expected MD5 {md5} of {url}, got {came}. Try again, or download it by hand.")
    except (OSError, http.client.HTTPException) as error:
        raise DataError(
            f"Cannot download {url}: {error}. Where the network does not allow it, copy the file here by other "
            f"means and give its path: equipoise run {path.name}"
        ) from error
