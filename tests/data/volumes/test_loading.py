"""From cases to a dataset: the cache, the choice of modalities and labels, patients, and notes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipoise.data.reading import read_volumes
from equipoise.data.volumes import case_files
from equipoise.data.volumes import loading as volume_loading
from equipoise.data.volumes.loading import NO_PATIENTS
from equipoise.data.volumes.options import LoadedVolumes, VolumeOptions
from equipoise.exceptions import DataError
from equipoise.testing.volume_readers import draw_case, write_case, write_image

LABELS, IMAGE = draw_case()


def brains(root: Path, n: int = 2, **options: Any) -> Path:
    for i in range(n):
        write_case(root / "brains" / f"p{i}", seed=i, **options)
    return root / "brains"


def load(root: Path, **options: Any) -> LoadedVolumes:
    return read_volumes(root, VolumeOptions(cache=root.parent / "cache", **options))


def test_a_second_read_decodes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = brains(tmp_path)
    first = load(root)

    def fail(path: Path) -> None:
        raise AssertionError(f"{path} was decoded again.")

    monkeypatch.setattr(case_files, "read_volume", fail)
    monkeypatch.setattr(volume_loading, "read_volume", fail)
    again = load(root)
    assert again.dataset.fingerprint == first.dataset.fingerprint
    assert again.notes == first.notes
    with pytest.raises(AssertionError, match="decoded again"):
        load(root, modalities=("FLAIR",))


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    root = brains(tmp_path)
    first = load(root)
    write_image(root / "p1/flair.nii.gz", IMAGE[:, ::-1])
    second = load(root)
    assert second.dataset.volumes[0] == first.dataset.volumes[0]
    assert second.dataset.volumes[1].digest != first.dataset.volumes[1].digest


@pytest.mark.parametrize("damage", ["images.npy", "case.json", "class-1.npy"])
def test_a_damaged_entry_is_prepared_again(damage: str, tmp_path: Path) -> None:
    root = brains(tmp_path)
    first = load(root).dataset
    (first.volumes[0].folder / damage).write_bytes(b"")
    again = load(root).dataset
    assert again.fingerprint == first.fingerprint
    assert (first.volumes[0].folder / damage).stat().st_size > 0


def test_modalities_that_not_every_case_has_are_left_out_and_named(tmp_path: Path) -> None:
    root = brains(tmp_path)
    write_image(root / "p1/t2.nii.gz", IMAGE)
    write_image(root / "p1/adc.nii.gz", IMAGE)
    loaded = load(root)
    assert loaded.dataset.modalities == ("FLAIR", "T1c")
    assert any("T2, adc." in note for note in loaded.notes)


def test_requested_modalities_are_in_that_order_and_required(tmp_path: Path) -> None:
    root = brains(tmp_path)
    assert load(root, modalities=("T1c", "FLAIR")).dataset.modalities == ("T1c", "FLAIR")
    (root / "p1/flair.nii.gz").unlink()
    with pytest.raises(DataError, match=r"FLAIR .* none in p1 \(has T1c\)"):
        load(root, modalities=("T1c", "FLAIR"))


def test_cases_that_share_no_modality_are_refused(tmp_path: Path) -> None:
    write_case(tmp_path / "brains/p0", modalities=("t1",))
    write_case(tmp_path / "brains/p1", modalities=("t2",))
    with pytest.raises(DataError, match=r"modality .* none\. p0: T1, p1: T2\."):
        load(tmp_path / "brains")


def test_a_guess_of_the_labels_is_noted(tmp_path: Path) -> None:
    loaded = load(brains(tmp_path))
    assert loaded.dataset.scheme.name == "brats2013"
    guess = "0, 1, 2, 3, 4, which was taken for 'brats2013': 0 healthy, 1 necrosis, "
    assert any(guess in note and "--labels" in note for note in loaded.notes)
    named = load(tmp_path / "brains", labels="brats2013")
    assert named.dataset.fingerprint == loaded.dataset.fingerprint
    assert not any("taken for" in note for note in named.notes)


def test_labels_may_be_plain(tmp_path: Path) -> None:
    dataset = load(brains(tmp_path), labels="plain").dataset
    assert dataset.class_names == ("healthy", "label 1", "label 2", "label 3", "label 4")
    assert dataset.counts.tolist() == [368, 2, 10, 2, 2]


def test_all_problems_are_named_or_skipped(tmp_path: Path) -> None:
    root = brains(tmp_path, 3)
    for i in (0, 2):
        write_image(root / f"p{i}/flair.nii.gz", IMAGE[:-1])
    with pytest.raises(DataError, match=r"(?s)Case p0: .*\nCase p2: "):
        load(root)
    loaded = load(root, on_error="skip")
    assert loaded.dataset.ids.tolist() == ["p1"]
    assert [problem[:8] for problem in loaded.skipped] == ["Case p0:", "Case p2:"]
    write_image(root / "p1/flair.nii.gz", IMAGE[:-1])
    with pytest.raises(DataError, match="Case p1"):
        load(root, on_error="skip")


def test_patients_are_numbers_in_the_order_of_their_names(tmp_path: Path) -> None:
    for case in ("b/first", "b/second", "a/only"):
        write_case(tmp_path / "brains" / case)
    loaded = load(tmp_path / "brains", groups=r"^\w")
    assert loaded.dataset.ids.tolist() == ["a/only", "b/first", "b/second"]
    assert loaded.dataset.groups.tolist() == [0, 1, 1]
    assert NO_PATIENTS not in loaded.notes
    alone = load(tmp_path / "brains")
    assert alone.dataset.groups.tolist() == [0, 1, 2]
    assert NO_PATIENTS in alone.notes


def test_observations_are_noted_once_with_the_cases(tmp_path: Path) -> None:
    root = brains(tmp_path, 4)
    write_image(root / "p0/seg.nii.gz", np.zeros_like(LABELS))
    outside = LABELS.copy()
    outside[0, 0, 0] = 1
    write_image(root / "p1/seg.nii.gz", outside)
    write_image(root / "p2/brainmask.nii.gz", np.ones_like(LABELS))
    write_image(root / "p3/flair.nii.gz", np.random.default_rng(0).normal(size=IMAGE.shape))
    notes = load(root).notes[2:]
    cases = [note.rpartition(" (1): ")[2] for note in notes]
    assert cases == ["“p0”.", "“p1”.", "“p2”.", "“p3”."]
    for note, words in zip(notes, ("tumor", "outside the brain", "air", "background"), strict=True):
        assert words in note


def test_progress_is_reported(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    load(brains(tmp_path), progress=lambda *counts: calls.append(counts))
    assert calls == [(1, 2), (2, 2)]


@pytest.mark.slow
def test_the_real_cases(shared: Path, tmp_path: Path) -> None:
    """Tumor voxels of each class as SOURCE.md of the data counts them."""
    loaded = read_volumes(shared / "data/brats2013", VolumeOptions(cache=tmp_path))
    assert loaded.dataset.scheme.name == "brats2013"
    assert loaded.dataset.modalities == ("FLAIR", "T1c")
    assert loaded.dataset.table[:, 1:].tolist() == [
        [1252, 148264, 3162, 21250],
        [12956, 45203, 44699, 17816],
        [23030, 35416, 3882, 18354],
        [41838, 109935, 22228, 43379],
    ]
    outside = [volume.record.tumor_outside_brain for volume in loaded.dataset.volumes]
    assert outside == [120, 14, 2, 481]


@pytest.mark.slow
def test_the_real_outside_patient(shared: Path, tmp_path: Path) -> None:
    root = shared / "data/brats_msd_4mod"
    with pytest.raises(DataError, match=r"brats2023 .*msd_brain"):
        read_volumes(root, VolumeOptions(cache=tmp_path))
    loaded = read_volumes(root, VolumeOptions(cache=tmp_path, labels="msd_brain"))
    assert loaded.dataset.modalities == ("FLAIR", "T1", "T1c", "T2")
    assert loaded.dataset.table[0, 1:].tolist() == [122275, 32168, 42366]
    assert any("air" in note and "(1): “BRATS_009”." in note for note in loaded.notes)


def test_patients_in_the_names_of_cases_are_suggested(tmp_path: Path) -> None:
    for i in range(6):
        write_case(tmp_path / "brains" / f"sub-{i // 2}/ses-{i % 2}", seed=i)
    notes = load(tmp_path / "brains").notes
    (suggestion,) = [note for note in notes if "--groups '" in note and note != NO_PATIENTS]
    assert "3 different parts" in suggestion
    pattern = suggestion.split("'")[1]
    assert load(tmp_path / "brains", groups=pattern).dataset.groups.tolist() == [0, 0, 1, 1, 2, 2]


def test_all_that_can_be_checked_is_refused_before_a_case_is_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = brains(tmp_path, 3)
    (root / "p0/flair.nii.gz").write_bytes(b"xx")
    write_image(root / "p2/t2.nii.gz", IMAGE[:, :-1])
    monkeypatch.setattr(volume_loading, "prepare_cached", None)
    with pytest.raises(DataError) as refused:
        load(root, groups=r"patient(\d)", modalities=("FLAIR", "PET"))
    lines = str(refused.value).splitlines()
    assert len(lines) == 4
    for line, word in zip(lines, ("--groups", "PET", "damaged", "one shape"), strict=True):
        assert word in line
    assert "tumor" not in str(refused.value)
