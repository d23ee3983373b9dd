"""Choose splits, seeds and methods for a time: pure functions of measured numbers."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from equipoise.time_plan.costs import StudyCosts

# Added to `CHEAP_METHODS` where there is time. The critic of `dcgan` wins on few images (75 chest
# films, 64 px, step 810); the DiffAugment and the spectral norm of `strong_gan` are for such data.
GENERATOR, CONTROL = "strong_gan", "replay"
USED = 0.92  # of the time; the rest is what measurements may be wrong by
FEWEST = 2  # splits, or seeds on one split: one shows no difference
FEWEST_METHODS = 2
GAIN = 0.02  # splits that shrink the detectable difference by less than this are not trained
FEWEST_OF_GENERATOR = 3  # splits; where there are fewer in all, all of them

Detectable = Callable[[int], float]  # splits (or seeds) -> detectable difference, NaN where none


@dataclass(frozen=True, kw_only=True)
class StudyChoice:
    """Methods and how often each is trained.

    Attributes:
        methods: Names, the baseline first.
        n_units: Splits; where the test set is given, seeds.
        affordable: How many the time would allow; `n_units` stops where more hardly help.
        limits: {method: splits} of methods that cost too much for all.
        extended: Whether a generator and its control were added to the methods.
    """

    methods: tuple[str, ...]
    n_units: int
    affordable: int
    limits: Mapping[str, int] = field(default_factory=dict)
    extended: bool = False

    @property
    def cheap(self) -> tuple[str, ...]:
        """The methods but for a generator that was added and its control."""
        return self.methods[:-2] if self.extended else self.methods


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is open to choose.

    Attributes:
        methods: Methods that were named, or `CHEAP_METHODS`.
        droppable: Whether methods may be left out, from the end.
        extendable: Whether a generator and its control may be added.
        fixed_units: Splits (or seeds) that were named; None where they are chosen.
        n_seeds: Seeds of each split.
        most: Most splits (or seeds).
        seeds_are_units: Whether the units are seeds on one given test set.
    """

    methods: tuple[str, ...]
    droppable: bool
    extendable: bool
    fixed_units: int | None
    n_seeds: int
    most: int
    seeds_are_units: bool = False

    def splits_and_seeds(self, n_units: int) -> tuple[int, int]:
        """Return the numbers of splits and seeds for a number of units."""
        return (1, n_units) if self.seeds_are_units else (n_units, self.n_seeds)


def affordable_units(
    costs: StudyCosts, methods: Sequence[str], options: Options, seconds: float
) -> int:
    """Return the most splits (or seeds) that fit the time; 0 where none do."""
    affordable = 0
    for n_units in range(1, options.most + 1):
        if costs.total(methods, *options.splits_and_seeds(n_units)) > USED * seconds:
            break
        affordable = n_units
    return affordable


def enough_units(detectable: Detectable, affordable: int) -> int:
    """Return the fewest units whose detectable difference is within `GAIN` of the affordable ones'.

    Example:
        >>> enough_units(lambda n: 0.1 + 1 / n**2, 20)
        15
        >>> enough_units(lambda n: 0.1 + 0.001 / n, 20)
        2
    """
    best = detectable(affordable)
    if math.isnan(best):
        return affordable
    for n_units in range(min(FEWEST, affordable), affordable):
        if detectable(n_units) <= (1 + GAIN) * best:
            return n_units
    return affordable


def choose(
    costs: StudyCosts,
    options: Options,
    seconds: float,
    detectable_of: Callable[[int], Detectable],
) -> StudyChoice | None:
    """Choose methods and splits (or seeds) for a time; None where nothing useful fits.

    Args:
        costs: What a study costs.
        options: What is open.
        seconds: The time.
        detectable_of: Number of methods -> the detectable difference by number of units.
    """
    methods = options.methods
    while True:
        choice = _with_methods(costs, options, seconds, methods, detectable_of(len(methods)))
        if choice is not None or not options.droppable or len(methods) <= FEWEST_METHODS:
            break
        methods = methods[:-1]
    if choice is None or not options.extendable or len(methods) < len(options.methods):
        return choice
    return with_generator(costs, options, seconds, choice, detectable_of)


def pilot_alone(costs: StudyCosts, options: Options) -> StudyChoice | None:
    """Return the cells of the pilot as a study, for a time that it has used up.

    None where a named method, or a named number of splits, is not among them.
    """
    n_units = min(costs.finished.get(name, 0) for name in options.methods)
    if options.fixed_units is not None or options.seeds_are_units or n_units < FEWEST:
        return None
    return StudyChoice(methods=options.methods, n_units=n_units, affordable=0)


def with_generator(
    costs: StudyCosts,
    options: Options,
    seconds: float,
    plain: StudyChoice,
    detectable_of: Callable[[int], Detectable],
) -> StudyChoice:
    """Add a generator and its control to a choice where it leaves the time; else return it.

    The control has the splits of all methods, the generator as many as fit: it takes no time away
    from the others, and its pairs are the runs that both have.
    """
    if GENERATOR not in costs.cells or CONTROL not in costs.cells:
        return plain
    methods = (*plain.methods, CONTROL, GENERATOR)
    n_splits, n_seeds = options.splits_and_seeds(plain.n_units)
    fewest = min(FEWEST_OF_GENERATOR, plain.n_units)
    if options.seeds_are_units:  # limits are of splits
        fewest = plain.n_units
    affordable = 0
    for n_units in range(1, plain.n_units + 1):
        limits = {} if options.seeds_are_units else {GENERATOR: n_units}
        if costs.total(methods, n_splits, n_seeds, limits) > USED * seconds:
            break
        affordable = n_units
    if affordable < fewest:
        return plain
    n_units = max(fewest, enough_units(detectable_of(len(methods)), affordable))
    limits = {GENERATOR: n_units} if n_units < plain.n_units else {}
    return replace(plain, methods=methods, limits=limits, extended=True)


def with_pilot(choice: StudyChoice, costs: StudyCosts, options: Options) -> StudyChoice:
    """Keep the splits that the pilot has trained already, where fewer were chosen after it.

    Methods that the pilot has not trained keep the number that was chosen.
    """
    n_trained = max(costs.finished.values(), default=0)
    if options.seeds_are_units or choice.n_units >= n_trained:
        return choice
    limits = {}
    for name in choice.methods:
        n_units = choice.limits.get(name, choice.n_units)
        if costs.finished.get(name, 0) < n_trained:
            limits[name] = n_units
    return replace(choice, n_units=n_trained, limits=limits)


def _with_methods(
    costs: StudyCosts,
    options: Options,
    seconds: float,
    methods: tuple[str, ...],
    detectable: Detectable,
) -> StudyChoice | None:
    affordable = affordable_units(costs, methods, options, seconds)
    if options.fixed_units is not None:
        n_units = options.fixed_units
        return (
            StudyChoice(methods=methods, n_units=n_units, affordable=affordable)
            if (affordable >= n_units)
            else None
        )
    if affordable < min(FEWEST, options.most):
        return None
    n_units = enough_units(detectable, affordable)
    return StudyChoice(methods=methods, n_units=n_units, affordable=affordable)
