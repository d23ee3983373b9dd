"""Fixtures of studies: fake estimators and a small study made of them."""

import importlib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from imblearn.pipeline import Pipeline

from equipoise.atomic import write_json
from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import hold_out
from equipoise.experiments.study import Study
from equipoise.randomness import make_rng
from equipoise.resampling.random import RandomUndersampler


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module of fake estimators, importable by worker processes too."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    module = importlib.import_module("study_fakes")
    yield module
    module.NearestMean.fits.clear()
    module.NoisyCopies.seen.clear()
    module.Watch.now = 0.0


@pytest.fixture
def make_study(toy: ImageDataset, fakes: Any) -> Callable[..., Study]:
    """Return a function that makes a study of fake methods; its arguments replace fields."""

    def make(**fields: Any) -> Study:
        classify = ("classify", fakes.NearestMean())
        methods = {
            "none": Pipeline([classify]),
            "fewer": Pipeline([("balance", RandomUndersampler()), classify]),
            "copies": Pipeline([("balance", fakes.NoisyCopies()), classify]),
        }
        splits = hold_out(toy, n_splits=2)
        return Study(
            **{
                "name": "toy",
                "dataset": toy,
                "splits": splits,
                "methods": methods,
                "seeds": (0, 1),
                **fields,
            }
        )

    return make


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes the folder of a run, with predictions made up.

    Its arguments: `arms` {method: (separation of the classes, shift of the rare class's score)}, test images
    of each class in each split (`counts`, or `counts_of` {split: counts}), images of a patient, and the cells
    {(method, split, seed)} that `failed` or are `missing`. Seeds 0, 1, ...; splits split-0, split-1, ...
    """

    def write(
        arms: dict[str, tuple[float, float]],
        *,
        n_splits: int = 1,
        n_seeds: int = 3,
        counts: tuple[int, ...] = (60, 24),
        counts_of: dict[str, tuple[int, ...]] | None = None,
        images_per_patient: int = 1,
        failed: Collection[tuple[str, str, int]] = (),
        missing: Collection[tuple[str, str, int]] = (),
        primary_metric: str = "balanced_accuracy",
        name: str = "run",
    ) -> Path:
        folder = tmp_path / name
        splits = [f"split-{i}" for i in range(n_splits)]
        asked = {
            "dataset": {"class_names": [f"class-{c}" for c in range(len(counts))]},
            "methods": [{"name": method} for method in arms],
            "splits": [{"name": split} for split in splits],
            "seeds": list(range(n_seeds)),
            "baseline": "none",
            "primary_metric": primary_metric,
            "rare_class": len(counts) - 1,
        }
        write_json(folder / "study.json", asked)
        cells = [(m, s, seed) for m in arms for s in splits for seed in range(n_seeds)]
        for method, split, seed in cells:
            if (method, split, seed) in missing:
                continue
            cell = folder / "cells" / method / split / f"seed-{seed}"
            done = (method, split, seed) not in failed
            outcome = {"seconds": {"train": 2.0, "predict": 1.0}, "peak_memory_mb": 100.0 + seed}
            why = {"error": "critic_loss became NaN at step 812."}
            write_json(
                cell / "record.json",
                {"status": "done", **outcome} if done else {"status": "failed", **why},
            )
            if done:
                sizes = (counts_of or {}).get(split, counts)
                arrays = made_up(
                    arms[method], (split, seed), sizes, splits.index(split), images_per_patient
                )
                arrays |= for_validation(
                    made_up(arms[method], (split, seed, "validation"), counts, 0, 1)
                )
                np.savez(cell / "predictions.npz", allow_pickle=False, **arrays)
        return folder

    return write


def made_up(
    arm: tuple[float, float],
    chance: tuple[Any, ...],
    counts: tuple[int, ...],
    part: int,
    images_per_patient: int,
) -> dict[str, Any]:
    """Make the predictions of a cell; its chance is that of split and seed, the same for every method."""
    y = np.repeat(np.arange(len(counts)), counts)
    separation, shift = arm
    own, of_seed = make_rng(chance[0], *chance[2:]), make_rng(*chance)
    logits = own.normal(size=(len(y), len(counts))) + 0.3 * of_seed.normal(
        size=(len(y), len(counts))
    )
    logits += separation * np.eye(len(counts))[y]
    logits[:, -1] += shift
    score = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    patients = 10_000 * part + np.arange(len(y))
    repeat = np.repeat(np.arange(len(y)), images_per_patient)
    ids = np.array([f"image-{patients[row]}-{i:06d}" for i, row in enumerate(repeat)])
    return {
        "test_ids": ids,
        "test_true": y[repeat],
        "test_score": score[repeat],
        "test_groups": patients[repeat],
    }


def for_validation(arrays: dict[str, Any]) -> dict[str, Any]:
    """Call predictions those of validation images, of other patients."""
    arrays["test_groups"] += 1_000_000
    return {name.replace("test", "validation"): array for name, array in arrays.items()}
