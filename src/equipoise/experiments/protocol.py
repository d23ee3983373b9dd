"""What a comparison compares and what each method may spend: plain records, quick to import.

The command line takes its defaults from these fields.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from equipoise.discovery import unknown
from equipoise.exceptions import SettingError

# Cheap methods without synthetic images: what a generator has to beat.
STRONG_CONTROLS = ("oversampling", "balanced_softmax", "crt", "ldam_drw", "replay")

# The default methods: the baseline and controls that cost a training. `replay` adds copies of real
# images where a generator adds its own, so that it belongs beside one.
CHEAP_METHODS = ("none", "class_weights", *(name for name in STRONG_CONTROLS if name != "replay"))

# Checkpoint policy -> `keep_best` of every classifier. The scores of the other one stand beside it.
CHECKPOINTS = {"best": "balanced_accuracy", "last": "averaged"}
# The same of heads on frozen features, where "best" is a weight decay: how well it ranks, because
# verdicts are at each method's own thresholds, and those repair a shifted threshold, not a ranking.
HEAD_CHECKPOINTS = {"best": "auroc", "last": "averaged"}

# Precisions: bfloat16 where it is as good and the device has units for it; float32; bfloat16.
PRECISIONS = AUTO, FLOAT32, BFLOAT16 = "auto", "32-true", "bf16-mixed"

SCRATCH, FROZEN, FINETUNE = "scratch", "frozen", "finetune"  # regimes
PRETRAINED_REGIMES = (FROZEN, FINETUNE)
# Network and weights of a pretrained regime where none are named: the smallest download.
PRETRAINED_NETWORK, OFFICIAL = "mobilenet_v2", "official"


MOST_REPEATS = 1000  # seeds, splits or folds: each is a cell of every method, and is listed
MOST_STEPS = 10_000_000
MOST_WORKERS = 1024


def check_counts(most: int, **counts: Any) -> None:
    """Raise unless each count that is named is from 1 to `most`.

    Raises:
        SettingError: Names all that are not.

    Example:
        >>> check_counts(1000, n_seeds=3, n_folds=None)
        >>> check_counts(1000, n_seeds=10**8, n_splits=0)
        Traceback (most recent call last):
            ...
        equipoise.exceptions.SettingError: Expected whole numbers from 1 to 1,000, got n_seeds ...
    """
    wrong = []
    for name, count in counts.items():
        is_number = not isinstance(count, str)
        if count is not None and not (is_number and count == int(count) and 1 <= count <= most):
            wrong.append(f"{name} of {count!r}")
    if wrong:
        raise SettingError(f"Expected whole numbers from 1 to {most:,}, got {', '.join(wrong)}.")


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How methods are compared on images.

    Attributes:
        methods: Names of `equipoise.experiments.methods.catalogue.METHODS`; the first is the
            baseline.
        n_seeds: Trainings of every method on every split.
        n_splits: Repeated hold-outs; ignored where the source has a test set of its own.
        seed: First seed, also the seed of the splits.
        test: Share of the images (whole patients) held out for the test.
        validation: Share of the images (whole patients) held out for model selection.
        duplicates: What to do when copies of an image lie on both sides of a split: "refuse" (stop
            before anything trains), "merge" (treat them as one patient) or "report" (go on and show
            them).
        use_source_split: Keep the train and test parts that the source came with.
        rare_class: Name of the positive class; where None, the smallest that does not sound healthy
            (`equipoise.data.positive_class`).
        primary_metric: The metric on which the verdict rests, named before anything is trained.

    Raises:
        SettingError: `n_seeds` or `n_splits` (`n_folds`) is not from 1 to `MOST_REPEATS`.

    Example:
        >>> Protocol(n_seeds=5).methods
        ('none', 'class_weights', 'oversampling', 'balanced_softmax', 'crt', 'ldam_drw')
    """

    methods: Sequence[str] = CHEAP_METHODS
    n_seeds: int = 3
    n_splits: int = 3
    seed: int = 0
    test: float = 0.25
    validation: float = 0.15
    duplicates: str = "refuse"
    use_source_split: bool = True
    rare_class: str | None = None
    primary_metric: str = "balanced_accuracy"

    def __post_init__(self) -> None:
        check_counts(MOST_REPEATS, n_seeds=self.n_seeds, n_splits=self.n_splits)


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What every method of a comparison on images may spend: one classifier, one number of steps.

    Attributes:
        regime: "scratch": all layers of the classifier are trained. "frozen": a head is trained on
            features of a pretrained network, which are computed once. "finetune": all layers of a
            pretrained network are trained, the lower ones slowly;
            see `equipoise.experiments.methods.regimes.REGIMES`.
        network: Of the classifier; see `equipoise.networks.backbones.find_backbone`. With "frozen"
            also several, with "+" between them.
        pretrained: None, "official" or another name of the network's weights, or a file of them;
            with "frozen" and "finetune" not None, with "frozen" also "random".
        n_steps: Optimizer steps of the classifier; a frozen one is trained until it converges.
        batch_size: Images in each of them.
        learning_rate: Of the classifier; not of a frozen one. With "finetune" that of the head.
        augmentation: Of the classifier; one of `equipoise.training.augmentation.AUGMENTATIONS`.
        views: Fixed views of every image, itself included, with "frozen"; see
            `equipoise.estimators.frozen.views.VIEWS`.
        head: Of a frozen classifier; one of `equipoise.estimators.frozen.head.FROZEN_HEADS`.
        checkpoint: Weights that the classifier of every method keeps: "best" on the validation
            images (balanced accuracy), or "last", averaged over the end of training. The choice
            alone can be worth as much as a method, so it is the same for all; see `CHECKPOINTS`.
            Of a frozen classifier "best" is the weight decay that ranks validation images best
            (AUROC), "last" a fixed one.
        gan_steps: Rounds of a GAN: one update of each network. Generators of other kinds get as
            many updates.
        gan_batch_size: Images in each round.
        gan_channels: Channels of a generator at half the image side.
        gan_side: Side in px at which generators work; their images are enlarged. None for that of
            the images.
        precision: Of the classifier: "32-true", "bf16-mixed" (bfloat16), or "auto": bfloat16 where
            the device has units for it and the network loses nothing by it (`Backbone.bfloat16`).
        gan_precision: The same of every generator;
            `equipoise.experiments.methods.generative.SUIT_BFLOAT16` names those that lose nothing.
        device: "auto", "cpu", "cuda", ...

    Raises:
        SettingError: A number of steps is not from 1 to `MOST_STEPS`, or there is no such
            precision.

    Example:
        >>> Budget(gan_steps=600).rounds(critic_steps=5)
        200
    """

    regime: str = SCRATCH
    network: str = "small_cnn"
    pretrained: str | None = None
    n_steps: int = 600
    batch_size: int = 32
    learning_rate: float = 1e-3
    augmentation: str = "film"
    views: int = 4
    head: str = "linear"
    checkpoint: str = "best"
    gan_steps: int = 1500
    gan_batch_size: int = 32
    gan_channels: int = 32
    gan_side: int | None = None
    precision: str = AUTO
    gan_precision: str = AUTO
    device: str = "auto"

    def __post_init__(self) -> None:
        check_counts(MOST_STEPS, n_steps=self.n_steps, gan_steps=self.gan_steps)
        for precision in (self.precision, self.gan_precision):
            if precision not in PRECISIONS:
                raise SettingError(unknown(precision, PRECISIONS, "precision"))

    @property
    def first_network(self) -> str:
        """The network, or the first of several."""
        return self.network.split("+")[0]

    @property
    def updates(self) -> int:
        """Updates of networks that every generator may make in all."""
        return 2 * self.gan_steps

    def rounds(self, critic_steps: int) -> int:
        """Return the rounds of a game in which the critic is updated `critic_steps` times."""
        return max(1, self.updates // (critic_steps + 1))


def chosen_precision(precision: str, device: str, *, suits_bfloat16: bool) -> str:
    """Return the precision in which a network is trained: "32-true" or "bf16-mixed".

    Args:
        precision: That of the budget.
        device: That of the budget.
        suits_bfloat16: Whether the network was measured to gain by bfloat16 and to lose nothing.

    Raises:
        SettingError: The device is not available.
    """
    if precision != AUTO:
        return precision
    from equipoise.training.devices import has_bfloat16, resolve_device

    return BFLOAT16 if suits_bfloat16 and has_bfloat16(resolve_device(device)) else FLOAT32


def budget_of(**choices: Any) -> Budget:
    """Return a budget with the network and weights that its regime needs, unless they are chosen.

    Args:
        choices: Fields of `Budget`; one that is None is left open.

    Example:
        >>> budget = budget_of(regime="frozen", network=None)
        >>> budget.network, budget.pretrained
        ('mobilenet_v2', 'official')
    """
    chosen = {name: value for name, value in choices.items() if value is not None}
    regime = chosen.get("regime")
    if regime in PRETRAINED_REGIMES:
        chosen = {"pretrained": OFFICIAL, **chosen}
    if "pretrained" in chosen and regime != SCRATCH:
        chosen = {"network": PRETRAINED_NETWORK, **chosen}
    return Budget(**chosen)


@dataclass(frozen=True, kw_only=True)
class VolumeProtocol:
    """How methods are compared on volumes.

    Attributes:
        methods: Names of `equipoise.experiments.methods.segmentation.VOLUME_METHODS`; the first is
            the baseline.
        n_seeds: Trainings of every method on every fold.
        n_folds: Folds of patients; None for five, or one for each patient where there are fewer.
        seed: First seed, also the seed of the folds.
        primary_metric: The metric on which the verdict rests, named before anything is trained.

    Raises:
        SettingError: `n_seeds` or `n_splits` (`n_folds`) is not from 1 to `MOST_REPEATS`.

    Example:
        >>> VolumeProtocol().methods
        ('random', 'balanced', 'hard_example', 'balanced_corrected')
    """

    methods: Sequence[str] = ("random", "balanced", "hard_example", "balanced_corrected")
    n_seeds: int = 3
    n_folds: int | None = None
    seed: int = 0
    primary_metric: str = "mean_dice"

    def __post_init__(self) -> None:
        check_counts(MOST_REPEATS, n_seeds=self.n_seeds, n_folds=self.n_folds)


@dataclass(frozen=True, kw_only=True)
class VolumeBudget:
    """What every method of a comparison on volumes may spend.

    Attributes:
        n_steps: Optimizer steps; a cascade divides them between its two networks.
        epoch_steps: Steps between two lists of hard examples, and between two validation
            evaluations.
        batch_size: Patches in a step.
        dense_batch_size: The same for a U-Net, which learns from every pixel of a patch and takes
            longer for each.
        candidates: Voxels of each class that are scored for a list of hard examples.
        patch_size: Side of a patch in pixels.
        width: Channels of a network's first layers.
        learning_rate: Its first value.
        n_slices: Slices of a validation evaluation.
        precision: "32-true" or "bf16-mixed" while training.
        device: "auto", "cpu", "cuda", ...

    Raises:
        SettingError: A number of steps is not from 1 to `MOST_STEPS`.
    """

    n_steps: int = 600
    epoch_steps: int = 100
    batch_size: int = 120
    dense_batch_size: int = 24
    candidates: int = 1000
    patch_size: int = 64
    width: int = 16
    learning_rate: float = 1e-3
    n_slices: int = 16
    precision: str = "32-true"
    device: str = "auto"

    def __post_init__(self) -> None:
        check_counts(MOST_STEPS, n_steps=self.n_steps, epoch_steps=self.epoch_steps)
