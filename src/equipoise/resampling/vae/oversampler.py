"""Synthetic images from a variational autoencoder trained on all classes (paper S0)."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equipoise.arrays import Images, LabeledImages, Labels, quantize
from equipoise.discovery import pick
from equipoise.exceptions import SettingError
from equipoise.image_rows import ImageSource
from equipoise.networks.backbones import check_stored_network
from equipoise.randomness import RandomState, make_rng
from equipoise.resampling.base import Oversampler, Params
from equipoise.resampling.fit_cache import Fitted, Results, Tensors
from equipoise.resampling.generator_fit import N_COMPARED
from equipoise.resampling.strategy import Strategy
from equipoise.resampling.vae.fit import decode, encode, fit_vae, restore_vae
from equipoise.resampling.vae.latents import MODES, Encoded, LatentRequest, LatentSample
from equipoise.resampling.vae.plan import check_vae_settings, design_vae, plan_vae
from equipoise.training.batches import to_unit
from equipoise.training.collapse import check_diversity, relative_diversity
from equipoise.training.devices import resolve_device
from equipoise.training.loop import History


class VAEOversampler(Oversampler):
    """Add images decoded by a variational autoencoder to every class that needs more.

    The network learns from the whole training split without labels; labels choose the latents that
    new images start from. Images are quantized to the training images' type and range.

    Args:
        sampling_strategy: See `Oversampler`.
        random_state: Of the fit and of the images that `fit_resample` adds; see `Resampler`.
        mode: Where latents come from, a name of `MODES`: "posterior" (around one image of the
            class, every image in turn; paper S0), "interpolate" (between two images of the class),
            "class_gaussian" (one normal distribution for the class), "prior" (shows any class) or a
            SMOTE between near images of the class.
        temperature: Factor of the standard deviations in the modes that have any; 0 gives
            reconstructions.
        trunk: The classification network whose convolutions encode; see `backbones.find_backbone`.
        head_stride: See `VAEDesign`; paper S0's literal reading is 2 at 320 px.
        latent_channels: Channels of the latent map.
        base_channels: Channels of the decoder's last block; earlier ones have up to 16 times as
            many.
        n_steps: Updates (paper S0: 300 epochs).
        batch_size: Images in an update.
        learning_rate: Of Adam; it falls to 0 along a cosine. 1e-4 is for long fits; 800 steps on
            250 drawn images at 32 px, trunk="small_cnn", came to an error of 0.06 (cells, 4e-3) and
            0.07 (films, 2e-3).
        reconstruction: "sigma_vae" (needs no weight), "mse" (variance 0.01) or "bce".
        beta: Weight of the divergence from the prior; it grows from 0 over the first tenth of the
            steps.
        augmentation: One of `AUGMENTATIONS`; "cell" turns and mirrors.
        precision: "32-true" or "bf16-mixed" for training.
        device: "auto", "cpu", "cuda", ...

    Attributes:
        history_: loss, reconstruction (nats an image) and kl_per_cell and, about 20 times,
            {training, validation}_{error, active}; see `WatchReconstruction`.
        diversity_: {label: pairwise distance of generated images as a share of that of real ones}.
        sources_: (n, s) rows of `X` behind each image generated last: s is 1 in mode "posterior", 2
            in "interpolate", otherwise 0.

    Source: paper S0; Kingma & Welling (2014), arXiv 1312.6114, Eq. 3; Rybkin et al. (2021), arXiv
    2006.13202 ("sigma_vae"). Ours: the optimizer, the reconstruction and the decoder's widths,
    which the paper leaves open, and all modes but "posterior".

    Example:
        >>> images = np.random.default_rng(0).integers(0, 255, (12, 1, 12, 12)).astype(np.uint8)
        >>> labels = np.repeat([0, 1], [8, 4])
        >>> vae = VAEOversampler(
        ...     trunk="small_cnn",
        ...     n_steps=1,
        ...     batch_size=4,
        ...     latent_channels=2,
        ...     base_channels=2,
        ...     device="cpu",
        ... )
        >>> vae.fit_resample(images, labels)[0].shape
        (16, 1, 12, 12)

    See Also:
        SMOTEOversampler: The same interpolations between pixels instead of latents.
    """

    minimum: ClassVar[int] = 2

    def __init__(
        self,
        *,
        sampling_strategy: Strategy = "auto",
        random_state: RandomState = 0,
        mode: str = "posterior",
        temperature: float = 1.0,
        trunk: str = "densenet121",
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
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy, random_state=random_state)
        self.mode = mode
        self.temperature = temperature
        self.trunk = trunk
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

    def check_settings(self, side: int) -> None:
        """See `Resampler.check_settings`."""
        pick(MODES, self.mode, "mode")
        if not self.temperature >= 0:
            raise SettingError(f"Expected temperature of at least 0, got {self.temperature}.")
        check_vae_settings(self, self.trunk, side)

    def reconstruct(self, X: ImageSource) -> Images:
        """Encode images and decode their means, (n, c, s, s) in storage type."""
        self._check_fitted()
        mean, _ = encode(self.network_, X, self.span_)
        return self._stored(mean.flatten(1))

    def _fit(
        self,
        X: ImageSource,
        codes: Labels,
        validation: LabeledImages | None,
        workspace: Path | None,
    ) -> None:
        self.check_settings(X.shape[2])
        plan = plan_vae(self, self.trunk, X)
        device = resolve_device(self.device)
        held_out = None if validation is None else validation[0]
        tensors, results = fit_vae(plan, X, held_out, device=device, workspace=workspace)
        self.span_ = plan.value_range
        self.history_ = History(rows=list(results["rows"]))
        self.network_ = restore_vae(plan.design, tensors, device)
        mean, log_variance = encode(self.network_, X, self.span_)
        self.encoded_ = Encoded(mean.flatten(1).numpy(), log_variance.flatten(1).numpy(), codes)
        self.diversity_ = {}
        for code in self._wanted_codes.tolist():
            self.diversity_[self._label(code)] = self._diversity(X, code)
        for label, share in self.diversity_.items():
            check_diversity(share, f"class {label}", plan.advice)

    def _generate(self, codes: Labels, seed: int) -> Images:
        sources: list[list[int]] = [[] for _ in codes]

        def images_of(code: int, rows: NDArray[np.int64]) -> Images:
            sample = self._latents(code, len(rows), seed)
            for row, source in zip(rows.tolist(), sample.sources.tolist(), strict=True):
                sources[row] = source
            return self._stored(torch.as_tensor(sample.latents))

        images = self._generate_by_class(codes, images_of)
        self.sources_ = np.array(sources, dtype=np.int64)
        return images

    def _latents(self, code: int, n: int, seed: int) -> LatentSample:
        return MODES[self.mode](self.encoded_, LatentRequest(code, n, seed, self.temperature))

    @classmethod
    def _params_from_json(cls, params: Params) -> Params:
        check_stored_network(params["trunk"], "a stored VAE")
        return params

    def _stored(self, latents: Tensor) -> Images:
        return quantize(decode(self.network_, latents).numpy(), self.dtype_, self.span_)

    def _diversity(self, X: ImageSource, code: int) -> float:
        """Compare generated with training images of a class."""
        latents = self._latents(code, N_COMPARED, self.seed_).latents
        members = np.flatnonzero(self.encoded_.codes == code)
        rows = make_rng(self.seed_, "compared", code).permutation(members)[:N_COMPARED]
        real = to_unit(torch.as_tensor(X[rows].astype(np.float32)), self.span_)
        return relative_diversity(decode(self.network_, torch.as_tensor(latents)), real)

    def _state(self) -> Fitted:
        tensors: dict[str, Tensor] = {}
        for name, tensor in self.network_.state_dict().items():
            tensors[f"network/{name}"] = tensor
        for name, values in vars(self.encoded_).items():
            tensors[f"encoded/{name}"] = torch.as_tensor(values)
        return tensors, {
            "span": self.span_,
            "rows": self.history_.rows,
            "diversity": list(self.diversity_.items()),
        }

    def _set_state(self, tensors: Tensors, results: Results) -> None:
        low, high = results["span"]
        self.span_ = float(low), float(high)
        self.history_ = History(rows=list(results["rows"]))
        self.diversity_ = dict(results["diversity"])
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "encoded": {}}
        for name, tensor in tensors.items():
            part, _, key = name.partition("/")
            parts[part][key] = tensor
        encoded = {name: tensor.numpy() for name, tensor in parts["encoded"].items()}
        self.encoded_ = Encoded(**encoded)
        design = design_vae(self, self.trunk, self.shape_)
        self.network_ = restore_vae(design, parts["network"], resolve_device(self.device))
