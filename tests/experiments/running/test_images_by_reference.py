"""A study of images by reference ends in the bytes of one that copies them."""

from pathlib import Path

import numpy as np
import pytest

from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import hold_out
from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.protocol import Budget
from equipoise.experiments.running import fit_classifier
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.study import Study
from equipoise.image_rows import ImageRows
from equipoise.runs.run import open_run
from equipoise.runs.store import RunStore

METHODS = (
    *("none", "oversampling", "undersampling", "replay", "smote", "crt", "dcgan", "vae", "edm"),
    *("bagan_gp", "dcgan_curated", "replay@0.5"),
)


def noise() -> ImageDataset:
    return ImageDataset(
        images=np.random.default_rng(0).integers(0, 256, (60, 1, 16, 16), dtype=np.uint8),
        labels=np.repeat([0, 1], [40, 20]),
        class_names=("common", "rare"),
        groups=np.arange(60),
        ids=np.array([f"image-{i}" for i in range(60)]),
    )


def cells_of(
    folder: Path, dataset: ImageDataset, budget: Budget, names: tuple[str, ...]
) -> RunStore:
    methods = build_methods(names, budget)
    if "bagan_gp" in methods:
        methods["bagan_gp"].steps[0][1].set_params(schedule__warm_start_steps=2)  # 500 by default
    study = Study(
        name="cells",
        dataset=dataset,
        splits=hold_out(dataset, n_splits=1),
        methods=methods,
        seeds=(0,),
    )
    return run_study(study, folder, executor=InProcess())


@pytest.mark.parametrize("regime", ["scratch", "frozen"])
def test_images_by_reference_give_the_same_bytes(
    regime: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mapped images, of which every part is by reference, and plain arrays."""
    budget = Budget(
        n_steps=2, batch_size=8, gan_steps=2, gan_batch_size=8, gan_channels=4, device="cpu"
    )
    names: tuple[str, ...] = METHODS
    if regime == "frozen":
        budget = Budget(
            regime="frozen", network="small_cnn", pretrained="random", views=1, device="cpu"
        )
        names = ("none", "oversampling", "smote_features")
    monkeypatch.setattr("equipoise.training.collapse.ALIKE_BELOW", 0.0)  # two steps draw noise
    dataset = noise()
    plain = cells_of(tmp_path / "plain", dataset, budget, names)
    dataset.save(tmp_path / "dataset")
    monkeypatch.setattr("equipoise.image_rows._limit", 0)
    seen: list[object] = []
    fit = fit_classifier.resample_and_fit

    def spying(pipeline, train, *further):  # type: ignore[no-untyped-def]
        balanced = fit(pipeline, train, *further)
        seen.extend([train.images, balanced.images])
        return balanced

    monkeypatch.setattr(fit_classifier, "resample_and_fit", spying)
    mapped = ImageDataset.load(tmp_path / "dataset", memory_map=True)
    by_reference = cells_of(tmp_path / "mapped", mapped, budget, names)
    assert len(seen) == 2 * len(names)
    assert all(isinstance(images, ImageRows) for images in seen)
    n_compared = 0
    for cell in open_run(plain.folder).cells:
        first, second = plain.cell_folder(cell), by_reference.cell_folder(cell)
        for path in sorted(first.rglob("*")):
            if path.suffix in (".npz", ".safetensors", ".csv"):
                assert path.read_bytes() == (second / path.relative_to(first)).read_bytes(), path
                n_compared += 1
    assert n_compared > 2 * len(names)
