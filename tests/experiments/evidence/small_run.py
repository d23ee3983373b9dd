"""A run of real classifiers, trained for a moment on toy images, that evidence can be gathered from."""

from pathlib import Path
from typing import Any

from imblearn.pipeline import Pipeline

from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import hold_out
from equipoise.estimators.classifier import ImageClassifier
from equipoise.evidence.finished_run import Judged
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.study import Study
from equipoise.resampling.smote import SMOTEOversampler
from equipoise.runs.store import RunStore


def small_methods(n_steps: int = 6) -> dict[str, Pipeline]:
    """Two methods, of which the second makes synthetic images."""
    classify = ("classify", ImageClassifier(n_steps=n_steps, batch_size=8, device="cpu"))
    return {
        "none": Pipeline([classify]),
        "smote": Pipeline([("balance", SMOTEOversampler()), classify]),
    }


def small_run(folder: Path, dataset: ImageDataset, methods: dict[str, Any] | None = None) -> Judged:
    """Train every method on one split with one seed."""
    splits = hold_out(dataset, n_splits=1)
    study = Study(
        name="small", dataset=dataset, splits=splits, methods=methods or small_methods(), seeds=(0,)
    )
    store = RunStore(folder)
    study.run(store, executor=InProcess())
    return Judged(study, store)
