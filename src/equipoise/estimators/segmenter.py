"""`Segmenter`: tells the classes of every voxel of a scan, trained on patches that a patch sampler draws."""

import time
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch import nn

import equipoise
from equipoise.arrays import fingerprint
from equipoise.data.volume_dataset import VolumeDataset
from equipoise.estimators.patch_fits import PatchFit, once
from equipoise.estimators.patch_training import METRIC, PatchTask, train_patches
from equipoise.estimators.patches.balanced import BalancedPatches
from equipoise.estimators.patches.base import PatchSampler, healthy_class
from equipoise.estimators.patches.frequencies import Frequencies
from equipoise.estimators.prior_correction import prior_offset, tune_tau
from equipoise.estimators.segmenter_settings import check_segmenter_settings, patch_network
from equipoise.estimators.slice_scores import PatchLoss
from equipoise.estimators.sliding import SeenSlice, Slider
from equipoise.exceptions import DataError
from equipoise.losses import LOSSES
from equipoise.losses.regions import pick_loss
from equipoise.networks.heads import replace_linear
from equipoise.networks.patch_networks import PatchNetwork, laid_out
from equipoise.training.chance import isolated_chance
from equipoise.training.devices import resolve_device
from equipoise.training.loop import History
from equipoise.training.persistence import load_fitted, save_fitted

Mask = NDArray[np.bool_]  # (z, y, x)
BALANCED = BalancedPatches()


