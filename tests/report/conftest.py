"""A run folder as a study leaves it, fabricated: drawn blobs, scores drawn around the truth."""

import csv
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.fixtures.volume_run import volume_run

from equipoise.atomic import write_json
from equipoise.evidence.gathering import gather_evidence
from equipoise.report.html import write_report
from equipoise.results.image_tables import summarize
from equipoise.testing.image_runs import write_splits

GENERATORS = ("dcgan", "cdcgan")


@dataclass(frozen=True, kw_only=True)
class Fabrication:
    """What a fabricated run holds."""

    class_names: Sequence[str] = ("normal", "carcinoma")
    counts: Sequence[int] = (240, 60)
    methods: Sequence[str] = ("none", "class_weights", "oversampling", "dcgan", "cdcgan")
    n_splits: int = 2
    n_seeds: int = 2
    size: int = 28
    channels: int = 1
    dtype: str = "uint8"
    failed: Sequence[str] = ()  # methods of which one cell failed
    broken: Sequence[str] = ()  # methods of which every cell failed
    absent: Sequence[str] = ()  # methods not run yet
    synthetic: bool = True
    history: bool = True
    crossing: bool = False
    notes: Sequence[str] = ()
    skipped: Sequence[str] = ()

    @property
    def cells(self) -> list[tuple[str, int, int]]:
        return [
            (m, s, r)
            for m in self.methods
            for s in range(self.n_splits)
            for r in range(self.n_seeds)
        ]


