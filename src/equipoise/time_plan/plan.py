"""`TimePlan`: what a study was planned to be, why, and what it can find; plain records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Self

from equipoise.atomic import JsonFields, JsonValue, read_json, reading, write_json
from equipoise.checksums import check_file, damaged
from equipoise.experiments.protocol import (
    FROZEN,
    OFFICIAL,
    PRETRAINED_NETWORK,
    Budget,
    Protocol,
)

FILE = "plan.json"


@dataclass(frozen=True, kw_only=True)
class FixedChoices:
    """What the user has chosen; the plan chooses what is None.

    Attributes:
        methods: Names of methods, the baseline first.
        regime: See `Budget`.
        network: See `Budget`.
        pretrained: See `Budget`.
        size: Side of the images in px.
        gan_side: Side in px at which generators work.
        n_steps: Optimizer steps of the classifier.
        n_splits: See `Protocol`.
        n_seeds: See `Protocol`.
    """

    methods: tuple[str, ...] | None = None
    regime: str | None = None
    network: str | None = None
    pretrained: str | None = None
    size: int | None = None
    gan_side: int | None = None
    n_steps: int | None = None
    n_splits: int | None = None
    n_seeds: int | None = None

    @property
    def leave_nothing_open(self) -> bool:
        """Whether nothing is left to measure: the study is what the choices say."""
        numbers = (self.size, self.n_splits, self.n_seeds)
        return None not in numbers and (self.n_steps is not None or self.regime == FROZEN)

    @classmethod
    def from_json(cls, value: JsonFields) -> Self:
        """Build the choices from the object that `to_json` returned."""
        methods = value.get("methods")
        return cls(**{**value, "methods": None if methods is None else tuple(methods)})

    def to_json(self) -> dict[str, JsonValue]:
        """Return the choices that were made, as a JSON object."""
        return _stated(self)


@dataclass(frozen=True, kw_only=True)
class TrainingSetting:
    """How every method is trained: what has to be settled before the first cell.

    Attributes:
        regime: See `Budget`.
        network: See `Budget`.
        pretrained: See `Budget`.
        size: Side of the images in px.
        gan_side: Side in px at which generators work; None for that of the images.
        n_steps: Optimizer steps; None with "frozen", where heads train until they converge.
        batch_size: Images in a step.
        unit_seconds: Of an image's features, or of an optimizer step; measured on random images.
        reasons: {choice: why}.
    """

    regime: str
    network: str
    pretrained: str | None
    size: int
    gan_side: int | None = None
    n_steps: int | None = None
    batch_size: int = 32
    unit_seconds: float = 0.0
    reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def frozen(self) -> bool:
        """Whether heads are trained on features that are computed once."""
        return self.regime == FROZEN

    def follows(self, fixed: FixedChoices) -> bool:
        """Return whether network and weights are the user's choice, or what is chosen for users.

        Otherwise a stored setting could name a module that is executed, or any file.
        """
        networks = (fixed.network, PRETRAINED_NETWORK, Budget().network)
        return self.network in networks and self.pretrained in (fixed.pretrained, OFFICIAL, None)

    @classmethod
    def from_json(cls, value: JsonFields) -> Self:
        """Build the setting from the object that `to_json` returned."""
        return cls(**{"pretrained": None, **value})

    def to_json(self) -> dict[str, JsonValue]:
        """Return the setting as a JSON object."""
        return _stated(self)

    def budget(self, budget: Budget) -> Budget:
        """Return a budget with this setting."""
        return replace(
            budget,
            regime=self.regime,
            network=self.network,
            pretrained=self.pretrained,
            n_steps=budget.n_steps if self.n_steps is None else self.n_steps,
            batch_size=self.batch_size,
            gan_side=self.gan_side,
        )


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """A number of splits and seeds, and the smallest true differences that they find.

    Attributes:
        n_splits: Splits.
        n_seeds: Seeds.
        detectable: {metric: difference found four times in five}; NaN is stored as None.
        limits: {method: splits}, of methods that have fewer.
        limited: What the fewest of these splits find; None where there are none.
        obstacle: Why nothing can be found; "" where something can.
    """

    n_splits: int
    n_seeds: int
    detectable: Mapping[str, float | None]
    limits: Mapping[str, int] = field(default_factory=dict)
    limited: Self | None = None
    obstacle: str = ""

    @classmethod
    def from_json(cls, value: JsonFields) -> Self:
        """Build the outlook from the object that `to_json` returned."""
        limited = value.get("limited")
        return cls(**{**value, "limited": limited and cls.from_json(limited)})

    def to_json(self) -> dict[str, JsonValue]:
        """Return the outlook as a JSON object."""
        value = _stated(replace(self, limited=None))
        if self.limited is not None:
            value["limited"] = self.limited.to_json()
        return value


@dataclass(frozen=True, kw_only=True)
class TimePlan:
    """A study planned for a time.

    Attributes:
        seconds: The time that it may take.
        setting: How every method is trained.
        methods: Names of the methods, the baseline first.
        now: Splits and seeds of the study, and what it finds.
        twice: What twice the time would give.
        stages: {stage of `equipoise.runs.stage_seconds`: expected seconds}.
        cell_seconds: {method: seconds of a cell}.
        measured: {what: number}, for the reader.
        reasons: {choice: why}, those of the setting included.
        fixed: What the user had chosen.
        generates: Whether a method makes synthetic images.
    """

    seconds: float
    setting: TrainingSetting
    methods: tuple[str, ...]
    now: Outlook
    twice: Outlook
    stages: Mapping[str, float]
    cell_seconds: Mapping[str, float]
    measured: Mapping[str, float]
    reasons: Mapping[str, str]
    fixed: FixedChoices
    generates: bool = False

    @property
    def split_limits(self) -> dict[str, int]:
        """{method: number of first splits}, of a method that does not have all."""
        return dict(self.now.limits)

    @property
    def total(self) -> float:
        """Expected seconds of all stages."""
        return sum(self.stages.values())

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        n_splits = [self.split_limits.get(name, self.now.n_splits) for name in self.methods]
        return sum(n_splits) * self.now.n_seeds

    @classmethod
    def from_json(cls, value: JsonFields) -> Self:
        """Build the plan from the object that `to_json` returned."""
        return cls(
            seconds=float(value["seconds"]),
            setting=TrainingSetting.from_json(value["setting"]),
            methods=tuple(value["methods"]),
            now=Outlook.from_json(value["now"]),
            twice=Outlook.from_json(value["twice"]),
            stages=dict(value["stages"]),
            cell_seconds=dict(value.get("cell_seconds", {})),
            measured=dict(value["measured"]),
            reasons=dict(value["reasons"]),
            fixed=FixedChoices.from_json(value["fixed"]),
            generates=value.get("generates", False),
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Return the plan as a JSON object."""
        return {
            "seconds": self.seconds,
            "setting": self.setting.to_json(),
            "methods": list(self.methods),
            "now": self.now.to_json(),
            "twice": self.twice.to_json(),
            "stages": dict(self.stages),
            "cell_seconds": dict(self.cell_seconds),
            "measured": dict(self.measured),
            "reasons": dict(self.reasons),
            "fixed": self.fixed.to_json(),
            "generates": self.generates,
        }

    def protocol(self, protocol: Protocol) -> Protocol:
        """Return a protocol with the methods, splits and seeds of this plan."""
        return replace(
            protocol,
            methods=self.methods,
            n_splits=self.now.n_splits,
            n_seeds=self.now.n_seeds,
        )


