"""Files of pretrained weights: where they lie, how they are downloaded, checked and read."""

import hashlib
import http.client
import os
import pickle
import re
import urllib.request
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from equipoise.atomic import atomic_file
from equipoise.exceptions import SettingError, WeightsError
from equipoise.networks.hub import HUB, download_from_hub, parse_hub
from equipoise.networks.stored_module import read_stored_module
from equipoise.networks.weights import State

Progress = Callable[[int, int], None]  # bytes that have arrived, bytes in all

FOLDER = "EQUIPOISE_WEIGHTS"
MOST_BYTES = 4 * 2**30
BLOCK = 2**20
SECONDS = 15  # without an answer
RECORDED = (
    ".sha256"  # what a first download of a file without a published checksum writes beside it
)
NESTED = ("state_dict_ema", "model_ema", "state_dict", "model")  # where files hold their tensors


def weights_folder() -> Path:
    """Return the folder of downloaded files: $EQUIPOISE_WEIGHTS, or else torch's cache.

    Raises:
        WeightsError: The variable names a folder that does not exist.
    """
    named = os.environ.get(FOLDER)
    if not named:
        return _torch_cache()
    if not Path(named).is_dir():
        raise WeightsError(
            f"Expected a folder of weights at {named} (${FOLDER}), found none. Unset or correct "
            "the variable."
        )
    return Path(named)


def place_of(url: str) -> str:
    """Return where the file of an address lies in the folder of weights.

    Example:
        >>> place_of("https://download.pytorch.org/models/resnet18-f37072fd.pth")
        'resnet18-f37072fd.pth'
        >>> place_of("hf://timm/resnet18.a1_in1k@main/model.safetensors")
        'timm/resnet18.a1_in1k/main/model.safetensors'
    """
    if url.startswith(HUB):
        return parse_hub(url).place
    return url.rsplit("/", 1)[1]


def find_file(url: str) -> Path | None:
    """Return the file of an address on this machine; None where it has to be downloaded.

    Searched are $EQUIPOISE_WEIGHTS and torch's cache, for the official name and for the same with
    the ending .safetensors, which is a conversion of the file.

    Raises:
        WeightsError: See `weights_folder`.
    """
    place = place_of(url)
    for folder in (weights_folder(), _torch_cache()):
        for path in (folder / place, (folder / place).with_suffix(".safetensors")):
            if path.is_file():
                return path
    return None


