"""`ImageClassifier`: a scikit-learn classifier of images, trained for a number of optimizer steps."""

import time
from operator import itemgetter
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted
from torch import nn

import equipoise
from equipoise.arrays import Images, Labels, Scores, fingerprint, value_range
from equipoise.discovery import pick
from equipoise.estimators.first_stage import build_network, train_network
from equipoise.estimators.fit_request import Held, Mask, Task, check_mask
from equipoise.estimators.pretraining import Learned, Pretraining, learn_trunk, load_trunk
from equipoise.estimators.relearning import RELEARNED
from equipoise.estimators.scoring import features_in_chunks, logits_of, probabilities
from equipoise.estimators.second_stage import SECOND_STAGES, Second
from equipoise.estimators.settings import check_classifier_settings
from equipoise.exceptions import DataError
from equipoise.losses import LOSSES
from equipoise.losses.base import ImbalanceLoss
from equipoise.networks.backbones import find_backbone
from equipoise.training.chance import isolated_chance
from equipoise.training.devices import resolve_device
from equipoise.training.persistence import load_fitted, save_fitted
from equipoise.validation import check_images, check_images_and_labels, check_labels


class ImageClassifier(ClassifierMixin, BaseEstimator):
    """Learns to tell classes apart from images (n, c, h, w) in storage type, with one or three channels.

    Args:
        network: One of `equipoise.networks.backbones.BACKBONES`.
        pretrained: None for random weights, "imagenet" for the official ones, or the path of a local file.
        pretraining: None, or what learns the first weights of the trunk from the real training images; see
            `equipoise.estimators.pretraining.Pretraining`.
        loss: One of `equipoise.losses.LOSSES`; it is told the class counts of the `y` given to `fit` (some: of
            the real images among them), and brings the last layer it is meant for and what turns logits into
            probabilities.
        n_steps: Optimizer steps. Steps and not epochs, so that an arm with more images is not trained longer.
        batch_size: Images in a step, at least 2.
        batch_sampler: One of `equipoise.training.batches.BATCH_SAMPLERS`; "natural" are shuffled passes.
        synthetic_share: Share of synthetic images in a batch of the sampler "synthetic_mix"; None for their share
            in the training images.
        synthetic_weight: Weight of a synthetic image in the loss, at least 0; real ones weigh 1.
        mixing: "none", "mixup" or "remix"; see `equipoise.training.mixing`.
        optimizer: "adamw", "adam" or "sgd" (Nesterov momentum 0.9).
        learning_rate: Its first value.
        weight_decay: As the optimizer defines it, on all parameters.
        schedule: "cosine" (to 0), "constant" or "step" (a tenth at a half and at three quarters).
        augmentation: One of `equipoise.training.augmentation.AUGMENTATIONS`. The default flips nothing.
        precision: "32-true" or "bf16-mixed" for training; predictions are always float32.
        keep_best: What the weights kept must be best in on the validation images: "balanced_accuracy", "accuracy",
            "auroc", "loss", or "last" to keep those of the last step.
        evaluate_every: Steps between two looks at the validation images; the last step is always looked at.
        patience: Looks without a gain after which to stop, or None.
        second_stage: One of `equipoise.estimators.second_stage.SECOND_STAGES`: what happens to the last layer after
            the training. Where that learns it again, it is linear and its loss cross-entropy, whatever `loss` is.
        second_stage_steps: Optimizer steps of the second stage; None for a quarter of `n_steps`.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        seed: Seed of the first weights, the batches and the augmentation.

    Attributes:
        classes_: (k,) labels seen in `fit`, increasing.
        counts_: (k,) training images of each.
        real_counts_: (k,) real ones among them; after `load` the same as `counts_`.
        history_: Training loss, and the validation scores as validation_loss and so on.
        histories_: That, under the name "", and what the pretraining and the second stage recorded.
        second_stage_: What a second stage found, for example {"tau": 0.3}.
        seconds_: Duration of `fit`.
        network_: The network, in evaluation mode.
        loss_: What turns its logits into probabilities.
        shape_: (c, h, w) of the images.
        dtype_: Their storage type.
        span_: The values that stand for black and white, measured on the training images.

    Source: methods 5 and appendix B (classifier presets); rules 6 of methods 1.3 (steps) and 2 (real validation
    images only, handed in, never cut out of the training images).
    """

    def __init__(
        self, *, network: str = "small_cnn", pretrained: str | Path | None = None,
        pretraining: Pretraining | None = None, loss: str = "cross_entropy", n_steps: int = 400,
        batch_size: int = 32, batch_sampler: str = "natural", synthetic_share: float | None = None,
        synthetic_weight: float = 1.0, mixing: str = "none", optimizer: str = "adamw",
        learning_rate: float = 1e-3, weight_decay: float = 1e-4, schedule: str = "cosine",
        augmentation: str = "film", precision: str = "32-true", keep_best: str = "balanced_accuracy",
        evaluate_every: int = 50, patience: int | None = None, second_stage: str = "none",
        second_stage_steps: int | None = None, device: str = "auto", seed: int = 0,
    ) -> None:  # fmt: skip
        self.network = network
        self.pretrained = pretrained
        self.pretraining = pretraining
        self.loss = loss
        self.n_steps = n_steps
        self.batch_size = batch_size
        self.batch_sampler = batch_sampler
        self.synthetic_share = synthetic_share
        self.synthetic_weight = synthetic_weight
        self.mixing = mixing
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.augmentation = augmentation
        self.precision = precision
        self.keep_best = keep_best
        self.evaluate_every = evaluate_every
        self.patience = patience
        self.second_stage = second_stage
        self.second_stage_steps = second_stage_steps
        self.device = device
        self.seed = seed

    def fit(
        self, X: Images, y: Labels, *, validation: Held | None = None, workspace: Path | None = None,
        synthetic: Mask | None = None,
    ) -> Self:  # fmt: skip
        """Learn from training images; a fit that was killed goes on from its checkpoint, to the same weights.

        Args:
            X: (n, c, h, w) training images, possibly rebalanced.
            y: (n,) labels, any integers.
            validation: Real held-out images and labels, scored to choose the weights and to stop. Images of a
                class that is not in `y` are left out. Without them the last weights are kept.
            workspace: Folder for the checkpoint; None keeps none.
            synthetic: (n,) True where an image of `X` is synthetic; None where all are real.

        Raises:
            DataError: Bad images or labels, fewer than two classes, validation images of another kind, or data
                that the second stage cannot work with.
            SettingError: An argument of the classifier is unknown or out of range.
            WeightsError: The pretrained weights cannot be had or do not fit.
            DivergedError: The loss became NaN or infinite.
        """
        started = time.perf_counter()
        X, y = check_images_and_labels(X, y)
        if X.ndim != 4:
            raise DataError(
                f"Expected images of shape (n, c, h, w), got {X.shape}. Volumes need a segmenter."
            )
        self.check_settings(min(X.shape[2:]))
        synthetic = check_mask(synthetic, len(X))
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError(
                f"Expected at least 2 classes to tell apart, got only {self.classes_.tolist()}."
            )
        self.counts_ = np.bincount(codes)
        self.real_counts_ = np.bincount(codes[~synthetic], minlength=len(self.classes_))
        self.shape_, self.dtype_, self.span_ = X.shape[1:], X.dtype, value_range(X)
        task = self._task(
            X, codes.astype(np.int64), synthetic, self._check_validation(validation), workspace
        )
        if stage := SECOND_STAGES[self.second_stage]:
            stage.check(task)
        learned = learn_trunk(
            self.pretraining,
            X[~synthetic],
            y[~synthetic],
            network=self.network,
            validation=validation,
            workspace=workspace,
        )
        self._train(task, learned)
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
        if len(X) == 0:
            return np.empty((0, len(self.classes_)))
        return probabilities(logits_of(self.network_, X, self.span_), self.loss_)

    def predict(self, X: Images) -> Labels:
        """Give the (n,) most probable labels; see `predict_proba`."""
        best = self.predict_proba(X).argmax(axis=1)
        predicted: Labels = self.classes_[best]
        return predicted

    def features(self, X: Images) -> NDArray[np.float32]:
        """Give what goes into the last layer, (n, d), on the processor.

        Raises:
            NotFittedError: `fit` has not been called.
            DataError: Images of another shape or storage type than those fitted.
        """
        check_is_fitted(self, "network_")
        X = self._check_kind(X)
        if len(X) == 0:
            return np.empty((0, self.head_.in_features), dtype=np.float32)
        backbone = find_backbone(self.network)
        features = features_in_chunks(backbone, self.network_, X, self.span_)
        return np.asarray(features.cpu().numpy())

    @property
    def head_(self) -> nn.Linear:
        """The last layer of `network_`: its inputs are `features`, its outputs the logits."""
        check_is_fitted(self, "network_")
        return find_backbone(self.network).head_of(self.network_)

    def save(self, folder: Path) -> None:
        """Write `model.safetensors` and `model.json` (settings, classes, kind of images) into a new folder.

        What `pretraining` was is not kept.
        """
        check_is_fitted(self, "network_")
        own = {"pretrained": self.pretrained and str(self.pretrained), "pretraining": None}
        facts = {
            "settings": {**self.get_params(deep=False), **own},
            "classes": self.classes_.tolist(),
            "counts": self.counts_.tolist(),
            "shape": self.shape_,
            "dtype": self.dtype_.name,
            "span": self.span_,
        }
        save_fitted(folder, "classifier", self._fitted_parts().state_dict(), facts)

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
        loaded.counts_ = np.asarray(facts["counts"], dtype=np.int64)
        loaded.real_counts_ = (
            loaded.counts_
        )  # a loss that was told others finds its weights among the tensors
        loaded.shape_, loaded.span_ = tuple(facts["shape"]), tuple(facts["span"])
        loaded.dtype_ = np.dtype(facts["dtype"])
        stage = SECOND_STAGES[loaded.second_stage]
        name = RELEARNED if stage and stage.relearns else loaded.loss
        loaded.network_, loaded.loss_ = loaded._build(name), loaded._make_loss(name)
        loaded._fitted_parts().to(resolve_device(device)).eval().load_state_dict(tensors)
        return loaded

    def check_settings(self, side: int) -> None:
        """Refuse settings that cannot work on images whose smaller side is `side` pixels, before any is read.

        Raises:
            SettingError: A name is unknown, or a number out of range.
            DataError: The images are too small for any network.
            WeightsError: The file of pretrained weights does not exist.
        """
        check_classifier_settings(self.get_params(deep=False), side)

    def _train(self, task: Task, learned: Learned) -> None:
        network = self.network_ = self._first_network(learned).to(task.device)
        self.loss_ = self._make_loss(self.loss).to(task.device)
        self.history_ = train_network(network, self.loss_, task)
        network.eval()
        second = Second()
        if stage := SECOND_STAGES[self.second_stage]:
            second = stage.run(network, self.loss_, task)
            if stage.relearns:
                self.loss_ = self._make_loss(RELEARNED).to(task.device)
        self.second_stage_ = second.facts
        self.histories_ = {**learned.histories, "": self.history_, **second.histories}
        task.finish()

    def _first_network(self, learned: Learned) -> nn.Module:
        """Build the network with its first weights; those that nothing gave depend on the seed alone."""
        with isolated_chance(self.seed, "classifier", "first weights"):
            network = self._build(self.loss)
        if self.pretrained is not None:
            find_backbone(self.network).load_weights(network, self.pretrained)
        if learned.tensors is not None:
            load_trunk(find_backbone(self.network), network, learned.tensors)
        return network.train()

    def _build(self, loss: str) -> nn.Module:
        return build_network(
            self.network,
            pretrained=self.pretrained is not None,
            channels=self.shape_[0],
            n_classes=len(self.classes_),
            side=min(self.shape_[1:]),
            loss=loss,
        )

    def _make_loss(self, name: str) -> ImbalanceLoss:
        factory = pick(LOSSES, name, "loss")
        return factory(torch.as_tensor(self.real_counts_ if factory.counts_real else self.counts_))

    def _fitted_parts(self) -> nn.ModuleDict:
        return nn.ModuleDict({"network": self.network_, "loss": self.loss_})

    def _task(
        self, X: Images, codes: Labels, synthetic: Mask, held: Held | None, workspace: Path | None
    ) -> Task:
        """Name the checkpoints after all that the fit depends on, so that only the same fit can find them."""
        images, labels = held or (None, None)
        settings = sorted(self.get_params().items(), key=itemgetter(0))
        parts = (
            X,
            codes,
            self.classes_,
            synthetic,
            images,
            labels,
            settings,
            equipoise.__version__,
        )
        return Task(
            images=X,
            codes=codes,
            synthetic=synthetic,
            held=held,
            span=self.span_,
            device=resolve_device(self.device),
            backbone=find_backbone(self.network),
            asked=self.get_params(deep=False),
            file=None
            if workspace is None
            else Path(workspace) / f"classifier-{fingerprint(*parts)[:32]}",
        )

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
        if len(occurring) == 0 or (
            self.keep_best == "auroc" and len(occurring) < len(self.classes_)
        ):
            raise DataError(
                f"Expected validation images of the classes {self.classes_.tolist()} to find the best "
                f"{self.keep_best}, got images of {occurring.tolist()}. Hold out more, or use keep_best='loss'."
            )
        return images[known], np.searchsorted(self.classes_, labels[known]).astype(np.int64)
