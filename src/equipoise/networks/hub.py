"""Files on the Hugging Face hub: hf://owner/name@revision/file.safetensors."""

import re
import shutil
import tempfile
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from equipoise.exceptions import WeightsError

HUB = "hf://"
NEWEST = "main"
_ADDRESS = re.compile(r"hf://([\w.-]+/[\w.-]+)(?:@([\w.-]+))?/([\w./-]+)")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, kw_only=True)
class HubFile:
    """A file of a snapshot on the hub.

    Attributes:
        repository: Owner and name, with a slash.
        revision: A commit (40 digits), or the name of a branch.
        file: Path of the file in the repository.
    """

    repository: str
    revision: str
    file: str

    @property
    def place(self) -> str:
        """Where it lies in the folder of weights."""
        return f"{self.repository}/{self.revision}/{self.file}"

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit, whose files cannot change."""
        return _COMMIT.fullmatch(self.revision) is not None


def parse_hub(address: str) -> HubFile:
    """Parse the address of a file on the hub.

    Raises:
        WeightsError: It is none, or names no .safetensors file.

    Example:
        >>> parse_hub("hf://timm/resnet18.a1_in1k@main/model.safetensors").repository
        'timm/resnet18.a1_in1k'
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or match[2] is None or ".." in Path(match[3]).parts:
        raise WeightsError(
            f"Expected hf://OWNER/NAME@REVISION/FILE.safetensors, got '{address}'. REVISION is the "
            "commit of the snapshot, 40 digits under 'Files and versions' on the hub."
        )
    if not match[3].endswith(".safetensors"):
        raise WeightsError(
            f"Expected a .safetensors file of the hub, got '{match[3]}': other files may contain "
            "code. Convert it, or choose a snapshot that has one."
        )
    return HubFile(repository=match[1], revision=match[2], file=match[3])


def check_pinned(address: str) -> None:
    """Raise unless an address names a commit: a branch may contain another file tomorrow.

    Raises:
        WeightsError: It names a branch, or is no address of the hub.
    """
    hub_file = parse_hub(address)
    if not hub_file.pinned:
        raise WeightsError(
            f"Expected a commit (40 digits) after '@' in '{address}', got '{hub_file.revision}', "
            "which may change. Copy the commit from 'Files and versions' on the hub."
        )


def download_from_hub(hub_file: HubFile, path: Path) -> None:
    """Download a file of the hub to a path.

    Raises:
        WeightsError: The package huggingface_hub is missing, or the hub does not give the file.
    """
    try:
        download = import_module("huggingface_hub").hf_hub_download
    except ImportError as error:
        raise WeightsError(
            "weights on the hub need the package huggingface_hub; install it with "
            "`pip install 'equipoise[hub]'`"
        ) from error
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        try:
            downloaded = download(
                hub_file.repository, hub_file.file, revision=hub_file.revision, local_dir=folder
            )
        except Exception as error:  # whatever a connection, a token or a repository raises
            raise WeightsError(str(error).split("\n", maxsplit=1)[0]) from error
        shutil.move(downloaded, path)