class Segmenter(BaseEstimator):
    """Learns the classes of voxels from axial patches and finds them in whole scans.

    Args:
        mode: "center": the label of a patch is the class of its center pixel; "dense": all its pixels have theirs.
            In dense mode the pixels of a balanced batch are still imbalanced.
        network: One of `equipoise.networks.patch_networks.PATCH_NETWORKS`; None for "center_cnn_valid" or, in dense
            mode, "unet".
        width: Channels of its first layers.
        patch_size: Side of the patches in px.
        patch_sampler: What draws them; see `equipoise.estimators.patches`.
        jitter: Pixels by which patches are moved at most, so that what was drawn is not always in the middle; None
            for a quarter of `patch_size` in dense mode. In center mode there is none.
        loss: One of `equipoise.losses.LOSSES`, or in dense mode of `equipoise.losses.regions.REGION_LOSSES` too. It
            is told the expected counts of the classes among the voxels drawn.
        n_steps: Optimizer steps (Adam, learning rate to 0 as a cosine).
        epoch_steps: Steps after which the patch sampler may learn from the network.
        batch_size: Patches in a step, at least 2.
        learning_rate: Its first value.
        precision: "32-true" or "bf16-mixed" for training; predictions are always float32.
        prior_correction: Whether to correct the logits for the class shares that the patch sampler changed.
        keep_best: "mean_dice" keeps the weights with the best mean Dice of the regions on the validation slices,
            "last" those of the last step.
        evaluate_every: Steps between two looks at the validation slices; the last step is always looked at.
        n_slices: Validation slices of a look, spread over the brains; one for each region is added.
        stride: Pixels between the patches of a prediction in center mode; logits in between are bilinear.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        seed: Seed of the first weights and the patches.

    Attributes:
        history_: Training loss, validation_mean_dice, validation_dice_<region>, and what the patch sampler found.
        tau_: How much of the prior correction is used, 0 to 1; 0 without it.
        drawn_: (k,) class shares that the network was trained under: in center mode the expected ones of the voxels
            drawn, in dense mode those of the pixels of the patches within the brain, as they came.
        counts_: (k,) class counts that the loss was told.
        frequencies_: Classes drawn against those asked for; see `equipoise.estimators.patches.frequencies`.
        prior_: (k,) class shares of the valid training voxels.
        notes_: Sentences about what went wrong in the training; usually none.
        seconds_: Duration of the training (by whichever fit did it) and of the tuning of tau.
        network_: The network, in evaluation mode.
        loss_: What turns its logits into probabilities.
        class_names_: Names of the k classes.
        modalities_: Names of the c channels that scans must have, in that order.
        regions_: Name -> classes of the regions.

    Source: methods 6.2 to 6.6 and A.7 (paper S3). Real validation cases are handed in, never cut out of the others.
    """

    def __init__(
        self, *, mode: str = "center", network: str | None = None, width: int = 16, patch_size: int = 64,
        patch_sampler: PatchSampler | str = BALANCED, jitter: int | None = None, loss: str = "cross_entropy",
        n_steps: int = 1000, epoch_steps: int = 100, batch_size: int = 120, learning_rate: float = 1e-3,
        precision: str = "32-true", prior_correction: bool = False, keep_best: str = "mean_dice",
        evaluate_every: int = 100, n_slices: int = 16, stride: int = 4, device: str = "auto", seed: int = 0,
    ) -> None:  # fmt: skip
        self.mode = mode
        self.network = network
        self.width = width
        self.patch_size = patch_size
        self.patch_sampler = patch_sampler
        self.jitter = jitter
        self.loss = loss
        self.n_steps = n_steps
        self.epoch_steps = epoch_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.precision = precision
        self.prior_correction = prior_correction
        self.keep_best = keep_best
        self.evaluate_every = evaluate_every
        self.n_slices = n_slices
        self.stride = stride
        self.device = device
        self.seed = seed

    def fit(
        self,
        train: VolumeDataset,
        *,
        validation: VolumeDataset | None = None,
        workspace: Path | None = None,
    ) -> Self:
        """Learn from cases; a fit that was killed goes on from its checkpoint, to the same weights.

        Args:
            train: Cases with their label maps.
            validation: Real held-out cases of the same classes and modalities, which choose the weights and tau.
                Without them, or without any region in them, the last weights are kept and tau is 1.
            workspace: Folder of checkpoints and finished trainings; segmenters that differ in `prior_correction`
                alone share one, also between processes. None keeps nothing.

        Raises:
            DataError: No voxels to draw, or validation cases of another kind.
            SettingError: A setting is unknown or out of range.
            DivergedError: The loss became NaN or infinite.
        """
        self.check_settings()
        _check_same_kind(train, validation)
        self._describe(train)
        self._make_parts()
        key = self._key(train, validation)
        trained = once(
            workspace, key, lambda checkpoint: self._train(train, validation, checkpoint)
        )
        started = time.perf_counter()
        self._parts().load_state_dict(dict(trained.tensors))
        self.frequencies_ = Frequencies(train.class_names, self._asked(train))
        self.frequencies_.load_state_dict(
            {
                name: torch.tensor(trained.facts[name], dtype=torch.int64)
                for name in ("drawn", "pixels")
            }
        )
        pixels = self.frequencies_.pixels
        self.drawn_ = pixels / pixels.sum() if self._kind.dense else self.frequencies_.asked
        self.history_ = History(rows=trained.facts["rows"])
        self.notes_ = training_notes(self.history_)
        self.tau_ = self._tune(validation)
        self.seconds_ = trained.facts["seconds"] + time.perf_counter() - started
        return self

    def probabilities(self, images: NDArray[Any], mask: Mask) -> NDArray[np.float32]:
        """Give (k, z, y, x) probabilities for images (c, z, y, x); class 0 has all outside the mask (z, y, x).

        Raises:
            NotFittedError: `fit` has not been called.
            DataError: Images of other modalities, or a mask of another shape.
        """
        check_is_fitted(self, "tau_")
        found = np.zeros((len(self.class_names_), *mask.shape), dtype=np.float32)
        found[0] = 1.0
        for z, box, chances in self.slices(images, mask):
            inside = mask[z][box]
            found[:, z, *box][:, inside] = chances[:, inside]
        return found

    def predict(self, images: NDArray[Any], mask: Mask) -> NDArray[np.uint8]:
        """Give the (z, y, x) most probable class of each voxel, 0 outside the mask; see `probabilities`."""
        codes = np.zeros(mask.shape, dtype=np.uint8)
        for z, box, chances in self.slices(images, mask):
            codes[z, *box] = np.where(mask[z][box], chances.argmax(axis=0), 0)
        return codes

    def slices(
        self, images: NDArray[Any], mask: Mask
    ) -> Iterator[tuple[int, tuple[slice, slice], NDArray[np.float32]]]:
        """Give one slice after another where the mask holds a voxel, so that memory does not grow with the volume.

        Yields:
            The slice z, the smallest box (slices along y and x) around its mask, and (k, h, w) probabilities there.

        Raises:
            NotFittedError: `fit` has not been called.
            DataError: Images of other modalities, or a mask of another shape.
        """
        check_is_fitted(self, "tau_")
        expected = (len(self.modalities_), *mask.shape)
        if images.shape != expected or mask.dtype != bool:
            raise DataError(
                f"Expected images of the modalities {', '.join(self.modalities_)} and a mask of booleans on one "
                f"grid, shape {expected}, got images of shape {images.shape} and a mask of {mask.dtype}."
            )
        yield from (self._decoded(seen) for seen in self._slider.slices(images, mask))

    def save(self, folder: Path) -> None:
        """Write `model.safetensors` and `model.json` into a new folder.

        Of the patch sampler only its description is kept; history and frequencies are not.
        """
        check_is_fitted(self, "tau_")
        facts = {name: _plain(getattr(self, name)) for name in FACTS}
        settings = {**self.get_params(deep=False), "patch_sampler": str(self.patch_sampler)}
        save_fitted(
            folder, KIND, self._parts().state_dict(), {"settings": settings, "fitted": facts}
        )

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto") -> Self:
        """Read a segmenter that `save` wrote and put it on a device; it predicts and is not trained further.

        Raises:
            DataError: The folder holds no saved segmenter.
            SettingError: The device is not there.
        """
        tensors, facts = load_fitted(folder, KIND)
        loaded = cls(**{**facts["settings"], "device": device})
        for name, restore in FACTS.items():
            setattr(loaded, name, restore(facts["fitted"][name]))
        loaded._make_parts()
        loaded._parts().load_state_dict(tensors)
        return loaded

    def check_settings(self, size: int | None = None) -> None:
        """Refuse settings that cannot work, before any case is read.

        Args:
            size: Smaller side of the slices in px. Any will do: a patch may be larger than the scan.

        Raises:
            SettingError: A name is unknown, a number out of range, or two settings contradict each other.
        """
        check_segmenter_settings(self.get_params(deep=False))

    def _describe(self, train: VolumeDataset) -> None:
        """Note what of the training cases is needed to predict."""
        self.class_names_, self.modalities_ = train.class_names, train.modalities
        self.regions_ = dict(train.regions)
        self.background_ = healthy_class(train) == 0
        told = np.rint(
            self.n_steps * self.batch_size * self._asked(train)
        )  # refuses cases without a voxel
        self.prior_ = train.counts / train.counts.sum()
        self.counts_ = np.maximum(told, 1).astype(
            np.int64
        )  # a class without a voxel must not break the fit

    def _asked(self, train: VolumeDataset) -> NDArray[np.float64]:
        return self.patch_sampler.shares(train)  # type: ignore[union-attr]  # not text: see check_settings

    def _make_parts(self) -> None:
        """Build the network with its first weights, which depend on the seed alone, and the loss."""
        device = resolve_device(self.device)
        with isolated_chance(self.seed, "segmenter", "first weights"):
            network = self._kind.build(len(self.modalities_), len(self.class_names_), self.width)
            if self._kind.head is not None:
                replace_linear(network, self._kind.head, LOSSES[self.loss].head)
        self.network_: nn.Module = laid_out(network).to(device).eval()
        counts = torch.as_tensor(self.counts_)
        if self._kind.dense:
            self.loss_: PatchLoss = pick_loss(self.loss, counts, background=self.background_).to(
                device
            )
        else:
            self.loss_ = LOSSES[self.loss](counts).to(device)

    def _train(
        self, train: VolumeDataset, held: VolumeDataset | None, checkpoint: Path | None
    ) -> PatchFit:
        started = time.perf_counter()
        self.network_.train()
        frequencies = Frequencies(train.class_names, self._asked(train))
        task = PatchTask(
            train=train,
            held=held,
            asked=self.get_params(deep=False),
            slider=self._slider,
            loss=self.loss_,
            frequencies=frequencies,
            file=checkpoint,
        )
        history = train_patches(task)
        self.network_.eval()
        counted = {name: count.tolist() for name, count in frequencies.state_dict().items()}
        facts = {"rows": history.rows, **counted, "seconds": time.perf_counter() - started}
        return PatchFit(self._parts().state_dict(), facts)

    def _tune(self, validation: VolumeDataset | None) -> float:
        if not self.prior_correction:
            return 0.0
        if validation is None:
            return 1.0
        return tune_tau(
            self._slider, self.loss_, validation, prior_offset(self.prior_, self.drawn_)
        )

    def _decoded(self, seen: SeenSlice) -> tuple[int, tuple[slice, slice], NDArray[np.float32]]:
        offset = torch.as_tensor(
            self.tau_ * prior_offset(self.prior_, self.drawn_), dtype=torch.float32
        )
        logits = seen.logits + offset.to(seen.logits.device)[:, None, None]
        chances: NDArray[np.float32] = (
            self.loss_.probabilities(logits.unsqueeze(0))[0].cpu().numpy()
        )
        return seen.z, seen.box, chances

    def _key(self, train: VolumeDataset, held: VolumeDataset | None) -> str:
        """Name the training after all that it depends on; the prior correction comes after it."""
        settings = {**self.get_params(deep=False), "prior_correction": None}
        contents = (train.fingerprint, held and held.fingerprint)
        return fingerprint(
            *contents, sorted(settings.items(), key=itemgetter(0)), equipoise.__version__
        )

    def _parts(self) -> nn.ModuleDict:
        return nn.ModuleDict({"network": self.network_, "loss": self.loss_})

    @property
    def _kind(self) -> PatchNetwork:
        return patch_network(self.get_params(deep=False))

    @property
    def _slider(self) -> Slider:
        return Slider(self._kind, self.network_, self.patch_size, self.stride)


