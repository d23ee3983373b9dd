"""The features of DINOv2, for those who have the package `transformers` and reach its hub, or have the folder."""

from importlib import import_module
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from equipoise.arrays import ValueRange
from equipoise.exceptions import WeightsError
from equipoise.features.network import NetworkExtractor, Stretched
from equipoise.networks.weights import InputNormalization

MODEL = "facebook/dinov2-small"
REVISION = "ed25f3a31f01632728cabb09d1542f84ab7b0056"
FILES = ("dinov2-small",)  # a folder with config.json and model.safetensors
SIDE, DIMENSION = 224, 384


class ClassToken(nn.Module):
    """The class token behind the last norm."""

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
    """Make the extractor of DINOv2 ViT-S/14: the class token of an image of 224 px, 384 numbers.

    Args:
        weights: A folder with config.json and model.safetensors; None takes revision ed25f3a of
            facebook/dinov2-small from the hub, once. Only safetensors are read, and no code of the hub is run.
        device: Where to compute.
        span: See `NetworkExtractor`.

    Source: Oquab et al. 2023 (arXiv 2304.07193), Apache-2.0. Theirs takes the middle of an image of 256 px; here
    the whole image is stretched to 224 px.

    Raises:
        WeightsError: The package is missing, or the weights cannot be had; says what to do.
        SettingError: No such device.
    """
    model = _model(weights)
    return NetworkExtractor(
        "dinov2",
        nn.Sequential(Stretched(SIDE), InputNormalization(), ClassToken(model)),
        dimension=model.config.hidden_size,
        preparation="224 px bilinear with antialiasing, ImageNet mean and deviation, class token",
        side=SIDE,
        span=span,
        device=device,
    )


def _model(weights: str | Path | None) -> Any:
    try:
        transformers = import_module("transformers")
    except ImportError as error:
        raise WeightsError(
            "The extractor dinov2 needs the package transformers. Install it with `pip install transformers`, or "
            "use the extractor inception or imagenet."
        ) from error
    asked: dict[str, Any] = {"use_safetensors": True, "trust_remote_code": False}
    try:
        if weights is None:
            return transformers.Dinov2Model.from_pretrained(MODEL, revision=REVISION, **asked)
        return transformers.Dinov2Model.from_pretrained(
            Path(weights), local_files_only=True, **asked
        )
    except (
        OSError,
        ValueError,
        RuntimeError,
    ) as error:  # no connection, no such folder, damaged, does not fit
        raise WeightsError(
            f"Cannot get {MODEL} from {weights or 'its hub'}: {error}. Download config.json and model.safetensors "
            f"of revision {REVISION} elsewhere and pass their folder (weights='/path/{FILES[0]}')."
        ) from error