def fabricate(folder: Path, spec: Fabrication) -> Path:
    test = [max(n // 4, 4) for n in spec.counts]
    study = study_facts(spec, test)
    write_json(folder / "study.json", study)
    write_splits(folder, study["splits"])
    write_json(folder / "duplicates.json", duplicates(spec))
    labels = np.repeat(np.arange(len(spec.counts)), 12)
    ids = np.array([f"image-{i:04d}" for i in range(len(labels))])
    np.savez(folder / "examples.npz", images=blobs(labels, spec, seed=1), labels=labels, ids=ids)
    for cell in spec.cells:
        if cell[0] not in spec.absent:
            write_cell(folder, spec, cell, test)
    return folder


def study_facts(spec: Fabrication, test: list[int]) -> dict[str, Any]:
    rest = [n - t for n, t in zip(spec.counts, test, strict=True)]
    validation = [max(n // 6, 2) for n in rest]
    train = [n - v for n, v in zip(rest, validation, strict=True)]
    parts = {"train": train, "validation": validation, "test": test}
    return {
        "name": "fabricated",
        "dataset": {
            "fingerprint": "0f" * 32,
            "n_images": sum(spec.counts),
            "n_groups": sum(spec.counts) // 2,
            "shape": [spec.channels, spec.size, spec.size],
            "dtype": spec.dtype,
            "class_names": list(spec.class_names),
            "counts": list(spec.counts),
        },
        "rare_class": int(np.argmin(spec.counts)),
        "baseline": spec.methods[0],
        "primary_metric": "balanced_accuracy",
        "methods": [{"name": m, "steps": steps(m)} for m in spec.methods],
        "splits": [
            {
                "name": f"split-{s}",
                **{p: sum(c) for p, c in parts.items()},
                "counts": parts,
                "fingerprint": "a1" * 32,
            }
            for s in range(spec.n_splits)
        ],
        "seeds": list(range(spec.n_seeds)),
        "versions": {"python": "3.11.9", "torch": "2.13.0", "numpy": "2.4.6"},
        "machine": {
            "system": "Linux",
            "processor": "EPYC",
            "cores": 2,
            "memory_gb": 7.8,
            "python": "3.11.9",
        },
        "facts": {
            "command": "equipoise run films --size 28",
            "shared_command": "equipoise run [hidden] --size 28",
            "notes": list(spec.notes),
            "skipped": list(spec.skipped),
        },
    }


def steps(method: str) -> list[dict[str, Any]]:
    settings = {
        "network": "small_cnn",
        "n_steps": 600,
        "learning_rate": 0.001,
        "betas": [0.9, 0.999],
        "loss": None,
    }
    classify = {
        "name": "classify",
        "class": "equipoise.estimators.classifier.ImageClassifier",
        "settings": settings,
    }
    if method not in GENERATORS:
        return [classify]
    balance = {
        "name": "balance",
        "class": "equipoise.resampling.gan.oversampler.GAN",
        "settings": {"n_steps": 1500, "alpha": 0.5},
    }
    return [balance, classify]


def duplicates(spec: Fabrication) -> dict[str, Any]:
    pairs = [["image-0003", "image-0017"], ["image-0004", "image-0090"]]
    crossing = {"split-0": [pairs[0]]} if spec.crossing else {}
    return {"exact": [pairs[0]], "near": [pairs[1]], "crossing": crossing}


def blobs(labels: NDArray[np.int64], spec: Fabrication, *, seed: int) -> NDArray[Any]:
    """Draw one bright blob per image; its width tells the class."""
    rng = np.random.default_rng(seed)
    axis = np.linspace(-1, 1, spec.size)
    center = rng.uniform(-0.25, 0.25, size=(len(labels), 2, 1, 1))
    width = (0.2 + 0.45 * labels / max(len(spec.counts) - 1, 1))[:, None, None] * rng.uniform(
        0.8, 1.2
    )
    squares = (axis[None, None, :] - center[:, 0]) ** 2 + (axis[None, :, None] - center[:, 1]) ** 2
    unit = 0.15 + 0.7 * np.exp(-squares / width**2) + rng.normal(0, 0.03, size=squares.shape)
    tint = np.array([1.0, 0.72, 0.8])[: spec.channels]
    unit = np.clip(unit[:, None] * tint[None, :, None, None], 0, 1)
    scale = {"uint8": 255, "uint16": 4095, "float32": 1}[spec.dtype]
    return np.asarray(unit * scale, dtype=spec.dtype)


def write_cell(run: Path, spec: Fabrication, cell: tuple[str, int, int], test: list[int]) -> None:
    method, split, seed = cell
    folder = run / "cells" / method / f"split-{split}" / f"seed-{seed}"
    folder.mkdir(parents=True)
    fails = method in spec.broken or (method in spec.failed and (split, seed) == (0, 0))
    write_json(folder / "record.json", record(spec, method, split, seed, fails=fails))
    if fails:
        return
    rng = np.random.default_rng([spec.methods.index(method), split, seed])
    skill = 1.1 + 0.35 * (spec.methods.index(method) % 3) + 0.1 * rng.normal()
    columns: dict[str, NDArray[Any]] = {}
    for part, counts in {"test": test, "validation": [max(n // 2, 2) for n in test]}.items():
        true = np.repeat(np.arange(len(counts)), counts)
        columns |= {f"{part}_{name}": array for name, array in scores(true, skill, rng).items()}
    np.savez(folder / "predictions.npz", allow_pickle=False, **columns)
    if spec.history:
        write_history(folder / "history.csv", method, rng)
    if spec.synthetic and method in GENERATORS:
        labels = np.repeat(np.arange(len(spec.counts)), 24)
        np.savez(folder / "synthetic.npz", images=blobs(labels, spec, seed=7 + seed), labels=labels)


def scores(
    true: NDArray[np.int64], skill: float, rng: np.random.Generator
) -> dict[str, NDArray[Any]]:
    k = int(true.max()) + 1
    logits = rng.normal(size=(len(true), k)) + skill * np.eye(k)[true]
    score = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    ids = np.array([f"image-{i:04d}" for i in range(len(true))])
    return {
        "ids": ids,
        "true": true.astype(np.int64),
        "score": score,
        "groups": np.arange(len(true)) // 2,
    }


def record(spec: Fabrication, method: str, split: int, seed: int, *, fails: bool) -> dict[str, Any]:
    generates = method in GENERATORS
    message = (
        "critic_loss became nan at step 812. Lower the learning rate, or train with "
        "precision='32-true'."
    )
    failure = {
        "error": message,
        "error_type": "DivergedError",
        "traceback": "Traceback ...\nDivergedError: critic_loss",
    }
    conditions = {
        "method": method,
        "split": f"split-{split}",
        "seed": seed,
        "settings": steps(method),
        "fingerprint": "b2" * 32,
        "versions": {"python": "3.11.9"},
        "machine": {"system": "Linux"},
        "threads": 1,
    }
    if fails:
        return {**conditions, "status": "failed", **failure}
    return {
        **conditions,
        "status": "done",
        **dict.fromkeys(("error", "error_type", "traceback")),
        "seconds": {
            "resample": 41.5 + seed if generates else 0.02,
            "train": 12.3 + split,
            "predict": 0.4,
        },
        "resumed": False,
        "peak_memory_mb": 812.0 + seed,
        "peak_device_memory_mb": None,
        "counts_before": list(spec.counts),
        "counts_after": [max(spec.counts)] * len(spec.counts) if generates else list(spec.counts),
        "device": "cpu",
    }


def write_history(path: Path, method: str, rng: np.random.Generator) -> None:
    rows: list[tuple[str, int, str, float]] = []
    for step in range(20, 601, 20):
        rows.append(
            ("classify", step, "loss", float(0.7 * np.exp(-step / 200) + 0.03 * rng.random()))
        )
        learned = 1 - np.exp(-step / 150)
        rows.append(
            ("classify", step, "validation_loss", float(0.7 - 0.3 * learned + 0.05 * rng.random()))
        )
        rows.append(
            (
                "classify",
                step,
                "validation_balanced_accuracy",
                float(0.5 + 0.3 * learned + 0.04 * rng.random()),
            )
        )
    names = ("critic_loss", "generator_loss", "real_score", "fake_score")
    watched = ("training_score", "validation_score", "generated_score")
    for stage in {"dcgan": ("balance/class 1",), "cdcgan": ("balance/all classes",)}.get(
        method, ()
    ):
        for step in range(30, 1501, 30):
            values = names + (watched if step % 90 == 0 else ())
            rows += [
                (stage, step, name, i + float(0.1 * rng.normal())) for i, name in enumerate(values)
            ]
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("stage", "step", "name", "value"))
        writer.writerows(rows)


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw 50 bootstraps instead of 2,000: the report shows intervals and does not compute them."""
    monkeypatch.setattr("equipoise.results.tables.summarize", partial(summarize, n_draws=50))


@pytest.fixture(scope="session")
def volumes_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a study of drawn volumes, with its evidence; tests that change it take a copy."""
    methods: dict[str, dict[str, Any]] = {
        "random": {"note": "The network found nothing."},
        "dense": {"mode": "dense", "shift": -0.4},
        "cascade": {"stages": True, "shift": 0.45, "tau": 0.5},
    }
    run = volume_run(tmp_path_factory.mktemp("volumes"), methods)
    gather_evidence(run)
    return run.folder


@pytest.fixture(scope="session")
def volumes_page(volumes_run: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its page."""
    folder = shutil.copytree(volumes_run, tmp_path_factory.mktemp("page") / "run")
    return write_report(folder).read_text(encoding="utf-8")


@pytest.fixture
def volumes_copy(volumes_run: Path, tmp_path: Path) -> Path:
    """The same run in a folder that a test may change, without checksums."""
    without = shutil.ignore_patterns("checksums.json", "*.sha256")
    return Path(shutil.copytree(volumes_run, tmp_path / "volumes", ignore=without))


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that fabricates a run folder from the fields of `Fabrication`."""
    return lambda **fields: fabricate(
        tmp_path / f"run-{len(list(tmp_path.iterdir()))}", Fabrication(**fields)
    )