KIND = "segmenter"
FACTS: dict[
    str, Callable[[Any], Any]
] = {  # what `save` keeps beside settings and weights -> how it is read again
    "class_names_": tuple,
    "modalities_": tuple,
    "regions_": lambda regions: {name: tuple(codes) for name, codes in regions.items()},
    "background_": bool,
    "drawn_": np.asarray,
    "counts_": np.asarray,
    "prior_": np.asarray,
    "tau_": float,
    "notes_": tuple,
    "seconds_": float,
}


def training_notes(history: History) -> tuple[str, ...]:
    """Say what a doctor should know about a training whose scores on the validation slices fell, or never rose.

    Source: anchors 19 (nnU-Net 3048: all classes learned after 55 epochs, Dice 0.0002 after 1,000).
    """
    scores = [value for _, value in history.column(METRIC)]
    if not scores:
        return ()
    best, last = max(scores), scores[-1]
    if best == 0:
        return (
            "The network found no part of any region on the validation slices, at no time of the training.",
        )
    if last < best / 2:
        return (
            f"The training collapsed: the mean Dice on the validation slices fell from {best:.2f} to {last:.2f}. "
            "Unless the last weights were asked for, the best ones were kept.",
        )
    return ()


def _check_same_kind(train: VolumeDataset, validation: VolumeDataset | None) -> None:
    if validation is None:
        return
    ours, theirs = ((data.modalities, data.class_names) for data in (train, validation))
    if ours != theirs:
        raise DataError(
            f"Expected validation cases with the modalities and classes of the training, {ours}, got {theirs}."
        )


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value
