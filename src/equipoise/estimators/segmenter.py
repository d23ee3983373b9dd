"""`Segmenter`: classifies every voxel of a scan, trained on patches that a patch sampler draws."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import nn

import equipoise
from equipoise.arrays import fingerprint
from equipoise.data.volume_dataset import VolumeDataset
from equipoise.estimators.base_segmenter import BaseSegmenter, check_same_kind
from equipoise.estimators.patch_fits import PatchFit, load_or_train
from equipoise.estimators.patch_training import METRIC, PatchFitRequest, train_patches
from equipoise.estimators.patches.balanced import BalancedPatches
from equipoise.estimators.patches.base import PatchSampler, healthy_class
from equipoise.estimators.patches.frequencies import Frequencies
from equipoise.estimators.prior_correction import prior_offset, tune_tau
from equipoise.estimators.segmenter_settings import SegmenterSettings
from equipoise.estimators.slice_scores import PatchLoss
from equipoise.estimators.sliding import Box, SlidingPredictor
from equipoise.exceptions import DataError
from equipoise.losses import LOSSES
from equipoise.losses.regions import pick_loss
from equipoise.networks.heads import replace_linear
from equipoise.networks.patch_networks import laid_out
from equipoise.randomness import RandomState, with_random_state
from equipoise.training.chance import isolated_chance
from equipoise.training.devices import resolve_device
from equipoise.training.loop import History
from equipoise.training.persistence import load_fitted, restore_weights, save_fitted

KIND = "segmenter"
BALANCED = BalancedPatches()


class Segmenter(BaseSegmenter):
    """Learns the classes of voxels from axial patches and predicts them for whole scans.

    Args:
        mode: "center": a patch is labeled by the class of its center pixel; "dense": all its pixels
            are labeled. In dense mode the pixels of a balanced batch are still imbalanced.
        network: One of `equipoise.networks.patch_networks.PATCH_NETWORKS`; None for
            "center_cnn_valid" or, in dense mode, "unet".
        width: Channels of its first layers.
        patch_size: Side of the patches in px.
        patch_sampler: Strategy for drawing patches; see `equipoise.estimators.patches`.
        jitter: Largest shift of a patch in px, so that the sampled voxel is not always its center;
            None for a quarter of `patch_size` in dense mode. In center mode there is none.
        loss: One of `equipoise.losses.LOSSES`, or in dense mode also of
            `equipoise.losses.regions.REGION_LOSSES`. It receives the expected class counts of the
            sampled voxels.
        n_steps: Optimizer steps (Adam, cosine schedule to 0).
        epoch_steps: Steps after which the patch sampler may adapt to the network.
        batch_size: Patches per step, at least 2.
        learning_rate: Initial learning rate.
        precision: "32-true" or "bf16-mixed" for training; predictions are always float32.
        prior_correction: Whether to correct the logits for the class shares that the patch sampler
            changed.
        keep_best: "mean_dice" keeps the weights with the best mean Dice of the regions on the
            validation slices, "last" those of the last step.
        evaluate_every: Steps between two validation evaluations; the last step is always evaluated.
        n_slices: Validation slices per evaluation, spread over the brains, plus one per region.
        stride: Pixels between the patches of a prediction in center mode; logits in between are
            bilinear.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        random_state: Source of the initial weights and of the patches; see `ImageClassifier`.

    Attributes:
        history_: Training loss, validation_mean_dice, validation_dice_<region>, and the statistics
            of the patch sampler.
        tau_: Strength of the prior correction, 0 to 1; 0 without it.
        training_shares_: (k,) class shares that the network was trained on: in center mode the
            expected ones of the sampled voxels, in dense mode the observed ones of the patch pixels
            within the brain.
        counts_: (k,) class counts that the loss received.
        frequencies_: Observed and target class shares of the patches; not saved.
        prior_: (k,) class shares of the valid training voxels.
        notes_: Sentences about what went wrong in the training; usually none.
        seconds_: Duration of the training (in whichever fit ran it) and of the tuning of tau.
        network_: The network, in evaluation mode.
        loss_: The loss, which turns logits into probabilities.
        class_names_: Names of the k classes.
        modalities_: Names of the c channels that scans must have, in that order.
        regions_: Name -> classes of the regions.

    Source: Small and Ventura (2017; paper S3 in docs/methods.md), who train patch networks that
    differ in the patch sampler alone. Ours takes real validation cases as an argument and never
    holds out training cases.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from equipoise.testing.segmenters import toy_brains
        >>> segmenter = Segmenter(patch_size=32, width=2, batch_size=4, n_steps=2, device="cpu")
        >>> with TemporaryDirectory() as folder:
        ...     brains = toy_brains(Path(folder))
        ...     images, _, mask = brains.arrays(1)
        ...     segmenter.fit(brains.subset([0])).predict(images, mask).shape
        (3, 14, 12)

    See Also:
        CascadeSegmenter: Finds the tumor first, then its parts.
    """

    def __init__(
        self,
        *,
        mode: str = "center",
        network: str | None = None,
        width: int = 16,
        patch_size: int = 64,
        patch_sampler: PatchSampler | str = BALANCED,
        jitter: int | None = None,
        loss: str = "cross_entropy",
        n_steps: int = 1000,
        epoch_steps: int = 100,
        batch_size: int = 120,
        learning_rate: float = 1e-3,
        precision: str = "32-true",
        prior_correction: bool = False,
        keep_best: str = "mean_dice",
        evaluate_every: int = 100,
        n_slices: int = 16,
        stride: int = 4,
        device: str = "auto",
        random_state: RandomState = 0,
    ) -> None:
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
        self.random_state = random_state

    def fit(
        self,
        train: VolumeDataset,
        *,
        validation: VolumeDataset | None = None,
        workspace: str | Path | None = None,
    ) -> Self:
        """Train on cases; see `BaseSegmenter.fit`.

        Without validation cases, or without any region in them, the last weights are kept and tau
        is 1. Segmenters that differ in `prior_correction` alone share a training in the workspace.
        """
        self._set_seed()
        settings = self.settings
        settings.check()
        check_same_kind(train, validation)
        self._set_classes(train.class_names, train.modalities, train.regions)
        self.background_ = healthy_class(train) == 0
        shares = settings.sampler().shares(train)  # raises for cases without a voxel
        self.prior_ = train.counts / train.counts.sum()
        # a class without a voxel counts as one, or the loss would have no weight for it
        expected_counts = np.rint(settings.n_steps * settings.batch_size * shares)
        self.counts_ = np.maximum(expected_counts, 1).astype(np.int64)
        self._build(settings)
        key = fingerprint(
            train.fingerprint,
            None if validation is None else validation.fingerprint,
            replace(settings, prior_correction=False),
            equipoise.__version__,
        )

        def train_once(checkpoint: Path | None) -> PatchFit:
            return self._train(settings, train, validation, checkpoint)

        trained = load_or_train(None if workspace is None else Path(workspace), key, train_once)
        started = time.perf_counter()
        self._modules().load_state_dict(dict(trained.tensors))
        self._store_statistics(trained, shares)
        self.tau_ = 1.0 if settings.prior_correction else 0.0
        if settings.prior_correction and validation is not None:
            offset = self._prior_offset()
            self.tau_ = tune_tau(self._predictor, self.loss_, validation, offset)
        self.seconds_ = trained.seconds + time.perf_counter() - started
        return self

    def probabilities(self, images: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return (k, z, y, x) probabilities; see `BaseSegmenter.probabilities`."""
        check_is_fitted(self, "tau_")
        scores = np.zeros((len(self.class_names_), *mask.shape), dtype=np.float32)
        scores[0] = 1.0
        for z, box, slice_scores in self.slices(images, mask):
            inside = mask[z][box]
            scores[:, z, *box][:, inside] = slice_scores[:, inside]
        return scores

    def predict(self, images: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Return the (z, y, x) most probable class of each voxel, 0 outside the mask."""
        codes = np.zeros(mask.shape, dtype=np.uint8)
        for z, box, slice_scores in self.slices(images, mask):
            codes[z, *box] = np.where(mask[z][box], slice_scores.argmax(axis=0), 0)
        return codes

    def slices(
        self, images: NDArray[Any], mask: NDArray[np.bool_]
    ) -> Iterator[tuple[int, Box, NDArray[np.float32]]]:
        """Yield the probabilities slice by slice, so that memory does not grow with the volume.

        Yields:
            The slice z, the smallest box (slices along y and x) around its mask, and (k, h, w)
            probabilities there; nothing for slices without a mask.

        Raises:
            NotFittedError: `fit` has not been called.
            DataError: Images of other modalities, or a mask of another shape or type.
        """
        check_is_fitted(self, "tau_")
        expected = (len(self.modalities_), *mask.shape)
        if images.shape != expected or mask.dtype != bool:
            raise DataError(
                f"Expected images of the modalities {', '.join(self.modalities_)} and a boolean "
                f"mask on one grid, shape {expected}, got images of shape {images.shape} and a "
                f"mask of {mask.dtype}."
            )
        offset = torch.as_tensor(self.tau_ * self._prior_offset(), dtype=torch.float32)
        for z, box, logits in self._predictor.slices(images, mask):
            corrected = logits + offset.to(logits.device)[:, None, None]
            scores = self.loss_.probabilities(corrected.unsqueeze(0))[0]
            yield z, box, scores.cpu().numpy()

    def save(self, folder: str | Path) -> None:
        """Write `model.safetensors` and `model.json`; see `BaseSegmenter.save`.

        Of the patch sampler only its description is stored.
        """
        check_is_fitted(self, "tau_")
        fitted = {
            "class_names_": self.class_names_,
            "modalities_": self.modalities_,
            "regions_": self.regions_,
            "background_": self.background_,
            "drawn_": self.training_shares_.tolist(),
            "counts_": self.counts_.tolist(),
            "prior_": self.prior_.tolist(),
            "tau_": self.tau_,
            "notes_": self.notes_,
            "seconds_": self.seconds_,
        }
        settings = self._with_seed(self.get_params(deep=False))
        settings["patch_sampler"] = str(self.patch_sampler)
        parts = {"settings": settings, "fitted": fitted}
        save_fitted(Path(folder), KIND, self._modules().state_dict(), parts)

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "auto") -> Self:
        """Read a segmenter that `save` wrote; see `BaseSegmenter.load`."""
        tensors, stored = load_fitted(Path(folder), KIND)
        fitted = stored["fitted"]
        loaded = cls(**with_random_state({**stored["settings"], "device": device}))
        loaded._set_classes(fitted["class_names_"], fitted["modalities_"], fitted["regions_"])
        loaded.background_ = bool(fitted["background_"])
        loaded.training_shares_ = np.asarray(fitted["drawn_"])
        loaded.counts_ = np.asarray(fitted["counts_"])
        loaded.prior_ = np.asarray(fitted["prior_"])
        loaded.tau_ = float(fitted["tau_"])
        loaded.notes_ = tuple(fitted["notes_"])
        loaded.seconds_ = float(fitted["seconds_"])
        loaded._build(loaded.settings)
        restore_weights(loaded._modules(), tensors, folder)
        return loaded

    @property
    def settings(self) -> SegmenterSettings:
        """The parameters as a typed record."""
        return SegmenterSettings(**self._with_seed(self.get_params(deep=False)))

    def check_settings(self, size: int | None = None) -> None:
        """Raise unless the settings can work; see `BaseSegmenter.check_settings`."""
        self.settings.check()

    def _build(self, settings: SegmenterSettings) -> None:
        """Build the loss and the network, whose initial weights depend on the seed alone."""
        device = resolve_device(settings.device)
        architecture = settings.architecture
        with isolated_chance(settings.seed, "segmenter", "first weights"):
            network = architecture.build(
                len(self.modalities_), len(self.class_names_), settings.width
            )
            if architecture.head is not None:
                replace_linear(network, architecture.head, LOSSES[settings.loss].head)
        self.network_: nn.Module = laid_out(network).to(device).eval()
        self._predictor = SlidingPredictor(
            architecture, self.network_, settings.patch_size, settings.stride
        )
        counts = torch.as_tensor(self.counts_)
        if architecture.dense:
            loss: PatchLoss = pick_loss(settings.loss, counts, background=self.background_)
        else:
            loss = LOSSES[settings.loss](counts)
        self.loss_: PatchLoss = loss.to(device)

    def _train(
        self,
        settings: SegmenterSettings,
        train: VolumeDataset,
        validation: VolumeDataset | None,
        checkpoint: Path | None,
    ) -> PatchFit:
        started = time.perf_counter()
        self.network_.train()
        frequencies = Frequencies(train.class_names, settings.sampler().shares(train))
        request = PatchFitRequest(
            train=train,
            validation=validation,
            settings=settings,
            predictor=self._predictor,
            loss=self.loss_,
            frequencies=frequencies,
            file=checkpoint,
        )
        history = train_patches(request)
        self.network_.eval()
        return PatchFit(
            tensors=self._modules().state_dict(),
            rows=history.rows,
            voxels=frequencies.voxels.tolist(),
            pixels=frequencies.pixels.tolist(),
            seconds=time.perf_counter() - started,
        )

    def _store_statistics(self, trained: PatchFit, shares: NDArray[np.float64]) -> None:
        """Store the history and the class frequencies of a training."""
        self.frequencies_ = Frequencies(self.class_names_, shares)
        self.frequencies_.voxels = np.array(trained.voxels, dtype=np.int64)
        self.frequencies_.pixels = np.array(trained.pixels, dtype=np.int64)
        pixels = self.frequencies_.pixels
        dense = self._predictor.architecture.dense
        self.training_shares_ = pixels / pixels.sum() if dense else self.frequencies_.targets
        self.history_ = History(rows=trained.rows)
        self.notes_ = training_notes(self.history_)

    def _prior_offset(self) -> NDArray[np.float64]:
        return prior_offset(self.prior_, self.training_shares_)

    def _modules(self) -> nn.ModuleDict:
        return nn.ModuleDict({"network": self.network_, "loss": self.loss_})


def training_notes(history: History) -> tuple[str, ...]:
    """Describe a training whose validation Dice collapsed or never rose; usually nothing.

    nnU-Net reports such a case (issue 3048): all classes learned after 55 epochs, a Dice of 0.0002
    after 1,000.
    """
    scores = [value for _, value in history.column(METRIC)]
    if not scores:
        return ()
    best = max(scores)
    if best == 0:
        return (
            "The network found no part of any region on the validation slices, at no time of the "
            "training.",
        )
    if scores[-1] < best / 2:
        return (
            "The training collapsed: the mean Dice on the validation slices fell from "
            f"{best:.2f} to {scores[-1]:.2f}. The best weights were kept, unless keep_best='last'.",
        )
    return ()
