from hypothesis import given
from hypothesis import strategies as st

from equipoise.experiments.running.cell_queue import CellQueue
from equipoise.runs.cell import Cell


def cell(name: int) -> Cell:
    return Cell(f"method-{name}", "split-0", 0)


@given(
    st.lists(st.frozensets(st.sampled_from("abc"), max_size=2), min_size=1, max_size=8),
    st.lists(st.integers(0, 7), max_size=60),
    st.integers(1, 3),
)
def test_no_fit_is_made_twice_at_once_and_every_cell_has_its_turn(
    fits: list[frozenset[str]], choices: list[int], n_workers: int
) -> None:
    cells = [cell(i) for i in range(len(fits))]
    fits_of = dict(zip(cells, fits, strict=True))
    queue = CellQueue(cells, fits_of.__getitem__)
    training: list[Cell] = []
    made: set[str] = set()
    ended = []
    while queue or training:
        while len(training) < n_workers and (following := queue.next()):
            being_made = {fit for other in training for fit in fits_of[other] - made}
            assert not fits_of[following] & being_made
            training.append(following)
        position = choices.pop() % len(training) if choices else 0
        last = training.pop(position)
        queue.ended(last)
        made |= fits_of[last]
        ended.append(last)
    assert sorted(ended, key=cells.index) == cells


def test_cells_without_a_common_fit_keep_their_order() -> None:
    queue = CellQueue([cell(0), cell(1), cell(2)], lambda _: frozenset())
    assert [queue.next(), queue.next(), queue.next()] == [cell(0), cell(1), cell(2)]
    assert queue.next() is None


def test_a_lost_cell_comes_again_before_those_that_need_its_fit() -> None:
    queue = CellQueue([cell(0), cell(1)], lambda _: frozenset("a"))
    assert queue.next() == cell(0)
    assert queue.has_followers(cell(0))
    queue.again(cell(0))
    assert queue.next() == cell(0)
    assert queue.next() is None
    queue.ended(cell(0))
    assert queue.next() == cell(1)
    assert list(queue.makers(cell(1))) == [cell(0)]
    assert not queue.has_followers(cell(1))


def test_a_fit_whose_maker_failed_is_made_by_one_cell_again() -> None:
    queue = CellQueue([cell(0), cell(1), cell(2)], lambda _: frozenset("a"))
    assert queue.next() == cell(0)
    queue.ended(cell(0), failed=True)
    assert queue.next() == cell(1)
    assert not list(queue.makers(cell(1)))
    assert queue.next() is None
    queue.ended(cell(1))
    assert queue.next() == cell(2)
