"""Drawn brains: files, bytes, geometry, shares of the classes, contrasts and uneven light."""

import hashlib
import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise.data.patient_folds import patient_folds
from equipoise.data.phantoms.brain_shapes import (
    ENHANCING,
    SPOT,
    VESSEL,
    WHITE,
    Brain,
    Codes,
    Head,
    Lesion,
    draw_brain,
    draw_lesion,
)
from equipoise.data.phantoms.brains import paint_brain, write_brains
from equipoise.data.phantoms.drawing import NamedRandom
from equipoise.data.reading import read_volumes
from equipoise.data.volumes.options import VolumeOptions
from equipoise.exceptions import SettingError

MODALITIES = ("flair", "t1", "t1c", "t2")
SMALL = {"side": 24, "depth": 12}


@pytest.fixture(scope="module")
def brains(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_brains(tmp_path_factory.mktemp("brains") / "drawn", 12, **SMALL)


def array(folder: Path, patient: int, name: str) -> NDArray[Any]:
    """Read (z, y, x) with nibabel, which shares no code with the writer."""
    image: Any = nibabel.load(folder / f"patient-{patient:03d}" / f"{name}.nii.gz")
    return np.asarray(image.dataobj).T


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_every_patient_has_four_images_and_labels(brains: Path) -> None:
    files = sorted([f"{name}.nii.gz" for name in (*MODALITIES, "seg")] + ["drawn.json"])
    assert [path.name for path in sorted(brains.iterdir())] == [
        f"patient-{i:03d}" for i in range(12)
    ]
    for patient in brains.iterdir():
        assert sorted(path.name for path in patient.iterdir()) == files
    stored = json.loads((brains / "patient-000" / "drawn.json").read_text())
    assert "nothing about medicine" in stored["note"]
    for name in MODALITIES:
        assert array(brains, 0, name).dtype == np.int16
        assert array(brains, 0, name).shape == (12, 24, 24)
    assert array(brains, 0, "seg").dtype == np.uint8


def test_geometry_is_anisotropic_tilted_and_the_same_for_a_patients_images(brains: Path) -> None:
    patient = brains / "patient-001"
    images: list[Any] = [nibabel.load(path) for path in sorted(patient.glob("*.nii.gz"))]
    np.testing.assert_allclose(images[0].header.get_zooms(), (8, 8, 12), rtol=1e-6)
    for image in images[1:]:
        np.testing.assert_array_equal(image.affine, images[0].affine)
    turn = images[0].affine[:3, :3] / images[0].header.get_zooms()
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-5)
    assert abs(turn[2, 1]) > 0.01  # about the axis from ear to ear
    other: Any = nibabel.load(brains / "patient-002" / "seg.nii.gz")
    assert np.abs(other.affine[:3, 3] - images[0].affine[:3, 3]).max() > 1


def test_same_seed_same_bytes_whatever_the_number(brains: Path, tmp_path: Path) -> None:
    again = hashes(write_brains(tmp_path / "again", 2, **SMALL))
    of_twelve = hashes(brains)
    assert again == {name: of_twelve[name] for name in again}
    other = hashes(write_brains(tmp_path / "other", 2, seed=1, **SMALL))
    assert not set(other.values()) & set(again.values())


def test_finished_patients_are_kept_and_those_of_other_settings_refused(tmp_path: Path) -> None:
    folder = write_brains(tmp_path, 1, side=16, depth=8)
    before = (folder / "patient-000").stat().st_mtime_ns
    write_brains(tmp_path, 2, side=16, depth=8)
    assert (folder / "patient-000").stat().st_mtime_ns == before
    assert (folder / "patient-001").is_dir()
    with pytest.raises(SettingError, match=r"patient-000.*'seed': 1.*'seed': 0"):
        write_brains(tmp_path, 2, side=16, depth=8, seed=1)


