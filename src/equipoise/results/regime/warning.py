"""`RegimeWarning`: one thing that is wrong with a run, and what to change, as one sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from equipoise.atomic import JsonObject
from equipoise.results.phrases import MOST_NAMED, plural
from equipoise.runs.description import CLASSIFICATION, SEGMENTATION, StudyDescription

Kind = Literal[
    "nothing segmented",
    "constant scores",
    "ranked backwards",
    "few patients",
    "validation above test",
    "trained too briefly",
    "nothing learned",
    "still learning",
    "below the reference",
    "no better than chance",
    "one class called",
]
KINDS: dict[Kind, str] = {  # most serious first: what is checked, as a heading
    "nothing segmented": "A region is never segmented",
    "constant scores": "The same score for nearly every image",
    "ranked backwards": "AUROC below 0.5 beyond chance",
    "few patients": "Few patients of a class",
    "validation above test": "Validation far above test",
    "nothing learned": "Training loss that never fell",
    "trained too briefly": "Too few steps to judge the training",
    "still learning": "Still learning at the last step",
    "below the reference": "Baseline below a simple reference",
    "no better than chance": "AUROC below 0.5, as chance can make it",
    "one class called": "Nearly all images called the same",
}
OF_TASK: dict[str, tuple[Kind, ...]] = {  # what is checked of a study
    CLASSIFICATION: tuple(kind for kind in KINDS if kind != "nothing segmented"),
    SEGMENTATION: (
        "nothing segmented",
        "few patients",
        "nothing learned",
        "trained too briefly",
        "still learning",
    ),
}
ADEQUATE = 600  # steps to start with, the default of `equipoise run`


@dataclass(frozen=True, kw_only=True)
class RegimeWarning:
    """One thing that is wrong with a run.

    Attributes:
        kind: What was checked.
        methods: The methods concerned; empty where it concerns the data of all.
        numbers: What was measured, by name; of several methods the most extreme.
        problem: What is wrong, a clause that starts a sentence.
        change: What to change, a clause.
        unusable: Of the methods, those whose results mean nothing until that is changed.
        steps: Optimizer steps that `change` advises; 0 where it advises none.

    Example:
        >>> RegimeWarning(
        ...     kind="few patients", problem="the class severe has 3 test patients",
        ...     change="add patients of severe",
        ... ).text
        'The class severe has 3 test patients: add patients of severe.'
    """

    kind: Kind
    problem: str
    change: str
    methods: tuple[str, ...] = ()
    unusable: tuple[str, ...] = ()
    steps: int = 0
    numbers: Mapping[str, float] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The sentence."""
        return f"{self.problem[0].upper()}{self.problem[1:]}: {self.change}."


def most_serious_first(warnings: Sequence[RegimeWarning]) -> tuple[RegimeWarning, ...]:
    """Sort by kind, in the order of `KINDS`."""
    order = list(KINDS)
    return tuple(sorted(warnings, key=lambda warning: order.index(warning.kind)))


def with_one_number(
    warnings: Sequence[RegimeWarning], description: StudyDescription
) -> list[RegimeWarning]:
    """Advise the largest number of steps everywhere: a reader can follow one number only."""
    most = max((warning.steps for warning in warnings), default=0)
    advice = more_steps(most, description)
    advised = []
    for warning in warnings:
        if warning.steps:
            change = warning.change.replace(more_steps(warning.steps, description), advice)
            advised.append(replace(warning, change=change, steps=most))
        else:
            advised.append(warning)
    return advised


def named(methods: Sequence[str]) -> str:
    """Join names with commas; the first few, and the number of the rest.

    Example:
        >>> named(["none", "smote"])
        'none, smote'
    """
    more = len(methods) - MOST_NAMED
    return ", ".join(methods[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def in_runs(n: int, n_runs: int) -> str:
    """Return in how many runs of a method something was seen; empty where in all.

    Example:
        >>> in_runs(1, 4), in_runs(4, 4)
        (' (1 of 4 runs)', '')
    """
    return "" if n == n_runs else f" ({n} of {plural(n_runs, 'run')})"


def more_steps(n_steps: int, description: StudyDescription) -> str:
    """Advise a number of steps, with the option of the interface that started the run.

    A run on frozen features has no steps: it is advised to compute others.
    """
    if is_frozen(description):
        return better_features(description)
    if (description.command or "").split()[1:2] == ["demo"]:
        return "train longer (the demo is short on purpose)"
    option = f"--steps {n_steps}" if by_options(description) else f"n_steps={n_steps}"
    return f"train longer, with {option} or more"


def longer(description: StudyDescription) -> str:
    """Advise more steps without a number, by the name of the setting."""
    return f"train longer ({'--steps' if by_options(description) else 'n_steps'})"


def by_options(description: StudyDescription) -> bool:
    """Return whether the run was started with options of `equipoise run`, not in Python."""
    words = (description.command or "").split()
    return words[1:2] == ["run"] and not any(word.endswith(".py") for word in words)


def other_training(description: StudyDescription) -> str:
    """Advise how to train where a reference on fixed features ranks better.

    A pretrained network is better than one from scratch; where it is pretrained already, a head on
    its features cannot forget what they tell. Where a head alone is trained, other features help.
    """
    if is_frozen(description):
        return better_features(description)
    options = by_options(description)
    if starts_pretrained(description, description.baseline):
        head = "--regime frozen" if options else "regime='frozen'"
        return (
            f"{longer(description)}, or train a head alone on the features of its network ({head})"
        )
    start = (
        "--regime finetune --network mobilenet_v2 --pretrained official"
        if options
        else "regime='finetune', network='mobilenet_v2', pretrained='official'"
    )
    return f"{longer(description)}, or start from a pretrained network ({start})"


def better_features(description: StudyDescription) -> str:
    """Advise what changes the features of a frozen network."""
    if by_options(description):
        return (
            "compute other features: larger images (--size), another pretrained network or several "
            "(--network a+b), more views (--views)"
        )
    return (
        "compute other features: larger images, another pretrained network or several "
        "(network='a+b'), more views or layers (n_views, layers)"
    )


def is_frozen(description: StudyDescription) -> bool:
    """Return whether the classifier of the baseline is a head on features of a frozen network."""
    for candidate in description.methods:
        if candidate.name == description.baseline and candidate.steps:
            return candidate.steps[-1].class_name.endswith(".FrozenClassifier")
    return False


def starts_pretrained(description: StudyDescription, method: str) -> bool:
    """Return whether the classifier of a method starts from pretrained weights."""
    for candidate in description.methods:
        if candidate.name == method and candidate.steps:
            return candidate.steps[-1].settings.get("pretrained") is not None
    return False


def steps_of(description: StudyDescription, method: str) -> int:
    """Return the optimizer steps of a method's last step; 0 where it has no such setting.

    Those of a cascade are the sum over its two networks.
    """
    for candidate in description.methods:
        if candidate.name == method:
            return _steps_in(candidate.steps[-1].settings)
    return 0


def _steps_in(settings: JsonObject) -> int:
    n_steps = settings.get("n_steps")
    if isinstance(n_steps, int):
        return n_steps
    return sum(_steps_in(value) for value in settings.values() if isinstance(value, dict))