def obtain_file(
    url: str, sha256: str, *, setting: str = "pretrained", progress: Progress | None = None
) -> Path:
    """Return the file of an address, downloaded where it is not on this machine, and checked.

    Args:
        url: Address of the file, see `Weights.url`.
        sha256: Its SHA-256, the first digits of it, or "" where none is known. Then the checksum of
            the first download is kept beside the file, and later changes of it are noticed.
        setting: Name of the parameter that takes a local file instead; for the message.
        progress: Called with the bytes that have arrived and the bytes in all.

    Raises:
        WeightsError: No connection, a wrong checksum, or a file of more than 4 GiB.
    """
    path = find_file(url)
    if path is None:
        path = _download(url, sha256, setting, progress)
    if path.name == Path(place_of(url)).name:  # not a conversion, which has another checksum
        check_digest(path, sha256 or _recorded(path))
    return path


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file; computed once while its size and time stay."""
    stat = path.stat()
    return _digest(path, stat.st_size, stat.st_mtime_ns)


def check_digest(path: Path, sha256: str) -> str:
    """Return the SHA-256 of a file, which has to begin with the expected digits.

    Raises:
        WeightsError: It does not.
    """
    digest = digest_of(path)
    if not digest.startswith(sha256):
        raise WeightsError(
            f"Wrong checksum of {path}: expected a SHA-256 of {sha256}, got "
            f"{digest[: max(16, len(sha256))]}. It is damaged or another file: delete {path} and "
            "download it again."
        )
    return digest


def download(url: str, sha256: str, *, setting: str = "pretrained") -> State:
    """Read the tensors of an official file, which is downloaded once; see `obtain_file`.

    Raises:
        WeightsError: See `obtain_file`; or the file is damaged.
    """
    return read_weights(obtain_file(url, sha256, setting=setting))


def read_weights(path: Path, *, whole_module: bool = False) -> State:
    """Read tensors by name from a .safetensors, .pth or .pt file; no code in it is run.

    Args:
        path: The file.
        whole_module: Whether it may be a pickled module, of which only tensors are read.

    Raises:
        WeightsError: There is no such file, or it does not contain tensors by name.
    """
    check_weights_file(path)
    try:
        return _read_tensors(path, whole_module=whole_module)
    except Exception as error:  # damaged bytes make torch raise anything, KeyError included
        reason = type(error).__name__
        if isinstance(error, WeightsError | SafetensorError):
            reason = str(error).split("\n", maxsplit=1)[0].rstrip(".")
        raise WeightsError(
            f"Cannot read weights from {path}: it is damaged, or no file of tensors by name "
            f"({reason}). Pass a .safetensors file, or a .pth file of a state dict."
        ) from error


def check_weights_file(path: Path) -> None:
    """Raise unless a weights file exists and is not larger than 4 GiB; it is not read.

    Raises:
        WeightsError: There is no such file, or it is too large.
    """
    if not path.is_file():
        raise WeightsError(
            f"Expected a weights file at {path}, found none. Pass a .safetensors or .pth file."
        )
    if path.stat().st_size > MOST_BYTES:
        raise WeightsError(
            f"Expected weights of at most {MOST_BYTES / 2**30:.0f} GiB, got "
            f"{path.stat().st_size / 2**30:.1f} GiB in {path}. Pass the weights of the network "
            "alone, without the state of an optimizer."
        )


def _torch_cache() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


def _download(url: str, sha256: str, setting: str, progress: Progress | None) -> Path:
    path = weights_folder() / place_of(url)
    try:
        with atomic_file(path, shared=True) as temporary:  # weights are no patient data
            if url.startswith(HUB):
                download_from_hub(parse_hub(url), temporary)
            else:
                _stream(url, temporary, progress)
            check_weights_file(temporary)
            digest = check_digest(temporary, sha256)
    except (OSError, http.client.HTTPException, SettingError, WeightsError) as error:
        raise WeightsError(
            f"Cannot download the weights {url}: {_reason(error)}. Put the file at {path} (from a "
            "machine with a connection, where `equipoise weights fetch` gets it; another folder is "
            f"named by ${FOLDER}), or pass a local file (--{setting} FILE; in Python "
            f"{setting}='FILE')."
        ) from error
    if not sha256:
        _record_of(path).write_text(digest + "\n", encoding="ascii")
    return path


def _reason(error: Exception) -> str:
    """Return why a download failed; urllib wraps the error of the connection."""
    reason = getattr(error, "reason", None)
    return reason.strerror if isinstance(reason, OSError) and reason.strerror else str(error)


def _stream(url: str, path: Path, progress: Progress | None) -> None:
    """Copy what an address answers into a file."""
    if not re.match(r"(https?|file)://", url):
        raise WeightsError("expected an address that begins with https:// or hf://")
    with urllib.request.urlopen(url, timeout=SECONDS) as answer, path.open("wb") as file:  # noqa: S310
        n_bytes = int(answer.headers.get("Content-Length") or 0)
        arrived = 0
        while block := answer.read(BLOCK):
            arrived += len(block)
            if max(arrived, n_bytes) > MOST_BYTES:
                raise WeightsError(f"the file has more than {MOST_BYTES / 2**30:.0f} GiB")
            file.write(block)
            if progress is not None:
                progress(arrived, max(n_bytes, arrived))


def _record_of(path: Path) -> Path:
    return path.with_name(path.name + RECORDED)


def _recorded(path: Path) -> str:
    """Return the checksum that the first download recorded; "" where there is none."""
    record = _record_of(path)
    return record.read_text(encoding="ascii").strip() if record.is_file() else ""


@lru_cache(maxsize=256)
def _digest(path: Path, _n_bytes: int, _changed: int) -> str:
    """Return the SHA-256 of a file; it is computed again when size or time have changed."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_tensors(path: Path, *, whole_module: bool) -> State:
    """Read a file without running any code in it."""
    if path.suffix == ".safetensors":
        return load_file(path)
    try:
        stored: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        if not whole_module:
            raise
        return read_stored_module(path)
    if isinstance(stored, Mapping):
        for name in NESTED:
            if isinstance(stored.get(name), Mapping):
                stored = stored[name]
    if not isinstance(stored, Mapping) or not all(isinstance(v, Tensor) for v in stored.values()):
        raise TypeError("expected tensors by name")
    return stored
