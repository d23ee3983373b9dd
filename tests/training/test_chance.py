import random

import numpy as np
import pytest
import torch

from equipoise.training.chance import isolated_chance, repeatable_kernels, seed_step


def random_numbers() -> tuple[float, float, float]:
    return float(torch.rand(())), float(np.random.rand()), random.random()  # noqa: NPY002 (the global state is the subject)


def fail_after(*_whatever: object) -> None:
    raise RuntimeError


def test_chance_inside_depends_on_the_parts_alone() -> None:
    with isolated_chance("a", 1):
        first = random_numbers()
    random_numbers()
    with isolated_chance("a", 1):
        assert random_numbers() == first
    with isolated_chance("a", 2):
        assert not set(random_numbers()) & set(first)


def test_chance_outside_goes_on_as_if_nothing_had_been() -> None:
    def around(*, inside: bool) -> tuple[float, float, float]:
        torch.manual_seed(5)
        np.random.seed(5)  # noqa: NPY002 (the global state is the subject)
        random.seed(5)
        if inside:
            with isolated_chance(0), pytest.raises(RuntimeError), isolated_chance(1):
                fail_after(random_numbers())
        return random_numbers()

    assert around(inside=True) == around(inside=False)


def test_a_step_seeds_torch() -> None:
    with isolated_chance(0):
        seed_step(0, "fit", 3)
        first = torch.rand(2)
        seed_step(0, "fit", 4)
        assert not torch.equal(torch.rand(2), first)
        seed_step(0, "fit", 3)
        assert torch.equal(torch.rand(2), first)


def test_kernels_are_repeatable_inside_and_as_they_were_after() -> None:
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    with repeatable_kernels():
        assert (cudnn.deterministic, cudnn.benchmark) == (True, False)
    assert (cudnn.deterministic, cudnn.benchmark) == before
    with pytest.raises(RuntimeError), repeatable_kernels():
        fail_after()
    assert (cudnn.deterministic, cudnn.benchmark) == before