@pytest.mark.parametrize(
    "wrong", [{"n": 0}, {"n": 1001}, {"n": 1, "side": 15}, {"n": 1, "depth": 7}]
)
def test_numbers_out_of_range(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(SettingError, match="Expected"):
        write_brains(tmp_path / "none", **wrong)
    assert not (tmp_path / "none").exists()


def test_mean_shares_of_the_classes_are_those_of_the_methods(brains: Path) -> None:
    """Healthy 97.5 %, edema 1.5, necrosis .3, non-enhancing .3, enhancing .4, within 1.5 times."""
    counts = np.stack(
        [np.bincount(array(brains, i, "seg").ravel(), minlength=5) for i in range(12)]
    )
    ratio = counts.sum(axis=0) / counts.sum() / [0.975, 0.003, 0.015, 0.003, 0.004]
    assert 0.98 < ratio[0] < 1.02
    assert (ratio[1:] > 1 / 1.5).all()
    assert (ratio[1:] < 1.5).all()
    tumors = counts[:, 1:].sum(axis=1)
    assert tumors.max() > 2 * tumors.min()


def test_one_patient_in_six_does_not_enhance_and_all_have_edema(brains: Path) -> None:
    for i in range(12):
        codes = set(np.unique(array(brains, i, "seg")).tolist())
        assert codes == ({0, 2, 3} if i % 6 == 4 else {0, 1, 2, 3, 4})


def test_tumors_lie_in_the_brain_and_the_background_is_0(brains: Path) -> None:
    for i in range(12):
        images = np.stack([array(brains, i, name) for name in MODALITIES])
        mask = images[0] > 0
        assert ((images > 0) == mask).all()
        assert mask[array(brains, i, "seg") > 0].all()
        assert 0.2 < mask.mean() < 0.35
        assert not mask[:, 0].any()
        assert not mask[:, :, 0].any()


def test_contrasts_are_those_of_the_sequences(tmp_path: Path) -> None:
    """Edema is bright on FLAIR and T2, enhancing tumor on T1c; necrosis is dark on T1c."""
    folder = write_brains(tmp_path, 2)
    for i in range(2):
        codes = array(folder, i, "seg")
        means = {}
        for name in MODALITIES:
            image = array(folder, i, name).astype(float)
            inside = image[image > 0]
            scores = (image - inside.mean()) / inside.std()
            means[name] = [scores[codes == code].mean() for code in range(5)]
            healthy = scores[(codes == 0) & (image > 0)]
            for code in range(
                1, 5
            ):  # no threshold of one image separates a class from healthy tissue
                assert healthy.max() > np.median(scores[codes == code]) > healthy.min()
        assert means["flair"][2] > 1
        assert means["t2"][2] > 1
        assert means["t1c"][4] > means["t1"][4] + 0.5
        assert means["t1c"][1] < -0.5
        assert means["t1c"][4] == max(means["t1c"])


def test_the_reader_of_volumes_reads_the_files(tmp_path: Path) -> None:
    """Counts, shapes and spacing against nibabel's reading of the same files."""
    folder = write_brains(tmp_path / "drawn", 5, side=16, depth=8)
    loaded = read_volumes(folder, VolumeOptions(labels="brats2013", cache=tmp_path / "cache"))
    data = loaded.dataset
    assert loaded.skipped == ()
    assert data.ids.tolist() == [f"patient-{i:03d}" for i in range(5)]
    assert data.scheme.name == "brats2013"
    assert sorted(name.lower() for name in data.modalities) == sorted(MODALITIES)
    for i, volume in enumerate(data.volumes):
        codes, brain = array(folder, i, "seg"), array(folder, i, "t1") > 0
        assert data.table[i].tolist() == [int((brain & (codes == code)).sum()) for code in range(5)]
        np.testing.assert_allclose(volume.spacing_mm, (18, 12, 12), rtol=1e-6)
        assert volume.shape == tuple(np.ptp(np.argwhere(brain), axis=0) + 1)
    for fold in patient_folds(data):
        fold.check(data)


# ---- contrasts and light ----

Scene = tuple[Head, Brain, Codes, NDArray[np.int16]]


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [paint_scene(patient) for patient in range(4)]


def paint_scene(patient: int) -> Scene:
    head = Head(NamedRandom("paint", patient), (16, 48, 48))
    brain = draw_brain(head)
    codes: Codes = np.zeros(head.shape, dtype=np.uint8)
    lesion = Lesion("only", necrosis=110, edema=550, non_enhancing=110, enhancing=150)
    draw_lesion(head, brain, codes, lesion)
    return head, brain, codes, paint_brain(head, brain, codes)


def image(scene: Scene, name: str) -> NDArray[np.float64]:
    return np.asarray(scene[3][MODALITIES.index(name)], dtype=np.float64)


def test_values_are_raw_and_0_outside_the_brain(scenes: list[Scene]) -> None:
    for head, brain, codes, images in scenes:
        assert images.dtype == np.int16
        assert (images[:, ~brain.mask] == 0).all()
        assert (images[:, brain.mask] > 0).all()
        np.testing.assert_array_equal(images, paint_brain(head, brain, codes))
    largest = [scene[3].max(axis=(1, 2, 3)) for scene in scenes]
    assert np.max(largest) > 2 * np.min(largest)  # units differ


def test_healthy_spots_and_vessels_imitate_tumor(scenes: list[Scene]) -> None:
    """Spots are brighter than white matter on FLAIR, vessels on T1c, as the tumor is."""
    for scene in scenes:
        _, brain, codes, _ = scene
        healthy = brain.mask & (codes == 0)
        white = healthy & (brain.tissue == WHITE)
        for name, tissue, tumor in (
            ("flair", SPOT, codes == 2),
            ("t1c", VESSEL, codes == ENHANCING),
        ):
            light = image(scene, name)
            rise = light[healthy & (brain.tissue == tissue)].mean() - light[white].mean()
            assert rise > 0.25 * (light[tumor].mean() - light[white].mean()) > 0


def test_no_threshold_finds_the_whole_tumor(scenes: list[Scene]) -> None:
    """The best threshold of FLAIR, chosen on the truth, is better than chance but not perfect."""
    for scene in scenes:
        _, brain, codes, _ = scene
        truth, light = codes[brain.mask] > 0, image(scene, "flair")[brain.mask]
        dice = []
        for threshold in np.quantile(light, np.linspace(0.5, 0.99, 50)):
            predicted = light > threshold
            overlap = (predicted & truth).sum()
            dice.append(2 * overlap / (predicted.sum() + truth.sum()))
        assert 2 * truth.mean() / (1 + truth.mean()) < max(dice) < 0.9


def test_light_is_uneven(scenes: list[Scene]) -> None:
    """White matter of the four quarters of the head differs by more than noise can explain."""
    for scene in scenes:
        _, brain, codes, _ = scene
        white = brain.mask & (codes == 0) & (brain.tissue == WHITE)
        light = image(scene, "t1")
        means = []
        for quarter in (
            np.s_[:, :24, :24],
            np.s_[:, :24, 24:],
            np.s_[:, 24:, :24],
            np.s_[:, 24:, 24:],
        ):
            means.append(light[quarter][white[quarter]].mean())
        assert max(means) > 1.03 * min(means)
