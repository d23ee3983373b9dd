import threading
import time
from pathlib import Path

import pytest
import torch

from equipoise.estimators.patch_fits import PatchFit, load_or_train

DONE = PatchFit(
    tensors={"weight": torch.tensor([1.0, 2.0])}, rows=[], voxels=[1], pixels=[0], seconds=1.5
)


def never(_checkpoint: Path | None) -> PatchFit:
    raise AssertionError("trained again")


def test_without_a_workspace_nothing_is_stored() -> None:
    def train(checkpoint: Path | None) -> PatchFit:
        assert checkpoint is None
        return DONE

    assert load_or_train(None, "a" * 64, train) is DONE


def test_a_finished_training_is_loaded_by_its_key(tmp_path: Path) -> None:
    def train(checkpoint: Path | None) -> PatchFit:
        assert checkpoint is not None
        checkpoint.write_text("unfinished")
        return DONE

    load_or_train(tmp_path / "new", "a" * 64, train)
    stored = load_or_train(tmp_path / "new", "a" * 64, never)
    assert torch.equal(stored.tensors["weight"], DONE.tensors["weight"])
    assert (stored.rows, stored.voxels, stored.pixels, stored.seconds) == ([], [1], [0], 1.5)
    assert not list((tmp_path / "new").glob("*.pt")), "the checkpoint is no longer needed"
    with pytest.raises(AssertionError, match="trained again"):
        load_or_train(tmp_path / "new", "b" * 64, never)


def test_the_next_training_resumes_a_failed_one(tmp_path: Path) -> None:
    def fail(checkpoint: Path | None) -> PatchFit:
        assert checkpoint is not None
        checkpoint.write_text("unfinished")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_or_train(tmp_path, "a" * 64, fail)
    (checkpoint_file,) = tmp_path.glob("*.pt")
    load_or_train(
        tmp_path,
        "a" * 64,
        lambda checkpoint: DONE if checkpoint == checkpoint_file else never(checkpoint),
    )


def test_of_two_processes_one_trains_and_the_other_waits(tmp_path: Path) -> None:
    trained: list[int] = []
    both = threading.Barrier(2)

    def train(_checkpoint: Path | None) -> PatchFit:
        trained.append(1)
        time.sleep(0.05)
        return DONE

    def worker() -> None:
        both.wait()
        assert load_or_train(tmp_path, "a" * 64, train).seconds == 1.5
        trained.append(0)

    workers = [threading.Thread(target=worker) for _ in range(2)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join()
    assert sorted(trained) == [0, 0, 1]
