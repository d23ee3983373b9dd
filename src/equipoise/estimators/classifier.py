"""`ImageClassifier`: a scikit-learn classifier of images, trained for a number of steps."""

import time
from operator import itemgetter
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted
from torch import nn

from equipoise.arrays import LabeledImages, Labels, Scores, value_range
from equipoise.estimators.base_classifier import BaseImageClassifier, Params
from equipoise.estimators.first_stage import build_network
from equipoise.estimators.fit_request import FitRequest, check_sample_weight
from equipoise.estimators.pretraining import Pretraining, pretrain_trunk
from equipoise.estimators.relearning import RELEARNED
from equipoise.estimators.scoring import features_in_chunks, logits_of, probabilities
from equipoise.estimators.second_stage import SECOND_STAGES, check_second_stage
from equipoise.estimators.settings import ClassifierSettings
from equipoise.estimators.stages import TrainedStages, make_loss, train_stages
from equipoise.image_rows import ImageSource, select
from equipoise.marked_images import Mask
from equipoise.networks.backbone import Backbone
from equipoise.networks.backbones import check_stored_network, find_backbone, name_of
from equipoise.randomness import RandomState, with_random_state
from equipoise.training.devices import resolve_device
from equipoise.training.persistence import load_fitted, restore_weights, save_fitted


