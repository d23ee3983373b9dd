"""More time never gives less, and a plan never exceeds its time by its own numbers."""

import math
from collections.abc import Callable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.time_plan.choosing import (
    CONTROL,
    GAIN,
    GENERATOR,
    USED,
    Options,
    StudyChoice,
    affordable_units,
    choose,
    enough_units,
    pilot_alone,
    with_pilot,
)
from equipoise.time_plan.costs import StudyCosts

METHODS = ("none", "class_weights", "crt", "ldam_drw")
SECONDS = st.floats(0.01, 300)


def detectable_of(n_methods: int) -> Callable[[int], float]:
    """Return differences as those of `power.detectable`: a floor, and a part that splits shrink."""
    return lambda n_units: (1 + 0.02 * n_methods) * math.sqrt(0.001 + 0.02 / n_units)


@st.composite
def studies(draw: st.DrawFn) -> StudyCosts:
    cells = {name: draw(SECONDS) for name in (*METHODS, CONTROL)}
    cells[GENERATOR] = draw(st.floats(10, 3000))
    return StudyCosts(
        spent={"planning": draw(st.floats(0, 100))},
        n_workers=draw(st.integers(1, 8)),
        start=draw(st.floats(0, 10)),
        cells=cells,
        finished=dict.fromkeys(METHODS, draw(st.integers(0, 5))),
        tables_of_cell=draw(st.floats(0, 2)),
        evidence=draw(st.floats(0, 60)),
        evidence_of_split=draw(st.floats(0, 5)),
    )


OPTIONS = Options(
    methods=METHODS, droppable=True, extendable=True, fixed_units=None, n_seeds=1, most=40
)
NAMED = replace(OPTIONS, droppable=False, extendable=False)


@given(costs=studies(), seconds=st.floats(30, 40_000), more=st.floats(1, 10))
@settings(deadline=None)
def test_more_time_never_gives_fewer_cells_or_a_larger_difference(
    costs: StudyCosts, seconds: float, more: float
) -> None:
    little = choose(costs, NAMED, seconds, detectable_of)
    much = choose(costs, NAMED, more * seconds, detectable_of)
    if little is None:
        return
    assert much is not None
    assert much.n_units >= little.n_units
    reached = detectable_of(len(METHODS))
    assert reached(much.n_units) <= reached(little.n_units)


@given(costs=studies(), seconds=st.floats(30, 40_000))
@settings(deadline=None)
def test_a_plan_keeps_its_time_by_its_own_numbers(costs: StudyCosts, seconds: float) -> None:
    choice = choose(costs, OPTIONS, seconds, detectable_of)
    if choice is not None:
        assert costs.total(choice.methods, choice.n_units, 1, choice.limits) <= USED * seconds
        assert choice.n_units >= 2


@given(costs=studies(), seconds=st.floats(30, 40_000), n_units=st.integers(1, 40))
@settings(deadline=None)
def test_named_splits_and_methods_are_kept(costs: StudyCosts, seconds: float, n_units: int) -> None:
    choice = choose(costs, replace(NAMED, fixed_units=n_units), seconds, detectable_of)
    if choice is not None:
        assert (choice.n_units, choice.methods) == (n_units, METHODS)
    else:
        assert costs.total(METHODS, n_units, 1) > USED * seconds


@given(costs=studies(), seconds=st.floats(30, 40_000))
@settings(deadline=None)
def test_a_generator_takes_no_split_from_the_others(costs: StudyCosts, seconds: float) -> None:
    choice = choose(costs, OPTIONS, seconds, detectable_of)
    if choice is None or GENERATOR not in choice.methods:
        return
    plain = choose(costs, NAMED, seconds, detectable_of)
    assert plain is not None
    assert (choice.cheap, choice.n_units) == (plain.methods, plain.n_units)
    of_generator = choice.limits.get(GENERATOR, choice.n_units)
    assert min(3, choice.n_units) <= of_generator <= choice.n_units


