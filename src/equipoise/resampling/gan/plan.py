"""What one fit of a GAN depends on besides its images and labels."""

from dataclasses import dataclass

from equipoise.arrays import ValueRange
from equipoise.networks.design import Design
from equipoise.resampling.gan.settings import Schedule
from equipoise.training.adversarial import Game


@dataclass(frozen=True, kw_only=True)
class GANPlan:
    """The settings of a fit and the properties of its data; the content key is made of its `repr`.

    Attributes:
        name: Of the fit, for progress and random streams.
        layout: A name in `LAYOUTS`.
        design: What the networks are built from.
        game: The rules.
        schedule: Counted in steps, not in epochs.
        label_probabilities: (k,) how often a fake has each label.
        value_range: The stored values of black and white.
        seed: Of all random streams.
    """

    name: str
    layout: str
    design: Design
    game: Game
    schedule: Schedule
    label_probabilities: tuple[float, ...]
    value_range: ValueRange
    seed: int

    @property
    def advice(self) -> str:
        """What to change when training fails."""
        schedule = self.schedule
        advice = [
            f"a lower learning_rate (now {schedule.learning_rate:g})",
            f"another n_steps (now {schedule.n_steps}; too few leave the generator untrained, too "
            "many let it memorize)",
        ]
        if not self.game.diffaugment and not self.game.ada:
            advice.insert(0, "diffaugment='translation,cutout'")
        if schedule.precision != "32-true":
            advice.append("precision='32-true'")
        return f"{self.name}: try {', or '.join(advice)}."
