"""`FrozenClassifier`: a scikit-learn classifier of images on features of a frozen network."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from equipoise.arrays import LabeledImages, Labels, Scores, ValueRange, value_range
from equipoise.estimators.base_classifier import BaseImageClassifier
from equipoise.estimators.frozen.extractor import FrozenExtractor
from equipoise.estimators.frozen.feature_network import (
    MIDDLE,
    PENULTIMATE,
    feature_network,
    networks_in,
)
from equipoise.estimators.frozen.head import FrozenHead, FrozenNetwork
from equipoise.estimators.frozen.settings import FrozenSettings
from equipoise.estimators.frozen.trainer import DECAYS, FrozenFeatureSet
from equipoise.estimators.frozen.training import train_head
from equipoise.estimators.relearning import RELEARNED
from equipoise.estimators.scoring import probabilities
from equipoise.estimators.second_stage import SECOND_STAGES
from equipoise.estimators.stages import make_loss
from equipoise.exceptions import WeightsError
from equipoise.image_rows import ImageSource
from equipoise.marked_images import Mask
from equipoise.networks.backbones import check_stored_network, find_backbone
from equipoise.randomness import RandomState, with_random_state
from equipoise.training.devices import resolve_device
from equipoise.training.persistence import load_fitted, restore_weights, save_fitted
from equipoise.validation import check_images

KIND = "frozen classifier"  # in model.json


@dataclass(frozen=True, kw_only=True, eq=False)
class StageData:
    """What second stages check before any training.

    Attributes:
        codes: (n,) classes of the training images.
        synthetic: (n,) True where the image is synthetic.
        validation: Validation images and codes, or None.
    """

    codes: Labels
    synthetic: Mask
    validation: LabeledImages | None


class FrozenClassifier(BaseImageClassifier):
    """Classifies images (n, c, h, w) by a head on the features of a pretrained network.

    The network stays as it is, so that features are computed once per image and view; with a
    workspace they are stored there by content, for all methods, splits and seeds of a study.
    Augmentation becomes fixed views: the head is trained on all of them, and the logits of a
    prediction are averaged over them. The head is trained on all rows at once by L-BFGS, for a grid
    of weight decays of which the validation images choose one.

    Args:
        network: A name that `equipoise.networks.backbones.find_backbone` takes, or several with "+"
            between them, whose features are concatenated.
        pretrained: "official" or another name of weights (searched in $EQUIPOISE_WEIGHTS and
            torch's cache, then downloaded), a local file, or "random" for an untrained network of a
            fixed seed, for tests. Of several networks one name for all, or one for each with "+".
        layers: Names in `equipoise.estimators.frozen.feature_network.LAYERS`, whose features are
            concatenated.
        side: Side in px to which images are resized; None keeps their size, but enlarges images
            below 128 px for a pretrained network.
        augmentation: One of `equipoise.estimators.frozen.views.VIEWS`.
        n_views: Number of views, the image itself included; fewer where the augmentation has fewer.
        head: One of `equipoise.estimators.frozen.head.FROZEN_HEADS`. A loss that is meant for
            cosines (LDAM) has a cosine head, whatever this is.
        loss: One of `equipoise.losses.LOSSES`.
        batch_sampler: One of `equipoise.estimators.frozen.row_weights.ROW_WEIGHTS`: the expected
            share of each image in the batches of that name becomes its weight.
        synthetic_share: Share of synthetic images for "synthetic_mix"; None for their share in the
            training images.
        synthetic_weight: Weight of a synthetic image in the loss, at least 0; real ones weigh 1.
        weight_decay: Used where no validation image chooses it.
        keep_best: Metric of the validation images that chooses the weight decay:
            "balanced_accuracy", "accuracy", "auroc", "loss"; "last" or "averaged" for the fixed
            `weight_decay`.
        second_stage: One of `equipoise.estimators.second_stage.SECOND_STAGES`.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        random_state: Source of interpolated points and of the hidden layer of "mlp"; nothing else
            is random. See `ImageClassifier`.

    Attributes:
        classes_: (k,) labels seen in `fit`, increasing.
        counts_: (k,) training images of each.
        real_counts_: (k,) real ones among them; after `load` equal to `counts_`.
        weight_decay_: The weight decay of the head.
        history_: A row for each weight decay, strongest first: objective and validation scores.
        histories_: The same by name, and that of a second stage.
        second_stage_: Findings of the second stage, for example {"tau": 0.3}.
        seconds_: Duration of `fit`.
        network_: Images to logits, without views, in evaluation mode.
        loss_: The loss, which turns logits into probabilities.
        shape_: (c, h, w) of the images.
        dtype_: Their storage type.
        span_: The values of black and white, measured on the real training images.

    Example:
        >>> labels = np.repeat([0, 1], [40, 8])
        >>> rng = np.random.default_rng(0)
        >>> noise = rng.integers(0, 120, size=(48, 1, 16, 16))
        >>> images = (noise + 100 * labels[:, None, None, None]).astype(np.uint8)
        >>> classifier = FrozenClassifier(network="small_cnn", pretrained="random", device="cpu")
        >>> classifier.fit(images, labels).predict_proba(images).shape
        (48, 2)

    See Also:
        equipoise.estimators.classifier.ImageClassifier: Trains all layers of the network.
    """

    def __init__(
        self,
        *,
        network: str = "mobilenet_v2",
        pretrained: str | Path | None = "imagenet",
        layers: Sequence[str] = (PENULTIMATE, MIDDLE),
        side: int | None = None,
        augmentation: str = "film",
        n_views: int = 4,
        head: str = "linear",
        loss: str = "cross_entropy",
        batch_sampler: str = "natural",
        synthetic_share: float | None = None,
        synthetic_weight: float = 1.0,
        weight_decay: float = 1e-3,
        keep_best: str = "auroc",
        second_stage: str = "none",
        device: str = "auto",
        random_state: RandomState = 0,
    ) -> None:
        self.network = network
        self.pretrained = pretrained
        self.layers = layers
        self.side = side
        self.augmentation = augmentation
        self.n_views = n_views
        self.head = head
        self.loss = loss
        self.batch_sampler = batch_sampler
        self.synthetic_share = synthetic_share
        self.synthetic_weight = synthetic_weight
        self.weight_decay = weight_decay
        self.keep_best = keep_best
        self.second_stage = second_stage
        self.device = device
        self.random_state = random_state

    def fit(
        self,
        X: ImageSource,
        y: ArrayLike,
        *,
        validation: LabeledImages | None = None,
        workspace: str | Path | None = None,
        synthetic: Mask | None = None,
    ) -> Self:
        """Compute features and train the head; features that the workspace contains are not.

        Args:
            X: (n, c, h, w) training images, possibly rebalanced.
            y: (n,) labels: whole numbers, text or booleans.
            validation: Real images and labels, which choose the weight decay. Images of a class
                that is not in `y` are left out.
            workspace: Folder of the features; None keeps none.
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
        X, codes, synthetic = self._check_training(X, y, synthetic)
        self.span_ = value_range(X if synthetic.all() or not synthetic.any() else X[~synthetic])
        held_out = self._encode_validation(validation)
        stage = SECOND_STAGES[self.second_stage]
        if stage is not None:
            stage.check(StageData(codes=codes, synthetic=synthetic, validation=held_out))
        self._extractor = self._make_extractor(workspace)
        train = self._feature_set(X, codes, synthetic)
        validation_set = None
        if held_out is not None:
            real = np.zeros(len(held_out[1]), dtype=bool)
            validation_set = self._feature_set(*held_out, real)
        trained = train_head(train, validation_set, self.settings)
        self._set_head(trained.head)
        self._other_head: FrozenHead | None = trained.other
        self.loss_ = trained.loss
        self.weight_decay_ = trained.weight_decay
        self.second_stage_ = trained.findings
        self.histories_ = dict(trained.histories)
        self.history_ = trained.histories[DECAYS]
        self.seconds_ = time.perf_counter() - started
        return self

    @property
    def preparation(self) -> tuple[object, ...]:
        """What `prepare` depends on, apart from the images."""
        names = ("network", "layers", "side", "augmentation", "n_views", "device")
        return (str(self.pretrained), *(getattr(self, name) for name in names))

    def prepare(self, X: ImageSource, span: ValueRange, workspace: str | Path) -> int:
        """Compute the features of images before any fit; return how many of them were missing.

        Args:
            X: (n, c, h, w) images of training, validation and test.
            span: Values of black and white of the training images; see `arrays.value_range`.
            workspace: Folder of the features, that of the fits to come.
        """
        return self._preparing(X, span, workspace).fill(X, self.settings.views)

    def n_missing(self, X: ImageSource, span: ValueRange, workspace: str | Path) -> int:
        """Return how many features of images, one for each view, `prepare` would compute."""
        return self._preparing(X, span, workspace).n_missing(X, self.settings.views)

    def dimension(self, shape: tuple[int, ...]) -> int:
        """Return the number of features of images of a shape (c, h, w)."""
        network, _ = feature_network(self.settings.features(min(shape[1:])), shape)
        return int(network.dimension)

    def _preparing(self, X: ImageSource, span: ValueRange, folder: str | Path) -> FrozenExtractor:
        side = min(check_images(X).shape[2:])
        self.check_settings(side)
        description = self.settings.features(side)
        return FrozenExtractor(description, shape=X.shape[1:], span=span, workspace=folder)

    def predict_proba(self, X: ImageSource) -> Scores:
        """Return (n, k) probabilities of `classes_`, float64; each row sums to 1.

        Raises:
            NotFittedError: `fit` has not been called.
            DataError: Images of another shape or storage type than the training images.
        """
        check_is_fitted(self, "network_")
        return self._probabilities(self.network_.head, X)

    def predict_proba_other(self, X: ImageSource) -> Scores | None:
        """Return what `predict_proba` would return under the other policy of `keep_best`.

        That is, with the fixed weight decay where a metric chooses it, else with the one of the
        best AUROC on the validation images. None after `load`.
        """
        check_is_fitted(self, "network_")
        if self._other_head is None:
            return None
        return self._probabilities(self._other_head, X)

    def features(self, X: ImageSource) -> NDArray[np.float32]:
        """Return the inputs (n, d) of the last layer, averaged over the views.

        Raises:
            NotFittedError: `fit` has not been called.
            DataError: Images of another shape or storage type than the training images.
        """
        check_is_fitted(self, "network_")
        X = self.check_images(X)
        if len(X) == 0:
            return np.empty((0, self.head_.in_features), dtype=np.float32)
        features = self._features(X)
        with torch.no_grad():
            inputs = self.network_.head.last_inputs(features).mean(dim=1)
        return np.asarray(inputs.cpu().numpy())

    @property
    def head_(self) -> nn.Linear:
        """The last layer: its inputs are `features`."""
        check_is_fitted(self, "network_")
        return self.network_.head.last

    @property
    def last_map_(self) -> nn.Module:
        """The layer of `network_` whose output Grad-CAM reads, in the first network."""
        check_is_fitted(self, "network_")
        first, *_ = networks_in(self.network)
        return find_backbone(first).last_map_of(self.network_.features.network)

    @property
    def settings(self) -> FrozenSettings:
        """The parameters as a typed record."""
        return FrozenSettings(**self._with_seed(self.get_params(deep=False)))

    def save(self, folder: str | Path) -> None:
        """Write `model.safetensors` (head and loss) and `model.json`.

        The weights of the network are not stored: `load` reads them where `pretrained` says, and
        checks that they are the same.
        """
        check_is_fitted(self, "network_")
        parameters = self._with_seed(self.get_params(deep=False))
        parameters["layers"] = list(self.layers)
        parameters["pretrained"] = str(self.pretrained)
        stored = self._description(parameters)
        stored["weight_decay"] = self.weight_decay_
        stored["weights"] = self._extractor.weights_digest
        save_fitted(Path(folder), KIND, self._modules().state_dict(), stored)

    @classmethod
    def load(
        cls, folder: str | Path, *, device: str = "auto", workspace: str | Path | None = None
    ) -> Self:
        """Read a classifier that `save` wrote, for prediction only; `workspace` is that of `fit`.

        Raises:
            DataError: The folder contains no saved classifier of this kind.
            SettingError: No such device, or the network's module has not been imported.
            WeightsError: The weights of the network are missing, or others than in the fit.
        """
        tensors, stored = load_fitted(Path(folder), KIND)
        check_stored_network(stored["settings"]["network"], Path(folder, "model.json"))
        settings = with_random_state({**stored["settings"], "device": device})
        loaded = cls(**{**settings, "layers": tuple(settings["layers"])})
        loaded._restore(stored)
        loaded.weight_decay_ = float(stored["weight_decay"])
        loaded._extractor = loaded._make_extractor(workspace)
        if loaded._extractor.weights_digest != stored["weights"]:
            raise WeightsError(
                f"Expected the weights of {loaded.network} with which the head in {folder} was "
                f"trained, got others from {loaded.pretrained}. Provide the same file."
            )
        stage = SECOND_STAGES[loaded.second_stage]
        relearned = stage is not None and stage.relearns
        head = loaded._blank_head()
        loaded._set_head(head.relinearized() if relearned else head)
        loss = RELEARNED if relearned else loaded.loss
        loaded.loss_ = make_loss(loss, loaded.counts_, loaded.real_counts_)
        loaded._other_head = None
        restore_weights(loaded._modules().to(resolve_device(device)).eval(), tensors, folder)
        return loaded

    def check_settings(self, side: int) -> None:
        """Raise unless the parameters work for a side in px; see `FrozenSettings.check`."""
        self.settings.check(side)

    def _make_extractor(self, workspace: str | Path | None) -> FrozenExtractor:
        description = self.settings.features(min(self.shape_[1:]))
        return FrozenExtractor(description, shape=self.shape_, span=self.span_, workspace=workspace)

    def _features(self, X: ImageSource) -> Tensor:
        """Compute features (n, views, d) on the device of the network."""
        features = torch.from_numpy(self._extractor(X, self.settings.views))
        return features.to(resolve_device(self.device))

    def _feature_set(self, X: ImageSource, codes: Labels, synthetic: Mask) -> FrozenFeatureSet:
        return FrozenFeatureSet(
            features=self._features(X),
            codes=codes,
            synthetic=synthetic,
            blocks=self._extractor.network.blocks,
        )

    def _blank_head(self) -> FrozenHead:
        settings = self.settings
        return FrozenHead(
            self._extractor.dimension,
            len(self.classes_),
            settings.head_kind,
            scale=settings.head_scale,
        )

    def _set_head(self, head: FrozenHead) -> None:
        self.network_ = FrozenNetwork(self._extractor.network, head).eval()

    def _probabilities(self, head: FrozenHead, X: ImageSource) -> Scores:
        X = self.check_images(X)
        if len(X) == 0:
            return np.empty((0, len(self.classes_)))
        with torch.no_grad():
            logits = head.mean_logits(head.view_inputs(self._features(X)))
        return probabilities(logits, self.loss_)

    def _modules(self) -> nn.ModuleDict:
        """Return what is stored: the weights of the frozen network are not."""
        return nn.ModuleDict({"head": self.network_.head, "loss": self.loss_})
