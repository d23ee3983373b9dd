"""The settings of a segmenter as a typed record, and its checks."""

from dataclasses import dataclass

import torch

from equipoise.discovery import pick
from equipoise.estimators.patches.base import PatchSampler
from equipoise.exceptions import SettingError
from equipoise.losses import LOSSES
from equipoise.losses.regions import REGION_LOSSES, pick_loss
from equipoise.networks.patch_networks import CENTER_CNN_VALID, PATCH_NETWORKS, UNET, PatchNetwork
from equipoise.training.devices import PRECISIONS, resolve_device
from equipoise.validation import check_whole

MODES = {"center": CENTER_CNN_VALID, "dense": UNET}  # mode -> its default network
KEEP_BEST = {"mean_dice": True, "last": False}  # name -> whether validation chooses the weights


@dataclass(frozen=True, kw_only=True)
class SegmenterSettings:
    """The parameters of `Segmenter`, which describes them, as its fit reads them."""

    mode: str
    network: str | None
    width: int
    patch_size: int
    patch_sampler: PatchSampler | str
    jitter: int | None
    loss: str
    n_steps: int
    epoch_steps: int
    batch_size: int
    learning_rate: float
    precision: str
    prior_correction: bool
    keep_best: str
    evaluate_every: int
    n_slices: int
    stride: int
    device: str
    seed: int

    @property
    def dense(self) -> bool:
        """Whether the network labels every pixel of a patch, not only its center."""
        return self.architecture.dense

    @property
    def architecture(self) -> PatchNetwork:
        """The network by its name, or the default one of the mode.

        Raises:
            SettingError: The mode or the network is unknown, or they do not match.
        """
        default = pick(MODES, self.mode, "mode")
        if self.network is None:
            return default
        architecture = pick(PATCH_NETWORKS, self.network, "network")
        if architecture.dense != default.dense:
            names = [name for name, it in PATCH_NETWORKS.items() if it.dense == default.dense]
            raise SettingError(
                f"Expected a network for mode='{self.mode}', got '{architecture.name}'. Use one "
                f"of: {', '.join(names)}."
            )
        return architecture

    @property
    def max_jitter(self) -> int:
        """Largest shift of a patch in px; in dense mode by default a quarter of its side."""
        if self.jitter is not None:
            return self.jitter
        return self.patch_size // 4 if self.mode == "dense" else 0

    def sampler(self) -> PatchSampler:
        """Return the patch sampler.

        Raises:
            SettingError: There is only its description, as in a loaded segmenter, or no sampler.
        """
        sampler = self.patch_sampler
        if not isinstance(sampler, PatchSampler):
            raise SettingError(
                "Expected patch_sampler as one of equipoise.estimators.patches, such as "
                f"BalancedPatches(), got {sampler!r}. A loaded segmenter only predicts; create a "
                "new one to train."
            )
        return sampler

    def check(self) -> None:
        """Raise unless these settings can work.

        Raises:
            SettingError: A name is unknown, a number out of range, or two settings contradict.
        """
        architecture = self.architecture
        for name in ("width", "patch_size", "n_steps", "epoch_steps"):
            check_whole(name, getattr(self, name), minimum=1)
        for name in ("evaluate_every", "n_slices", "stride"):
            check_whole(name, getattr(self, name), minimum=1)
        check_whole("batch_size", self.batch_size, minimum=2)
        architecture.check_size(self.patch_size)
        self._check_loss()
        pick(PRECISIONS, self.precision, "precision")
        pick(KEEP_BEST, self.keep_best, "value for keep_best")
        resolve_device(self.device)
        if not self.learning_rate > 0:
            raise SettingError(f"Expected a positive learning_rate, got {self.learning_rate}.")
        self.sampler()
        if self.jitter is not None:
            check_whole("jitter", self.jitter, minimum=0)
        if self.jitter and self.mode == "center":
            raise SettingError(
                f"Expected jitter=0 with mode='center', got {self.jitter}: the label of a patch "
                "is the class of its center pixel, which has to be the sampled voxel."
            )
        if architecture.slides and self.stride % architecture.stride:
            raise SettingError(
                f"Expected a stride that is a multiple of {architecture.stride} for the network "
                f"'{architecture.name}', got {self.stride}. The network 'center_cnn' takes any."
            )

    def _check_loss(self) -> None:
        if self.mode == "dense":
            pick_loss(self.loss, torch.ones(3))
        elif self.loss in REGION_LOSSES:
            raise SettingError(
                f"Expected a loss of single pixels with mode='center', got '{self.loss}', which "
                "compares regions. Use mode='dense'."
            )
        else:
            pick(LOSSES, self.loss, "loss")