class ImageClassifier(BaseImageClassifier):
    """Classifies images (n, c, h, w) in storage type with one or three channels.

    Args:
        network: A name, see `equipoise.networks.backbones.find_backbone`, or a `Backbone`. To be
            saved, resumed or sent to worker processes, a record of your own has to stand at the top
            of a module.
        pretrained: None for random weights; "official", or another name of the network's weights;
            the path of a local file; or hf://OWNER/NAME@COMMIT/FILE.safetensors.
        pretraining: None, or an estimator that learns the initial weights of the trunk from the
            real training images; see `equipoise.estimators.pretraining.Pretraining`.
        loss: One of `equipoise.losses.LOSSES`; it receives the class counts of the `y` given to
            `fit` (some losses: of the real images alone), and determines the kind of the last layer
            and how logits become probabilities.
        n_steps: Optimizer steps. Steps and not epochs, so that an arm with more images is not
            trained longer.
        batch_size: Images per step, at least 2.
        batch_sampler: One of `equipoise.training.batches.BATCH_SAMPLERS`; "natural" are shuffled
            passes.
        synthetic_share: Share of synthetic images in a batch of the sampler "synthetic_mix"; None
            for their share in the training images.
        synthetic_weight: Weight of a synthetic image in the loss, at least 0; real ones weigh 1.
        mixing: "none", "mixup" or "remix"; see `equipoise.training.mixing`.
        optimizer: "adamw", "adam" or "sgd" (Nesterov momentum 0.9).
        learning_rate: Initial learning rate.
        weight_decay: As the optimizer defines it, on all parameters.
        schedule: "cosine" (to 0), "constant" or "step" (a tenth at a half and at three quarters).
        augmentation: One of `equipoise.training.augmentation.AUGMENTATIONS`. The default has no
            flips.
        precision: "32-true" or "bf16-mixed" for training; predictions are always float32.
        keep_best: Metric of the validation images that chooses the weights: "balanced_accuracy",
            "accuracy", "auroc", "loss"; "last" for those of the last step, or "averaged" for an
            exponential average of the last ones, batch-norm statistics included.
        evaluate_every: Steps between two validation evaluations; the last step is always evaluated.
        patience: Evaluations without improvement after which to stop, or None.
        second_stage: One of `equipoise.estimators.second_stage.SECOND_STAGES`: what happens to the
            last layer after the training. Where it is retrained, it is linear and its loss is
            cross-entropy, whatever `loss` is.
        second_stage_steps: Optimizer steps of the second stage; None for a quarter of `n_steps`.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        random_state: Source of the initial weights, the batches and the augmentation: a whole
            number, a `RandomState` or `Generator` of NumPy, or None for others in each fit.
        micro_batch_size: Most images that pass through the network at once, at least 2; None for
            the whole batch. Gradients of the pieces are accumulated: the loss stays the weighted
            mean over the batch, but batch norm sees pieces (of two or three images at least).
        layer_decay: Factor of the learning rate from the head to the upper layers, and on to each
            of the lower groups of layers; see `equipoise.estimators.finetuning.rate_groups`.
        head_warmup: Share of the steps in which the head is trained alone, at a rate that rises to
            `learning_rate`; the schedule of all layers follows.
        batch_norm: "live", or "frozen" for the statistics of the pretrained network.

    Attributes:
        classes_: (k,) labels seen in `fit`, increasing, in their own type.
        counts_: (k,) training images of each.
        real_counts_: (k,) real ones among them; after `load` equal to `counts_`.
        history_: Training loss, and the validation scores as validation_loss and so on.
        histories_: The same under the name "", and the histories of pretraining and second stage.
        second_stage_: Findings of the second stage, for example {"tau": 0.3}.
        seconds_: Duration of `fit`.
        seed_: Seed of the last fit.
        network_: The network, in evaluation mode.
        other_network_: The same with the weights of the other checkpoint policy, see
            `predict_proba_other`; None where they would need a second stage of their own.
        loss_: The loss, which turns logits into probabilities.
        shape_: (c, h, w) of the images.
        dtype_: Their storage type.
        span_: The values of black and white, measured on the training images.

    Example:
        >>> import numpy as np
        >>> labels = np.repeat([0, 1], [40, 8])
        >>> rng = np.random.default_rng(0)
        >>> noise = rng.integers(0, 120, size=(48, 1, 16, 16))
        >>> images = (noise + 100 * labels[:, None, None, None]).astype(np.uint8)
        >>> classifier = ImageClassifier(n_steps=5, batch_size=8, loss="ldam_drw", device="cpu")
        >>> classifier.fit(images, labels).predict_proba(images).shape
        (48, 2)

    See Also:
        Segmenter: For volumes with label maps.
    """

    added_params: ClassVar[Params] = {
        "micro_batch_size": None,
        "layer_decay": 1.0,
        "head_warmup": 0.0,
        "batch_norm": "live",
    }

    def __init__(
        self,
        *,
        network: str | Backbone = "small_cnn",
        pretrained: str | Path | None = None,
        pretraining: Pretraining | None = None,
        loss: str = "cross_entropy",
        n_steps: int = 400,
        batch_size: int = 32,
        batch_sampler: str = "natural",
        synthetic_share: float | None = None,
        synthetic_weight: float = 1.0,
        mixing: str = "none",
        optimizer: str = "adamw",
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-4,
        schedule: str = "cosine",
        augmentation: str = "film",
        precision: str = "32-true",
        keep_best: str = "balanced_accuracy",
        evaluate_every: int = 50,
        patience: int | None = None,
        second_stage: str = "none",
        second_stage_steps: int | None = None,
        device: str = "auto",
        random_state: RandomState = 0,
        micro_batch_size: int | None = None,
        layer_decay: float = 1.0,
        head_warmup: float = 0.0,
        batch_norm: str = "live",
    ) -> None:
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
        self.random_state = random_state
        self.micro_batch_size = micro_batch_size
        self.layer_decay = layer_decay
        self.head_warmup = head_warmup
        self.batch_norm = batch_norm

    def fit(
        self,
        X: ImageSource,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        validation: LabeledImages | None = None,
        workspace: str | Path | None = None,
        synthetic: Mask | None = None,
    ) -> Self:
        """Train on images; a fit that was killed resumes from its checkpoint, to the same weights.

        Args:
            X: (n, c, h, w) training images, possibly rebalanced.
            y: (n,) labels: whole numbers, text or booleans.
            sample_weight: (n,) factors of the images' losses, at least 0; the sum over a batch is
                divided by its number of images, so that a mean of 1 keeps the learning rate. Counts
                of classes, batches and metrics do not follow them.
            validation: Real images and labels, which choose the weights and when to stop; none are
                held out from `X`. Images of a class that is not in `y` are left out. Without them
                the last weights take the place of the best.
            workspace: Folder of the checkpoint; None writes none.
            synthetic: (n,) True where an image of `X` is synthetic; None for what `X` carries from
                a resampler, or else for none.

        Raises:
            DataError: Bad images or labels, fewer than two classes, validation images of another
                kind, or data that the second stage cannot work with.
            SettingError: A parameter is unknown or out of range.
            WeightsError: The pretrained weights are missing or do not fit.
            DivergedError: The loss became NaN or infinite.
        """
        started = time.perf_counter()
        folder = None if workspace is None else Path(workspace)
        X, codes, synthetic = self._check_training(X, y, synthetic)
        weight = check_sample_weight(sample_weight, len(X), second_stage=self.second_stage)
        self.span_ = value_range(X)
        held_out = self._encode_validation(validation)
        request = self._request(X, codes, synthetic, weight, held_out)
        request = self._in_workspace(request, folder)
        stage = SECOND_STAGES[self.second_stage]
        if stage is not None:
            stage.check(request)
        pretrained = pretrain_trunk(
            self.pretraining,
            select(X, ~synthetic),
            self.classes_[codes[~synthetic]],
            network="" if self.pretraining is None else name_of(self.network),
            validation=validation,
            workspace=folder,
        )
        self._set_fitted(train_stages(request, pretrained))
        self.seconds_ = time.perf_counter() - started
        return self

    def predict_proba(self, X: ImageSource) -> Scores:
        """Return (n, k) probabilities of `classes_`, float64; each row sums to 1.

        Raises:
            NotFittedError: `fit` has not been called.
            DataError: Images of another shape or storage type than the training images.
        """
        check_is_fitted(self, "network_")
        return self._probabilities(self.network_, X)

    def predict_proba_other(self, X: ImageSource) -> Scores | None:
        """Return what `predict_proba` would return under the other checkpoint policy.

        That is, with averaged weights where `keep_best` is a metric, else with those of the best
        balanced accuracy on the validation images. None where a second stage would have to be
        trained again.

        Raises:
            NotFittedError: `fit` has not been called; `load` restores the weights of `keep_best`
                alone.
            DataError: Images of another shape or storage type than the training images.
        """
        check_is_fitted(self, "other_network_")
        if self.other_network_ is None:
            return None
        return self._probabilities(self.other_network_, X)

    def features(self, X: ImageSource) -> NDArray[np.float32]:
        """Return the inputs (n, d) of the last layer.

        Raises:
            NotFittedError: `fit` has not been called.
            DataError: Images of another shape or storage type than the training images.
        """
        check_is_fitted(self, "network_")
        X = self.check_images(X)
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

    @property
    def last_map_(self) -> nn.Module:
        """The layer of `network_` whose output Grad-CAM reads."""
        check_is_fitted(self, "network_")
        return find_backbone(self.network).last_map_of(self.network_)

    @property
    def settings(self) -> ClassifierSettings:
        """The parameters as a typed record."""
        return ClassifierSettings(**self._with_seed(self.get_params(deep=False)))

    def save(self, folder: str | Path) -> None:
        """Write `model.safetensors` and `model.json` (parameters, classes, kind of images).

        The parameter `pretraining` is not stored.
        """
        check_is_fitted(self, "network_")
        parameters = {
            **self._with_seed(self.stored_params()),
            "pretraining": None,
            "network": name_of(self.network),
        }
        if self.pretrained is not None:
            parameters["pretrained"] = str(self.pretrained)
        tensors = self._modules().state_dict()
        save_fitted(Path(folder), "classifier", tensors, self._description(parameters))

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "auto") -> Self:
        """Read a classifier that `save` wrote, for prediction only.

        Raises:
            DataError: The folder contains no saved classifier.
            SettingError: The device does not exist, or the network is of a module that has not been
                imported.
        """
        tensors, stored = load_fitted(Path(folder), "classifier")
        check_stored_network(stored["settings"]["network"], Path(folder, "model.json"))
        loaded = cls(**with_random_state({**stored["settings"], "device": device}))
        loaded._restore(stored)
        stage = SECOND_STAGES[loaded.second_stage]
        loss = RELEARNED if stage is not None and stage.relearns else loaded.loss
        loaded.network_ = build_network(
            find_backbone(loaded.network),
            pretrained=loaded.pretrained,
            channels=loaded.shape_[0],
            n_classes=len(loaded.classes_),
            side=min(loaded.shape_[1:]),
            loss=loss,
        )
        loaded.loss_ = make_loss(loss, loaded.counts_, loaded.real_counts_)
        restore_weights(loaded._modules().to(resolve_device(device)).eval(), tensors, folder)
        return loaded

    def check_settings(self, side: int) -> None:
        """Raise unless the parameters work for a side in px; see `ClassifierSettings.check`."""
        self.settings.check(side)
        check_second_stage(self.settings)

    def _set_fitted(self, stages: TrainedStages) -> None:
        self.network_ = stages.network
        self.other_network_ = stages.other
        self.loss_ = stages.loss
        self.second_stage_ = stages.findings
        self.histories_ = stages.histories
        self.history_ = stages.histories[""]

    def _probabilities(self, network: nn.Module, X: ImageSource) -> Scores:
        X = self.check_images(X)
        if len(X) == 0:
            return np.empty((0, len(self.classes_)))
        return probabilities(logits_of(network, X, self.span_), self.loss_)

    def _modules(self) -> nn.ModuleDict:
        return nn.ModuleDict({"network": self.network_, "loss": self.loss_})

    def _request(
        self,
        X: ImageSource,
        codes: Labels,
        synthetic: Mask,
        sample_weight: NDArray[np.float32] | None,
        validation: LabeledImages | None,
    ) -> FitRequest:
        """Collect what the fit works on."""
        return FitRequest(
            images=X,
            codes=codes,
            synthetic=synthetic,
            sample_weight=sample_weight,
            validation=validation,
            span=self.span_,
            device=resolve_device(self.device),
            backbone=find_backbone(self.network),
            settings=self.settings,
        )

    def _in_workspace(self, request: FitRequest, workspace: Path | None) -> FitRequest:
        """Name the checkpoints by everything that the fit depends on."""
        if workspace is None:
            return request
        nested = {}  # parameters of a pretraining
        for name, value in self.get_params().items():
            if "__" in name:
                nested[name] = value
        parameters = self._with_seed({**self.stored_params(), **nested})
        parameters["network"] = name_of(self.network)
        ordered = sorted(parameters.items(), key=itemgetter(0))
        return request.in_workspace(workspace, self.classes_, ordered)