def test_time_that_cheap_methods_leave_over_is_for_a_generator() -> None:
    """Forty splits of four methods, and the control: 200 s; the generator has the other 1,500."""
    cells = dict.fromkeys((*METHODS, CONTROL), 1.0) | {GENERATOR: 100.0}
    costs = StudyCosts(spent={}, n_workers=1, start=0.0, cells=cells)
    options = replace(OPTIONS, fixed_units=40)
    spare = choose(costs, options, 1700 / USED, lambda _: lambda n: 1 / n)
    assert spare is not None
    assert spare.methods == (*METHODS, CONTROL, GENERATOR)
    assert (spare.n_units, spare.limits) == (40, {GENERATOR: 15})
    scarce = choose(costs, options, 499 / USED, lambda _: lambda n: 1 / n)
    assert scarce is not None
    assert (scarce.methods, scarce.limits) == (METHODS, {})
    on_one_test = replace(options, seeds_are_units=True)
    given = choose(costs, on_one_test, 1700 / USED, lambda _: lambda n: 1 / n)
    assert given is not None
    assert given.methods == METHODS


def test_splits_that_the_pilot_has_trained_stay() -> None:
    """Their cells lie in the run folder; a method that it left out keeps the chosen number."""
    costs = StudyCosts(
        spent={},
        n_workers=1,
        start=0.0,
        cells=dict.fromkeys((*METHODS, GENERATOR), 10.0),
        finished=dict.fromkeys(METHODS, 6),
    )
    chosen = StudyChoice(methods=(*METHODS, GENERATOR), n_units=3, affordable=3)
    planned = with_pilot(chosen, costs, NAMED)
    assert (planned.n_units, planned.limits) == (6, {GENERATOR: 3})
    assert with_pilot(replace(chosen, n_units=6), costs, NAMED).limits == {}
    assert with_pilot(chosen, costs, replace(NAMED, seeds_are_units=True)) == chosen


def test_splits_that_hardly_help_are_not_trained() -> None:
    detectable = detectable_of(4)
    n_units = enough_units(detectable, 40)
    assert n_units < 40
    assert detectable(n_units) <= (1 + GAIN) * detectable(40)
    assert detectable(n_units - 1) > (1 + GAIN) * detectable(40)


@given(scale=st.floats(0.1, 10), affordable=st.integers(2, 48))
def test_the_spread_of_a_pilot_does_not_choose_the_splits(scale: float, affordable: int) -> None:
    """It scales all differences alike, so the cells that measured it stay unbiased."""
    detectable = detectable_of(4)
    chosen = enough_units(detectable, affordable)
    assert enough_units(lambda n: scale * detectable(n), affordable) == chosen


def test_methods_are_left_out_from_the_end_where_the_time_is_short() -> None:
    costs = StudyCosts(spent={}, n_workers=1, start=0.0, cells=dict.fromkeys(METHODS, 10.0))
    choice = choose(costs, OPTIONS, 60 / USED, detectable_of)
    assert choice is not None
    assert (choice.methods, choice.n_units) == (METHODS[:3], 2)
    assert choose(costs, NAMED, 60 / USED, detectable_of) is None
    assert choose(costs, OPTIONS, 39 / USED, detectable_of) is None


def test_a_pilot_that_has_used_up_the_time_is_the_study() -> None:
    costs = StudyCosts(
        spent={}, n_workers=1, start=0.0, cells={}, finished=dict.fromkeys(METHODS, 3)
    )
    choice = pilot_alone(costs, OPTIONS)
    assert choice is not None
    assert (choice.methods, choice.n_units) == (METHODS, 3)
    assert pilot_alone(costs, replace(OPTIONS, fixed_units=5)) is None
    assert pilot_alone(replace(costs, finished=dict.fromkeys(METHODS, 1)), OPTIONS) is None
    named = replace(OPTIONS, methods=(*METHODS, "dcgan"))
    assert pilot_alone(costs, named) is None


def test_seeds_are_chosen_on_a_given_test_set() -> None:
    costs = StudyCosts(spent={}, n_workers=1, start=0.0, cells=dict.fromkeys(METHODS, 10.0))
    options = replace(NAMED, seeds_are_units=True, n_seeds=1)
    assert options.splits_and_seeds(5) == (1, 5)
    assert affordable_units(costs, METHODS, options, 200 / USED) == 5
