"""The settings of a GAN as records: how it is trained, and the whole recipe that a preset is."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from equipoise.discovery import unknown
from equipoise.exceptions import SettingError
from equipoise.networks.design import Networks
from equipoise.resampling.gan.label_prior import Alpha
from equipoise.training.adversarial import Game
from equipoise.training.regularizers import as_mapping

PER_CLASS = "per_class"


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long a GAN is trained, on which batches, and by which optimizers.

    Attributes:
        n_steps: Updates of the generator.
        n_epochs: In place of `n_steps`, where given: passes of the critic over the real images
            (several updates on a reused batch count once).
        batch_size: Real images, and fakes, in an update.
        batch_sampler: "balanced" (every class equally often) or "natural"; of real images in a
            conditional fit.
        learning_rate: Of both networks. The papers' 2e-4 is for long fits: after 1,000 steps on 59
            cells or 124 chest films at 32 px, 5e-4 drew membranes, nuclei and ribs that 2e-4 left
            blurred.
        critic_learning_rate: Of the critic, where it differs (TTUR: 4e-4 beside the generator's
            1e-4).
        optimizer: "adam", or "rmsprop" without momentum (WGAN).
        betas: Of Adam.
        ema_decay: Of the running average of the generator's weights; shorter at the start of a fit.
        precision: "32-true" or "bf16-mixed" (up to twice as fast where there are bfloat16 units).
        warm_start: "none"; or, with layout "bagan_gp", "autoencoder" to start the generator from
            one, "autoencoder_and_critic" to start the critic from it too, or
            "normalized_autoencoder".
        warm_start_steps: Updates of the autoencoder.
        warm_start_epochs: In place of `warm_start_steps`, where given: its passes over the images.
    """

    n_steps: int = 2000
    n_epochs: float | None = None
    batch_size: int = 32
    batch_sampler: str = "balanced"
    learning_rate: float = 5e-4
    critic_learning_rate: float | None = None
    optimizer: str = "adam"
    betas: tuple[float, float] = (0.5, 0.999)
    ema_decay: float = 0.999
    precision: str = "32-true"
    warm_start: str = "none"
    warm_start_steps: int = 500
    warm_start_epochs: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "betas", tuple(float(beta) for beta in self.betas))

    @property
    def critic_rate(self) -> float:
        """The learning rate of the critic."""
        rate = self.critic_learning_rate
        return self.learning_rate if rate is None else rate

    def in_steps(self, n_images: int, *, batches_per_step: int) -> "Schedule":
        """Return the same schedule in steps in place of epochs.

        Args:
            n_images: Images of the fit.
            batches_per_step: Batches of real images in one step.

        Example:
            >>> Schedule(n_epochs=2, batch_size=32).in_steps(100, batches_per_step=1).n_steps
            7
        """
        n_steps, warm_start_steps = self.n_steps, self.warm_start_steps
        if self.n_epochs is not None:
            n_steps = math.ceil(self.n_epochs * n_images / (self.batch_size * batches_per_step))
        if self.warm_start_epochs is not None:
            warm_start_steps = math.ceil(self.warm_start_epochs * n_images / self.batch_size)
        return replace(
            self,
            n_steps=n_steps,
            n_epochs=None,
            warm_start_steps=warm_start_steps,
            warm_start_epochs=None,
        )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All settings of a GAN but its seed, device and doses; `GANOversampler` describes them.

    The names of all fields, those of the three inner records included, are different, so that
    `changed` needs no path to a field.

    Example:
        >>> recipe = Recipe().changed(conditioning="one_hot", objective="hinge", base_channels=64)
        >>> recipe.game.objective, recipe.networks.base_channels
        ('hinge', 64)
    """

    conditioning: str = PER_CLASS
    alpha: Alpha = "uniform"
    layout: str = "dcgan"
    networks: Networks = field(default_factory=Networks)
    game: Game = field(default_factory=Game)
    schedule: Schedule = field(default_factory=Schedule)

    @property
    def conditional(self) -> bool:
        """Whether one pair of networks is trained on all classes."""
        return self.conditioning != PER_CLASS

    @property
    def summary(self) -> str:
        """The settings that differ from the defaults, for lists."""
        values, defaults = self.flat(), Recipe().flat()
        differing = {"conditioning": self.conditioning}
        differing |= {key: value for key, value in values.items() if value != defaults[key]}
        return ", ".join(f"{name}={value}" for name, value in differing.items())

    def flat(self) -> dict[str, Any]:
        """Return every setting by the name of its field, whatever record it is in."""
        values = dict(vars(self))
        for record in INNER:
            values |= vars(values.pop(record))
        return values

    def changed(self, **settings: Any) -> "Recipe":
        """Return the recipe with other values for some fields, whatever record they are in.

        Raises:
            SettingError: No such setting.
        """
        top: dict[str, Any] = {}
        inner: dict[str, dict[str, Any]] = {record: {} for record in INNER}
        for name, value in settings.items():
            if name in RECORD_OF:
                inner[RECORD_OF[name]][name] = value
            elif name in TOP_LEVEL:
                top[name] = value
            else:
                raise SettingError(unknown(name, [*TOP_LEVEL, *RECORD_OF], "setting of a GAN"))
        for record, values in inner.items():
            if values:
                top[record] = replace(top.get(record, getattr(self, record)), **values)
        return replace(self, **top)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values from which `from_json` builds an equal recipe."""
        game = {**vars(self.game), "regularizers": [as_mapping(r) for r in self.game.regularizers]}
        return {**vars(self), "game": game} | {
            "networks": asdict(self.networks),
            "schedule": asdict(self.schedule),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Recipe":
        """Build a recipe from the values of `to_json`.

        Raises:
            SettingError: There is a setting that is not known.
        """
        flat = dict(values)
        for record in INNER:
            flat |= flat.pop(record, {})
        return cls().changed(**flat)


INNER: Mapping[str, type] = {"networks": Networks, "game": Game, "schedule": Schedule}
TOP_LEVEL = tuple(setting.name for setting in fields(Recipe))
RECORD_OF: dict[str, str] = {}
for _record, _kind in INNER.items():
    RECORD_OF |= dict.fromkeys((setting.name for setting in fields(_kind)), _record)
