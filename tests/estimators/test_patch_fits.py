import threading
import time
from pathlib import Path

import pytest
import torch

from equipoise.estimators.patch_fits import PatchFit, once

DONE = PatchFit({"weight": torch.tensor([1.0, 2.0])}, {"seconds": 1.5})


def never(_checkpoint: Path | None) -> PatchFit:
    raise AssertionError("trained again")


def test_without_a_workspace_nothing_is_kept() -> None:
    assert (
        once(None, "a" * 64, lambda checkpoint: DONE if checkpoint is None else never(checkpoint))
        is DONE
    )


def test_a_finished_training_is_found_again_by_its_key(tmp_path: Path) -> None:
    def train(checkpoint: Path | None) -> PatchFit:
        assert checkpoint is not None
        checkpoint.write_text("half way")
        return DONE

    once(tmp_path / "new", "a" * 64, train)
    found = once(tmp_path / "new", "a" * 64, never)
    assert torch.equal(found.tensors["weight"], DONE.tensors["weight"])
    assert found.facts == {"seconds": 1.5}
    assert not list((tmp_path / "new").glob("*.pt")), "the checkpoint is no longer needed"
    with pytest.raises(AssertionError, match="trained again"):
        once(tmp_path / "new", "b" * 64, never)


def test_a_failed_training_lets_the_next_one_go_on(tmp_path: Path) -> None:
    def fail(checkpoint: Path | None) -> PatchFit:
        assert checkpoint is not None
        checkpoint.write_text("half way")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        once(tmp_path, "a" * 64, fail)
    (left,) = tmp_path.glob("*.pt")
    once(tmp_path, "a" * 64, lambda checkpoint: DONE if checkpoint == left else never(checkpoint))


def test_of_two_that_want_the_same_one_trains_and_the_other_waits(tmp_path: Path) -> None:
    trained: list[int] = []
    both = threading.Barrier(2)

    def train(_checkpoint: Path | None) -> PatchFit:
        trained.append(1)
        time.sleep(0.05)
        return DONE

    def worker() -> None:
        both.wait()
        assert once(tmp_path, "a" * 64, train).facts == {"seconds": 1.5}
        trained.append(0)

    workers = [threading.Thread(target=worker) for _ in range(2)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert sorted(trained) == [0, 0, 1]
