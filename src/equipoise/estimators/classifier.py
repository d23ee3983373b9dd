"""`ImageClassifier`: a scikit-learn classifier of images, trained for a number of optimizer steps."""

import time
from operator import itemgetter
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

import equipoise
from equipoise.arrays import Images, Labels, Scores, fingerprint, value_range
from equipoise.discovery import pick
from equipoise.estimators.scoring import channels_last, held_out_scores, logits_of, probabilities
from equipoise.estimators.settings import KEEP, check_classifier_settings
from equipoise.exceptions import DataError
from equipoise.losses import LOSSES
from equipoise.networks.backbones import build
from equipoise.networks.weights import build_for_imagenet, load_pretrained
from equipoise.training.augmentation import augmented
from equipoise.training.batches import BATCH_SAMPLERS, Pool, ResidentBatches
from equipoise.training.chance import isolated_chance
from equipoise.training.checkpoint import Checkpoint
from equipoise.training.devices import autocast, resolve_device
from equipoise.training.hooks import KeepBest
from equipoise.training.loop import Batches, History, train
from equipoise.training.optimizers import make_optimizer, make_schedule
from equipoise.training.persistence import load_fitted, save_fitted
from equipoise.training.steps import LossStep
from equipoise.validation import check_images, check_images_and_labels, check_labels

Held = tuple[Images, Labels]  # real validation images and labels


