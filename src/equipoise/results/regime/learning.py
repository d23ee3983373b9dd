"""Whether the fits of a method had settled when their steps were over."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.results.phrases import agrees, plural
from equipoise.results.regime.warning import (
    ADEQUATE,
    RegimeWarning,
    more_steps,
    named,
    steps_of,
)
from equipoise.runs.description import StudyDescription
from equipoise.runs.outcome import History
from equipoise.runs.run import Run

Curve = NDArray[np.float64]  # (points, 2): step, value

LEAST_ROWS = 12  # of the training loss: with fewer no window has two
WINDOWS = ((0.0, 0.15), (0.4, 0.6), (0.85, 1.0))  # first, middle and last, shares of the steps
# Share of the fall after the middle, by schedule, of a loss that halves its distance from its end
# in 0.7 of the training, in units of the learning rate spent: twice the steps would win a third as
# much again. Under a cosine a straight line has 0.22, and a fit that settled 0 to 0.13.
LEAST_SHARE = {"cosine": 0.15, "constant": 0.40, "step": 0.07}
MUCH = 0.4  # more than this: four times the steps are advised, otherwise twice
LEAST_ERRORS = 2.5  # standard errors
LEAST_FALL = 0.05  # of the first loss: with less, nothing was learned
RISING = {"validation_auroc": 0.02, "validation_mean_dice": 0.02}  # gain after the middle
LEARNED = {"validation_auroc": 0.6, "validation_mean_dice": 0.05}  # more than at random
FALLING = 0.03  # of the validation loss, as a share of its value in the middle
VALIDATION_LOSS = "validation_loss"


@dataclass(frozen=True, kw_only=True)
class LossTrend:
    """How far the training loss fell, mean over the runs of a method.

    Attributes:
        first: Mean over the first window.
        fall: From the first window to the last.
        late: From the middle window to the last.
        error: Standard error of `late`, from the scatter inside the windows.
    """

    first: float
    fall: float
    late: float
    error: float

    @property
    def share(self) -> float:
        """Share of the fall that came after the middle."""
        return self.late / self.fall if self.fall > 0 else 0.0

    @property
    def hardly_fell(self) -> bool:
        """Whether nothing was learned: the loss ended about where it began."""
        return self.fall < max(LEAST_FALL * abs(self.first), LEAST_ERRORS * self.error)

    def still_falls(self, schedule: str) -> bool:
        """Whether much of the fall came late, beyond noise; one standard error is given away."""
        least = LEAST_SHARE.get(schedule, LEAST_SHARE["constant"])
        beyond_noise = self.late >= LEAST_ERRORS * self.error
        return beyond_noise and self.late - self.error >= least * self.fall > 0


def loss_trend(curves: Sequence[Curve]) -> LossTrend | None:
    """Measure the trend of training losses; None where they have too few rows.

    The learning rate falls to 0 by a cosine, so the last quarter of the steps makes 3 % of the way
    and its loss is flat even where a fit is nowhere near its end. What distinguishes a short fit is
    how much of its fall came between the middle (40 to 60 % of the steps) and the end; see
    `LEAST_SHARE`.

    Example:
        >>> steps = np.arange(10.0, 610.0, 10.0)
        >>> short = loss_trend([np.stack([steps, 1 - steps / 1200], axis=1)])
        >>> settled = loss_trend([np.stack([steps, np.exp(-steps / 60)], axis=1)])
        >>> short.still_falls("cosine"), settled.still_falls("cosine")
        (True, False)
    """
    firsts, falls, lates, variances = [], [], [], []
    for curve in curves:
        if len(curve) < LEAST_ROWS:
            return None
        windows = [_window(curve, low, high) for low, high in WINDOWS]
        first, middle, last = (float(values.mean()) for values in windows)
        firsts.append(first)
        falls.append(first - last)
        lates.append(middle - last)
        variances.append(sum(_error(values) ** 2 for values in windows[1:]))
    return LossTrend(
        first=float(np.mean(firsts)),
        fall=float(np.mean(falls)),
        late=float(np.mean(lates)),
        error=math.sqrt(sum(variances)) / len(curves),
    )


def validation_improves(curves: Mapping[str, Sequence[Curve]]) -> bool | None:
    """Return whether validation improved after the middle; None where nothing was evaluated.

    A training loss can fall for as long as a network memorizes: it counts only where validation
    images still gain. Mean over runs: AUROC or Dice up by 0.02, or the loss down by 3 %.
    """
    known = False
    for name, of_runs in curves.items():
        changes, levels = [], []
        for curve in of_runs:
            middle = _window(curve, *WINDOWS[1])
            last = _window(curve, *WINDOWS[2])
            if len(middle) and len(last):
                changes.append(float(last.mean() - middle.mean()))
                levels.append(float(middle.mean()))
        if not changes:
            continue
        known = True
        change = float(np.mean(changes))
        if name == VALIDATION_LOSS:
            if change <= -FALLING * abs(float(np.mean(levels))):
                return True
        elif change >= RISING[name]:
            return True
    return False if known else None


def validation_learned(curves: Mapping[str, Sequence[Curve]]) -> bool:
    """Return whether validation images were ranked or segmented better than at random at the end.

    The training loss alone cannot tell: it rises where a loss is reweighted late (LDAM-DRW) or a
    sampler turns to hard examples.
    """
    for name, least in LEARNED.items():
        ends = [float(curve[-1, 1]) for curve in curves.get(name, ())]
        if ends and float(np.mean(ends)) > least:
            return True
    return False


def unsettled_fits(run: Run) -> Iterator[RegimeWarning]:
    """Yield which methods learned nothing, were still learning, or had too few steps to tell."""
    brief: dict[str, int] = {}  # method: steps
    unmoved: dict[str, int] = {}
    learning: dict[str, int] = {}
    largest_share = 0.0
    for method in run.description.methods:
        fits = fits_of(run, method.name)
        losses = curves_of(fits, method.steps[-1].name, "loss")
        schedule = str(method.steps[-1].settings.get("schedule", "cosine"))
        if not losses:
            continue
        validation = {}
        for name in (VALIDATION_LOSS, *RISING):
            validation[name] = curves_of(fits, method.steps[-1].name, name)
        n_steps = steps_of(run.description, method.name) or int(losses[0][-1, 0])
        trend = loss_trend(losses)
        if trend is None:
            brief[method.name] = n_steps
        elif trend.hardly_fell and not validation_learned(validation):
            unmoved[method.name] = n_steps
        elif trend.still_falls(schedule) and validation_improves(validation) is not False:
            learning[method.name] = n_steps
            largest_share = max(largest_share, trend.share)
    if brief:
        yield brief_warning(brief, run.description)
    if unmoved:
        yield unmoved_warning(unmoved, run.description)
    if learning:
        yield learning_warning(learning, largest_share, run.description)


def brief_warning(methods: Mapping[str, int], description: StudyDescription) -> RegimeWarning:
    """Say that a loss curve has too few rows."""
    fewest = min(methods.values())
    return RegimeWarning(
        kind="trained too briefly",
        methods=tuple(methods),
        numbers={"steps": fewest},
        problem=f"{plural(fewest, 'step')} {agrees(fewest, 'is', 'are')} too few to tell whether "
        f"training settled ({named(list(methods))})",
        change=more_steps(ADEQUATE, description),
        steps=ADEQUATE,
    )


def unmoved_warning(methods: Mapping[str, int], description: StudyDescription) -> RegimeWarning:
    """Say that nothing was learned."""
    most = max(methods.values())
    return RegimeWarning(
        kind="nothing learned",
        methods=tuple(methods),
        unusable=tuple(methods),
        numbers={"steps": most},
        problem=f"the training loss of {named(list(methods))} hardly fell in {most} steps",
        change=f"{more_steps(4 * most, description)}, and check that the labels belong to the "
        "images",
        steps=4 * most,
    )


def learning_warning(
    methods: Mapping[str, int], share: float, description: StudyDescription
) -> RegimeWarning:
    """Say that training stopped before it settled, and that a `share` of the fall came late."""
    most = max(methods.values())
    factor = 4 if share > MUCH else 2
    return RegimeWarning(
        kind="still learning",
        methods=tuple(methods),
        numbers={"share of the fall": share, "steps": most},
        problem=f"the training loss of {named(list(methods))} was still falling at the end "
        f"({100 * share:.0f} % of its fall came in the second half of {most} steps), and "
        "validation still gained",
        change=more_steps(factor * most, description),
        steps=factor * most,
    )


def fits_of(run: Run, method: str) -> list[History]:
    """Return what the finished cells of a method recorded."""
    histories = []
    for record in run.finished_of(method):
        if record.cell in run.histories:
            histories.append(run.histories[record.cell])
    return histories


def curves_of(histories: Sequence[History], step: str, name: str) -> list[Curve]:
    """Return the curves of a name of a method's last step: of its fit, or of a cascade's stages.

    The second stage and the pretraining of a classifier are short by design and not looked at.
    """
    curves = []
    for history in histories:
        points_by_stage = {}
        for (stage, recorded), points in history.items():
            if recorded == name and stage.split("/")[0] == step:
                points_by_stage[stage] = points
        stages = [step] if step in points_by_stage else list(points_by_stage)
        for stage in stages:
            curves.append(np.array(points_by_stage[stage]))
    return curves


def _window(curve: Curve, low: float, high: float) -> Curve:
    """Return the values between two shares of the steps."""
    share = curve[:, 0] / curve[-1, 0]
    return np.asarray(curve[(share > low) & (share <= high), 1])


def _error(values: Curve) -> float:
    """Return the standard error of a mean, by successive differences, which no trend enlarges."""
    if len(values) < 2:
        return 0.0
    variance = float(np.mean(np.diff(values) ** 2)) / 2
    return math.sqrt(variance / len(values))
