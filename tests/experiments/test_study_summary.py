"""What is printed before anything trains: images, classes, patients, split, copies, notes."""

from dataclasses import replace

import numpy as np
import pytest

from equipoise.data.images.listing import NO_PATIENTS
from equipoise.data.images.options import Loaded
from equipoise.data.phantoms.datasets import cells
from equipoise.data.volume_dataset import VolumeDataset
from equipoise.data.volumes import loading
from equipoise.data.volumes.options import LoadedVolumes
from equipoise.experiments.image_plan import plan_study
from equipoise.experiments.protocol import Budget, Protocol, VolumeBudget, VolumeProtocol
from equipoise.experiments.study_summary import study_lines
from equipoise.experiments.volume_plan import plan_volume_study

PROTOCOL = Protocol(methods=("none",), n_splits=2, duplicates="merge")


def planned(loaded: Loaded, protocol: Protocol = PROTOCOL) -> list[str]:
    return study_lines(plan_study(loaded, protocol, Budget(n_steps=2), name="cells"))


def test_classes_patients_and_new_splits_are_counted() -> None:
    dataset = cells((30, 12), size=32)
    dataset = replace(dataset, groups=np.arange(42) // 2)
    lines = planned(Loaded(dataset=dataset, notes=("left out",), skipped=("a.png: torn",)))
    assert lines[0].startswith("Read: 42 images of 21 patients, 32 x 32 px, 3 channels")
    assert [line.split() for line in lines[1:4]] == [
        ["class", "images", "patients"],
        ["normal", "30", "15"],
        ["abnormal", "12", "6"],
    ]
    assert "abnormal" in lines[4]
    assert lines[5].startswith("Split: new, 2 splits by patient; split-0: train ")
    assert lines[6].startswith("Precision: ")
    assert "a.png: torn" in lines[7]
    assert lines[8] == "Note: left out"


@pytest.mark.parametrize(
    ("methods", "precision", "line"),
    [
        (("none",), "32-true", "Precision: float32."),
        (("none", "dcgan"), "bf16-mixed", "Precision: bfloat16 for small_cnn, dcgan."),
        (("none", "dcgan"), "auto", "Precision: bfloat16 for small_cnn, dcgan."),
        (
            ("none", "wgan_gp"),
            "auto",
            "Precision: bfloat16 for small_cnn; float32 for the rest.",
        ),
    ],
)
def test_the_precision_of_networks_is_said(
    monkeypatch: pytest.MonkeyPatch, methods: tuple[str, ...], precision: str, line: str
) -> None:
    monkeypatch.setattr("equipoise.training.devices.has_bfloat16", lambda _device: True)
    budget = Budget(n_steps=2, device="cpu", precision=precision, gan_precision=precision)
    protocol = replace(PROTOCOL, methods=methods)
    study = plan_study(Loaded(dataset=cells((60, 30), size=32)), protocol, budget, name="cells")
    assert line in study_lines(study)


def test_unknown_patients_are_not_counted() -> None:
    lines = planned(Loaded(dataset=cells((30, 12), size=32), notes=("x", NO_PATIENTS)))
    assert lines[2].split() == ["normal", "30", "?"]
    assert not any("17 patients" in line for line in lines)
    assert lines[-2:] == [f"Note: {NO_PATIENTS}", "Note: x"]


def test_copies_under_two_labels_are_named() -> None:
    dataset = cells((30, 12), size=32)
    images = dataset.pixels.copy()
    images[[1, 35]] = images[0]
    lines = planned(Loaded(dataset=replace(dataset, images=images)))
    assert any(line.startswith("Copies: 2 exact") for line in lines)
    (conflicts,) = [line for line in lines if line.startswith("Label conflicts (1)")]
    assert f"{dataset.ids[0]} (normal) = {dataset.ids[35]} (abnormal)" in conflicts


@pytest.mark.parametrize(
    ("parts", "use_own", "origin", "n_notes"),
    [
        (("train", "test"), True, "that of the source", 0),
        (("train", "test"), False, "new", 0),
        (("train", "validation"), True, "new", 1),
        (("train", "validation"), False, "new", 0),
    ],
)
def test_the_own_split_is_used_or_its_loss_is_said(
    parts: tuple[str, str], use_own: bool, origin: str, n_notes: int
) -> None:
    dataset = replace(cells((30, 12), size=32), groups=np.arange(42))
    split = np.array(parts)[dataset.groups % 2]
    loaded = Loaded(dataset=dataset, source_split=split)
    lines = planned(loaded, replace(PROTOCOL, use_source_split=use_own))
    assert sum(line.startswith(f"Split: {origin}") for line in lines) == 1
    notes = [line for line in lines if line.startswith("Note: ")]
    assert len(notes) == n_notes
    assert all("validation " in note for note in notes)


def test_cases_of_volumes_are_counted_by_class(brains: VolumeDataset) -> None:
    split = np.array(["train", "test"])[np.arange(len(brains)) % 2]
    loaded = LoadedVolumes(dataset=brains, source_split=split)
    study = plan_volume_study(loaded, VolumeProtocol(), VolumeBudget(), name="s")
    lines = study_lines(study)
    assert lines[0].startswith(f"Read: {len(brains)} cases of ")
    assert lines[1].split() == ["class", "cases", "voxels"]
    assert lines[2].split()[-1] == f"{brains.counts[0]:,}"
    assert sum(line.startswith("Note: The source's own split is not used") for line in lines) == 1
    assert any(line.startswith("Split: new, ") and "folds by patient" in line for line in lines)
    unknown = replace(loaded, notes=(loading.NO_PATIENTS,))
    study = plan_volume_study(unknown, VolumeProtocol(), VolumeBudget(), name="s")
    lines = study_lines(study)
    assert "unknown patients" in lines[0]
    assert any("folds by case" in line for line in lines)
