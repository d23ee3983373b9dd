"""The features of DINOv2; needs the package `transformers`, and its hub or a local folder."""

from importlib import import_module
from pathlib import Path

from torch import Tensor, nn

from equipoise.arrays import ValueRange
from equipoise.exceptions import WeightsError
from equipoise.features.network import NetworkExtractor, Stretched
from equipoise.networks.weights import IMAGENET, InputNormalization

MODEL = "facebook/dinov2-small"
REVISION = "ed25f3a31f01632728cabb09d1542f84ab7b0056"
FILES = ("dinov2-small",)  # a folder with config.json and model.safetensors
SIDE, DIMENSION = 224, 384


class ClassToken(nn.Module):
    """The class token after the last norm."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """Map (b, 3, 224, 224) to (b, d)."""
        tokens: Tensor = self.model(pixel_values=images).last_hidden_state
        return tokens[:, 0]


def dinov2(
    weights: str | Path | None = None, *, device: str = "auto", span: ValueRange | None = None
) -> NetworkExtractor:
    """Build the extractor of DINOv2 ViT-S/14: the class token of an image of 224 px, 384 numbers.

    Args:
        weights: A folder with config.json and model.safetensors; None downloads revision ed25f3a
            of facebook/dinov2-small from the hub, once. Only safetensors are read, and no code of
            the hub is run.
        device: Where to compute.
        span: See `NetworkExtractor`.

    Source: Oquab et al. (2023), arXiv 2304.07193, Apache-2.0. Difference: theirs crops the center
    of an image of 256 px; here the whole image is resized to 224 px.

    Raises:
        WeightsError: The package is missing, or the weights cannot be downloaded or read.
        SettingError: No such device.
    """
    try:
        load = import_module("transformers").Dinov2Model.from_pretrained
    except ImportError as error:
        raise WeightsError(
            "The extractor dinov2 needs the package transformers. Install it with "
            "`pip install transformers`, or use the extractor inception or imagenet."
        ) from error
    try:
        if weights is None:
            model = load(MODEL, revision=REVISION, use_safetensors=True, trust_remote_code=False)
        else:
            folder = Path(weights)
            model = load(
                folder, local_files_only=True, use_safetensors=True, trust_remote_code=False
            )
    except (OSError, ValueError, RuntimeError) as error:  # no connection, absent, damaged, other
        raise WeightsError(
            f"Cannot get {MODEL} from {weights or 'its hub'}: {error}. Download config.json and "
            f"model.safetensors of revision {REVISION} elsewhere and pass their folder "
            f"(weights='/path/{FILES[0]}')."
        ) from error
    return NetworkExtractor(
        "dinov2",
        nn.Sequential(Stretched(SIDE), InputNormalization(IMAGENET), ClassToken(model)),
        dimension=model.config.hidden_size,
        preparation="224 px bilinear with antialiasing, ImageNet mean and deviation, class token",
        side=SIDE,
        span=span,
        device=device,
    )
