"""The folder of a run on images with drawn predictions, for tests of tables and reports."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.atomic import write_json
from equipoise.data.splits import PARTS
from equipoise.randomness import make_rng
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import FailedCellRecord, ImageCellRecord

CellKey = tuple[str, str, int]  # method, split, seed
OF_SEED = 0.3  # sd of the noise that differs between the seeds of a split


@dataclass(frozen=True)
class Arm:
    """How a method scores images: logits are noise, which all methods share, and these.

    Attributes:
        separation: Added to the logit of an image's own class.
        shift: Added to the logit of the last class, which is the rare one.
        noise: Standard deviation of noise that no other method shares.
        scale: All logits are multiplied by it; 0 makes the scores constant.
    """

    separation: float
    shift: float
    noise: float = 0.0
    scale: float = 1.0


def write_image_run(
    folder: Path,
    arms: Mapping[str, Arm],
    *,
    n_splits: int = 1,
    n_seeds: int = 3,
    counts: tuple[int, ...] = (60, 24),
    counts_of: Mapping[str, tuple[int, ...]] | None = None,
    images_per_patient: int = 1,
    failed: Collection[CellKey] = (),
    missing: Collection[CellKey] = (),
    primary_metric: str = "balanced_accuracy",
) -> Path:
    """Write a run with drawn predictions, and return its folder.

    Args:
        folder: Where to write.
        arms: Methods and how they score; the baseline is "none".
        n_splits: Splits split-0, split-1, ..., of different patients.
        n_seeds: Seeds 0, 1, ...
        counts: Test images of each class in each split, and validation images.
        counts_of: Those of some splits in place of `counts`.
        images_per_patient: Copies of each test image, of one patient.
        failed: Cells that failed.
        missing: Cells that are neither finished nor failed.
        primary_metric: Of the study.

    Example:
        >>> import tempfile
        >>> from equipoise.runs.run import open_run
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     arms = {"none": Arm(1.2, -1.0), "shifted": Arm(1.2, 0.0)}
        ...     run = open_run(write_image_run(Path(folder) / "run", arms))
        ...     len(run.images.finished)
        6
    """
    splits = [f"split-{i}" for i in range(n_splits)]
    description = image_run_description(list(arms), splits, n_seeds, counts, primary_metric)
    write_json(folder / "study.json", description)
    write_splits(folder, description["splits"])
    keys = [(m, s, seed) for m in arms for s in splits for seed in range(n_seeds)]
    for method, split, seed in keys:
        if (method, split, seed) in missing:
            continue
        cell = folder / "cells" / method / split / f"seed-{seed}"
        done = (method, split, seed) not in failed
        write_json(cell / "record.json", _record(method, split, seed, counts, done=done).to_json())
        if done:
            sizes = (counts_of or {}).get(split, counts)
            place = splits.index(split)
            arrays = _draw(arms[method], (split, seed), sizes, place, images_per_patient)
            held_out = _draw(arms[method], (split, seed, "validation"), counts, 0, 1)
            held_out["test_groups"] += 1_000_000
            for name, array in held_out.items():
                arrays[name.replace("test", "validation")] = array
            np.savez(cell / "predictions.npz", allow_pickle=False, **arrays)
    return folder


def _draw(
    arm: Arm,
    randomness: tuple[Any, ...],
    counts: tuple[int, ...],
    part: int,
    images_per_patient: int,
) -> dict[str, Any]:
    """Draw the predictions of a cell, with the same random numbers for every method."""
    y = np.repeat(np.arange(len(counts)), counts)
    shape = (len(y), len(counts))
    of_split, of_seed = make_rng(randomness[0], *randomness[2:]), make_rng(*randomness)
    logits = of_split.normal(size=shape) + OF_SEED * of_seed.normal(size=shape)
    logits += arm.separation * np.eye(len(counts))[y]
    if arm.noise:
        own = make_rng(*randomness, arm.separation, arm.shift, arm.noise)
        logits += arm.noise * own.normal(size=shape)
    logits *= arm.scale
    logits[:, -1] += arm.shift
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


def image_run_description(
    methods: Iterable[str],
    splits: Iterable[str],
    n_seeds: int,
    counts: tuple[int, ...],
    primary_metric: str,
) -> dict[str, Any]:
    """Describe a study with test images of each class; it trained on twice as many."""
    parts = {"train": [2 * n for n in counts], "validation": list(counts), "test": list(counts)}
    sizes = {part: sum(of_part) for part, of_part in parts.items()}
    step = {"name": "classify", "class": "study_fakes.NearestMean", "settings": {}}
    return {
        "name": "run",
        "dataset": {
            "fingerprint": "0f" * 32,
            "n_images": 4 * sum(counts),
            "n_groups": 4 * sum(counts),
            "class_names": [f"class-{c}" for c in range(len(counts))],
            "counts": [4 * n for n in counts],
            "shape": [1, 8, 8],
            "dtype": "uint8",
        },
        "methods": [{"name": method, "steps": [step]} for method in methods],
        "splits": [
            {"name": split, **sizes, "counts": parts, "fingerprint": "a1" * 32} for split in splits
        ],
        "seeds": list(range(n_seeds)),
        "baseline": "none",
        "primary_metric": primary_metric,
        "rare_class": len(counts) - 1,
        "versions": {},
        "machine": {
            "system": "Linux",
            "processor": "EPYC",
            "cores": 2,
            "memory_gb": 7.8,
            "python": "3.11.9",
        },
        "facts": {},
    }


def write_splits(folder: Path, described: Iterable[Mapping[str, Any]]) -> None:
    """Write `splits.json` with names of as many images as `study.json` describes."""
    splits = []
    for split in described:
        ids = {}
        for part in PARTS:
            ids[part] = [f"{split['name']}-{part}-{i:06d}" for i in range(split[part])]
        splits.append({"name": split["name"], **ids})
    write_json(folder / "splits.json", {"splits": splits})


def _record(
    method: str, split: str, seed: int, counts: tuple[int, ...], *, done: bool
) -> FailedCellRecord | ImageCellRecord:
    shared: dict[str, Any] = {
        "cell": Cell(method, split, seed),
        "steps": (),
        "fingerprint": "b2" * 32,
        "versions": {},
        "machine": {},
        "threads": 1,
    }
    if not done:
        error = "critic_loss became NaN at step 812."
        return FailedCellRecord(**shared, error=error, error_type="DivergedError")
    return ImageCellRecord(
        **shared,
        device="cpu",
        seconds={"resample": 0.5, "train": 2.0, "predict": 1.0},
        resumed=False,
        peak_memory_mb=100.0 + seed,
        counts_before=counts,
        counts_after=counts,
    )
