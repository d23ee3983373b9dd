"""Pretrain a classifier's trunk as the encoder of a VAE: the transfer of paper S0."""

from pathlib import Path

from sklearn.base import BaseEstimator
from torch import Tensor

from equipoise.arrays import LabeledImages, Labels
from equipoise.image_rows import ImageSource
from equipoise.randomness import RandomState, Seeded
from equipoise.resampling.fit_cache import Tensors
from equipoise.resampling.vae.fit import fit_vae
from equipoise.resampling.vae.plan import check_vae_settings, plan_vae
from equipoise.training.devices import resolve_device
from equipoise.training.loop import History


class VAEPretraining(Seeded, BaseEstimator):
    """Train the convolutions of a classifier as the encoder of a VAE on the same images.

    With the settings of a `VAEOversampler` whose `trunk` is the classifier's network, it is the
    same fit: in one workspace it is trained once.

    Args:
        **settings: Those of the same names of `VAEOversampler`.

    Attributes:
        history_: Of the last fit; see `VAEOversampler`.

    Source: paper S0, whose classifier starts from the encoder of its VAE.

    Example:
        >>> import numpy as np
        >>> images = np.random.default_rng(0).integers(0, 255, (8, 1, 12, 12)).astype(np.uint8)
        >>> vae = VAEPretraining(
        ...     n_steps=1, batch_size=4, latent_channels=2, base_channels=2, device="cpu"
        ... )
        >>> tensors = vae.trunk(images, np.zeros(8, dtype=np.int64), network="small_cnn")
        >>> sorted(tensors)[0]
        '0.bias'

    See Also:
        VAEOversampler: Adds images decoded by the same network.
    """

    def __init__(
        self,
        *,
        head_stride: int = 1,
        latent_channels: int = 256,
        base_channels: int = 16,
        n_steps: int = 2000,
        batch_size: int = 32,
        learning_rate: float = 1e-4,
        reconstruction: str = "sigma_vae",
        beta: float = 1.0,
        augmentation: str = "none",
        precision: str = "32-true",
        device: str = "auto",
        random_state: RandomState = 0,
    ) -> None:
        self.head_stride = head_stride
        self.latent_channels = latent_channels
        self.base_channels = base_channels
        self.n_steps = n_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.reconstruction = reconstruction
        self.beta = beta
        self.augmentation = augmentation
        self.precision = precision
        self.device = device
        self.random_state = random_state

    def check_settings(self, network: str, side: int) -> None:
        """Refuse settings that cannot work for a network on square images of that side in pixels.

        Raises:
            SettingError: A name is unknown, a number out of range, or the side does not suit.
        """
        check_vae_settings(self, network, side)

    def trunk(
        self,
        X: ImageSource,
        y: Labels,
        *,
        network: str,
        validation: LabeledImages | None = None,
        workspace: Path | None = None,
    ) -> Tensors:
        """Fit, or load the finished fit, and return the tensors of `Backbone.trunk(network)`.

        Args:
            X: (n, c, s, s) real training images in storage type.
            y: (n,) labels; ignored.
            network: The classifier's network, see `backbones.find_backbone`.
            validation: Real held-out images and labels, recorded but never learned from.
            workspace: Folder of finished fits and checkpoints.

        Returns:
            Weights and buffers by name, on the processor and shared with nothing.

        Raises:
            DataError: The images are not square.
            SettingError: See `check_settings`.
            DivergedError: A loss became NaN or infinite.
        """
        self._set_seed()
        plan = plan_vae(self, network, X)
        tensors, results = fit_vae(
            plan,
            X,
            None if validation is None else validation[0],
            device=resolve_device(self.device),
            workspace=workspace,
        )
        self.history_ = History(rows=list(results["rows"]))
        trunk: dict[str, Tensor] = {}
        for name, tensor in tensors.items():
            if name.startswith("trunk."):
                trunk[name.removeprefix("trunk.")] = tensor.detach().clone()
        return trunk
