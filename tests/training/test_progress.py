import pytest

from equipoise.training.progress import listening, report


def test_the_innermost_listener_hears_and_gives_way_again() -> None:
    outer: list[int] = []
    inner: list[int] = []
    report("fit", 0, 9)  # nobody listens
    with listening(lambda name, step, n_steps: outer.append(step)):
        report("fit", 1, 9)
        with listening(lambda name, step, n_steps: inner.append(step)):
            report("fit", 2, 9)
        report("fit", 3, 9)
    assert (outer, inner) == ([1, 3], [2])


def test_a_listener_gives_way_also_after_an_error() -> None:
    heard: list[int] = []

    def fail(_name: str, _step: int, _n_steps: int) -> None:
        raise KeyboardInterrupt

    with listening(lambda name, step, n_steps: heard.append(step)):
        with pytest.raises(KeyboardInterrupt), listening(fail):
            report("fit", 1, 9)
        report("fit", 2, 9)
    assert heard == [2]
