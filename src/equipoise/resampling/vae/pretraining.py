"""A classifier's trunk that has learned to encode images: the transfer of paper S0."""

from pathlib import Path

from sklearn.base import BaseEstimator
from torch import Tensor

from equipoise.arrays import Images, Labels
from equipoise.resampling.base import LabeledImages
from equipoise.resampling.fit_cache import Tensors
from equipoise.resampling.vae.fit import fit_vae
from equipoise.resampling.vae.plan import check_vae_settings, plan_vae
from equipoise.training.devices import resolve_device
from equipoise.training.loop import History


class VAEPretraining(BaseEstimator):
    """Trains the convolutions of a classifier as the encoder of a variational autoencoder on the same images.

    With the settings of a `VAEOversampler` whose `trunk` is the classifier's network, it is the very same fit: in
    one workspace it is trained once.

    Args:
        head_stride, latent_channels, base_channels, n_steps, batch_size, learning_rate, reconstruction, beta,
        augmentation, precision, device: See `VAEOversampler`.
        seed: Seed of the fit.

    Attributes:
        history_: Of the last fit; see `VAEOversampler`.

    Source: methods 3.6 (paper S0).
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
        seed: int = 0,
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
        self.seed = seed

    def check_settings(self, network: str, side: int) -> None:
        """Refuse settings that cannot work for a network on square images of that side in pixels.

        Raises:
            SettingError: A name is unknown, a number out of range, or the side does not suit.
        """
        check_vae_settings(self, network, side)

    def trunk(
        self,
        X: Images,
        y: Labels,
        *,
        network: str,
        validation: LabeledImages | None = None,
        workspace: Path | None = None,
    ) -> Tensors:
        """Fit, or find the finished fit, and return the trunk's tensors for `Backbone.trunk(network).load_state_dict`.

        Args:
            X: (n, c, s, s) real training images in storage type.
            y: (n,) labels; not looked at.
            network: The classifier's network, one of `backbones.BACKBONES`.
            validation: Real held-out images and labels; only watched.
            workspace: Folder of finished fits and checkpoints.

        Returns:
            Weights and buffers by name, on the processor and shared with nothing.

        Raises:
            DataError: The images are not square.
            SettingError: See `check_settings`.
            DivergedError: A loss became NaN or infinite.
        """
        plan = plan_vae(self, network, X)
        held = None if validation is None else validation[0]
        tensors, facts = fit_vae(
            plan, X, held, device=resolve_device(self.device), workspace=workspace
        )
        self.history_ = History(rows=list(facts["rows"]))
        return {
            name.removeprefix("trunk."): _own(t)
            for name, t in tensors.items()
            if name.startswith("trunk.")
        }


def _own(tensor: Tensor) -> Tensor:
    return tensor.detach().clone()