class ImageClassifier(ClassifierMixin, BaseEstimator):
    """Learns to tell classes apart from images (n, c, h, w) in storage type, with one or three channels.

    Args:
        network: One of `equipoise.networks.backbones.NETWORKS`.
        pretrained: None for random weights, "imagenet" for the official ones, or the path of a local file.
        loss: One of `equipoise.losses.LOSSES`; it is told the class counts of the `y` given to `fit`.
        n_steps: Optimizer steps. Steps and not epochs, so that an arm with more images is not trained longer.
        batch_size: Images in a step, at least 2.
        batch_sampler: "natural" (shuffled passes) or "balanced" (every class alike).
        optimizer: "adamw", "adam" or "sgd" (Nesterov momentum 0.9).
        learning_rate: Its first value.
        weight_decay: As the optimizer defines it, on all parameters.
        schedule: "cosine" (to 0), "constant" or "step" (a tenth at a half and at three quarters).
        augmentation: One of `equipoise.training.augmentation.AUGMENTATIONS`. The default flips nothing.
        precision: "32-true" or "bf16-mixed" for training; predictions are always float32.
        keep_best: What the weights kept must be best in on the validation images: "balanced_accuracy", "auroc",
            "loss", or "last" to keep those of the last step.
        evaluate_every: Steps between two looks at the validation images; the last step is always looked at.
        patience: Looks without a gain after which to stop, or None.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        seed: Seed of the first weights, the batches and the augmentation.

    Attributes:
        classes_: (k,) labels seen in `fit`, increasing.
        history_: Training loss, and the validation scores as validation_loss and so on.
        seconds_: Duration of `fit`.
        network_: The network, in evaluation mode.
        shape_: (c, h, w) of the images.
        dtype_: Their storage type.
        span_: The values that stand for black and white, measured on the training images.

    Source: methods 5 and appendix B (classifier presets); rules 6 of methods 1.3 (steps) and 2 (real validation
    images only, handed in, never cut out of the training images).
    """

    def __init__(
        self, *, network: str = "small_cnn", pretrained: str | Path | None = None, loss: str = "cross_entropy",
        n_steps: int = 400, batch_size: int = 32, batch_sampler: str = "natural", optimizer: str = "adamw",
        learning_rate: float = 1e-3, weight_decay: float = 1e-4, schedule: str = "cosine",
        augmentation: str = "film", precision: str = "32-true", keep_best: str = "balanced_accuracy",
        evaluate_every: int = 50, patience: int | None = None, device: str = "auto", seed: int = 0,
    ) -> None:  # fmt: skip
        self.network = network
        self.pretrained = pretrained
        self.loss = loss
        self.n_steps = n_steps
        self.batch_size = batch_size
        self.batch_sampler = batch_sampler
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.augmentation = augmentation
        self.precision = precision
        self.keep_best = keep_best
        self.evaluate_every = evaluate_every
        self.patience = patience
        self.device = device
        self.seed = seed

    def fit(self, X: Images, y: Labels, *, validation: Held | None = None, workspace: Path | None = None) -> Self:
        """Learn from training images; a fit that was killed goes on from its checkpoint, to the same weights.

        Args:
            X: (n, c, h, w) training images, possibly rebalanced.
            y: (n,) labels, any integers.
            validation: Real held-out images and labels, scored to choose the weights and to stop. Images of a
                class that is not in `y` are left out. Without them the last weights are kept.
            workspace: Folder for the checkpoint; None keeps none.

        Raises:
            DataError: Bad images or labels, fewer than two classes, or validation images of another kind.
            SettingError: An argument of the classifier is unknown or out of range.
            WeightsError: The pretrained weights cannot be had or do not fit.
            DivergedError: The loss became NaN or infinite.
        """
        started = time.perf_counter()
        X, y = check_images_and_labels(X, y)
        if X.ndim != 4:
            raise DataError(f"Expected images of shape (n, c, h, w), got {X.shape}. Volumes need a segmenter.")
        self.check_settings(min(X.shape[2:]))
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError(f"Expected at least 2 classes to tell apart, got only {self.classes_.tolist()}.")
        self.shape_, self.dtype_, self.span_ = X.shape[1:], X.dtype, value_range(X)
        held = self._check_validation(validation)
        self._train(X, codes.astype(np.int64), held, workspace)
        self.seconds_ = time.perf_counter() - started
        return self

    def predict_proba(self, X: Images) -> Scores:
        """Give (n, k) probabilities of `classes_`, float64; each row sums to 1.

        Raises:
            NotFittedError: `fit` has not been called.
            DataError: Images of another shape or storage type than those fitted.
        """
        check_is_fitted(self, "network_")
        X = self._check_kind(X)
        return probabilities(self._logits(X)) if len(X) else np.empty((0, len(self.classes_)))

    def predict(self, X: Images) -> Labels:
        """Give the (n,) most probable labels; see `predict_proba`."""
        best = self.predict_proba(X).argmax(axis=1)
        predicted: Labels = self.classes_[best]
        return predicted

    def save(self, folder: Path) -> None:
        """Write `model.safetensors` and `model.json` (settings, classes, kind of images) into a new folder."""
        check_is_fitted(self, "network_")
        settings = {**self.get_params(), "pretrained": self.pretrained and str(self.pretrained)}
        facts = {
            "settings": settings,
            "classes": self.classes_.tolist(),
            "shape": self.shape_,
            "dtype": self.dtype_.name,
            "span": self.span_,
        }
        save_fitted(folder, "classifier", self.network_.state_dict(), facts)

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto") -> Self:
        """Read a classifier that `save` wrote and put it on a device; it predicts and is not trained further.

        Raises:
            DataError: The folder holds no saved classifier.
            SettingError: The device is not there.
        """
        tensors, facts = load_fitted(folder, "classifier")
        loaded = cls(**{**facts["settings"], "device": device})
        loaded.classes_ = np.asarray(facts["classes"], dtype=np.int64)
        loaded.shape_, loaded.span_ = tuple(facts["shape"]), tuple(facts["span"])
        loaded.dtype_ = np.dtype(facts["dtype"])
        loaded.network_ = loaded._build().to(resolve_device(device)).eval()
        loaded.network_.load_state_dict(tensors)
        return loaded

    def check_settings(self, side: int) -> None:
        """Refuse settings that cannot work on images whose smaller side is `side` pixels, before any is read.

        Raises:
            SettingError: A name is unknown, or a number out of range.
            DataError: The images are too small for any network.
            WeightsError: The file of pretrained weights does not exist.
        """
        check_classifier_settings(self.get_params(), side)

    def _train(self, X: Images, codes: Labels, held: Held | None, workspace: Path | None) -> None:
        device = resolve_device(self.device)
        network = self.network_ = self._first_network().to(device)
        loss = pick(LOSSES, self.loss, "loss")(torch.as_tensor(np.bincount(codes))).to(device)
        step = self._step(network, loss, device)
        parts: dict[str, Any] = {"network": network, "optimizer": step.optimizer, "schedule": step.schedule}
        if held is not None:
            parts["best"] = self._watch(network, loss, held)
        checkpoint = self._checkpoint(workspace, parts, X, codes, held)
        self.history_ = train(
            step,
            self._batches(X, codes, device),
            n_steps=self.n_steps,
            seed=self.seed,
            hooks=[parts["best"]] if held is not None else [],
            checkpoint=checkpoint,
            history=History(
                advice=f"Lower learning_rate (now {self.learning_rate:g}), or use precision='32-true'."
            ),
            name="classifier",
        )
        if held is not None and self.keep_best != "last":
            parts["best"].restore()
        network.eval()
        if checkpoint is not None:
            checkpoint.finish()

    def _first_network(self) -> nn.Module:
        """Build the network with its first weights, which depend on the seed alone."""
        with isolated_chance(self.seed, "classifier", "first weights"):
            network = self._build()
        if self.pretrained is not None:
            load_pretrained(network, self.network, self.pretrained)
        return network.train()

    def _build(self) -> nn.Module:
        network: Any  # torch's stubs lack `to(memory_format=...)`
        channels, side, n_classes = self.shape_[0], min(self.shape_[1:]), len(self.classes_)
        if self.pretrained is None:
            network = build(self.network, channels=channels, n_classes=n_classes, side=side)
        else:
            network = build_for_imagenet(self.network, n_classes=n_classes, side=side)
        laid_out: nn.Module = network.to(memory_format=torch.channels_last)
        return laid_out

    def _step(self, network: nn.Module, loss: nn.Module, device: torch.device) -> LossStep:
        optimizer = make_optimizer(
            self.optimizer, network.parameters(), learning_rate=self.learning_rate, weight_decay=self.weight_decay
        )
        return LossStep(
            loss=lambda images, labels: loss(network(channels_last(images)).float(), labels),
            optimizer=optimizer,
            schedule=make_schedule(self.schedule, optimizer, self.n_steps),
            autocast=autocast(self.precision, device),
        )

    def _batches(self, X: Images, codes: Labels, device: torch.device) -> Batches:
        pool = Pool(labels=codes, batch_size=self.batch_size, n_steps=self.n_steps, seed=self.seed)
        sampler = pick(BATCH_SAMPLERS, self.batch_sampler, "batch sampler")(pool)
        return augmented(ResidentBatches(X, codes, sampler, span=self.span_, device=device), self.augmentation)

    def _watch(self, network: nn.Module, loss: nn.Module, held: Held) -> KeepBest:
        return KeepBest(
            network,
            lambda: held_out_scores(self._logits(held[0]), held[1], loss),
            "loss" if self.keep_best == "last" else self.keep_best,
            every=self.evaluate_every,
            last=self.n_steps,
            higher_is_better=KEEP[self.keep_best],
            patience=self.patience,
        )

    def _checkpoint(
        self, workspace: Path | None, parts: dict[str, Any], X: Images, codes: Labels, held: Held | None
    ) -> Checkpoint | None:
        """Name the checkpoint after all that the fit depends on, so that it can only be found by the same fit."""
        if workspace is None:
            return None
        images, labels = held or (None, None)
        settings = sorted(self.get_params().items(), key=itemgetter(0))
        key = fingerprint(X, codes, self.classes_, images, labels, settings, equipoise.__version__)
        return Checkpoint(Path(workspace) / f"classifier-{key[:32]}.pt", parts)

    def _logits(self, images: Images) -> Tensor:
        return logits_of(self.network_, images, self.span_)

    def _check_kind(self, images: Images, name: str = "images") -> Images:
        images = check_images(images, name=name)
        if (images.shape[1:], images.dtype) != (self.shape_, self.dtype_):
            raise DataError(
                f"Expected {name} like those of the training, {self.dtype_} of shape "
                f"{('n', *self.shape_)}, got {images.dtype} of shape {images.shape}. Prepare all alike."
            )
        return images

    def _check_validation(self, validation: Held | None) -> Held | None:
        """Encode the labels and leave out images of classes that are not learned."""
        if validation is None:
            return None
        images = self._check_kind(validation[0], "validation images")
        labels = check_labels(validation[1], len(images), name="validation labels")
        known = np.isin(labels, self.classes_)
        occurring = np.unique(labels[known])
        if len(occurring) == 0 or (self.keep_best == "auroc" and len(occurring) < len(self.classes_)):
            raise DataError(
                f"Expected validation images of the classes {self.classes_.tolist()} to find the best "
                f"{self.keep_best}, got images of {occurring.tolist()}. Hold out more, or use keep_best='loss'."
            )
        return images[known], np.searchsorted(self.classes_, labels[known]).astype(np.int64)