@dataclass(frozen=True, kw_only=True)
class StoredPlan:
    """What `plan.json` of a run contains: the setting as soon as it is settled, then the plan.

    Attributes:
        seconds: The time that was requested.
        fixed: What the user had chosen.
        setting: How every method is trained.
        plan: The whole plan; None while pilot cells are trained.
    """

    seconds: float
    fixed: FixedChoices
    setting: TrainingSetting
    plan: TimePlan | None = None

    def store(self, folder: Path) -> None:
        """Write `plan.json` into the folder of a run."""
        value: dict[str, JsonValue] = {
            "seconds": self.seconds,
            "fixed": self.fixed.to_json(),
            "setting": self.setting.to_json(),
            "plan": None if self.plan is None else self.plan.to_json(),
        }
        write_json(folder / FILE, value, checksum=True)


def read_plan(folder: Path) -> StoredPlan | None:
    """Read `plan.json` of a run; None where it was not planned by time.

    Raises:
        DataError: The file cannot be read.
    """
    path = folder / FILE
    check_file(path)
    if not path.is_file():
        return None
    with reading(path):
        value = read_json(path)
        plan = value["plan"]
        stored = StoredPlan(
            seconds=float(value["seconds"]),
            fixed=FixedChoices.from_json(value["fixed"]),
            setting=TrainingSetting.from_json(value["setting"]),
            plan=None if plan is None else TimePlan.from_json(plan),
        )
    settings = [stored.setting] if stored.plan is None else [stored.setting, stored.plan.setting]
    for setting in settings:
        if not setting.follows(stored.fixed):
            raise damaged(path, f"nobody chose {setting.network} with {setting.pretrained}")
    return stored


def _stated(record: FixedChoices | TrainingSetting | Outlook) -> dict[str, JsonValue]:
    """Return the fields of a record that are not None, as JSON values."""
    values: dict[str, JsonValue] = {}
    for entry in fields(record):
        value = getattr(record, entry.name)
        if isinstance(value, Mapping):
            value = dict(value)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            value = list(value)
        if value is not None:
            values[entry.name] = value
    return values
