import re
from pathlib import Path

import numpy as np
import pytest

from equipoise.data.reading import read_volumes
from equipoise.data.volume_dataset import VolumeDataset
from equipoise.data.volumes.options import LoadedVolumes, VolumeOptions
from equipoise.exceptions import DataError, SettingError
from equipoise.experiments.methods.segmentation import VOLUME_METHODS, build_volume_methods
from equipoise.experiments.protocol import VolumeBudget, VolumeProtocol
from equipoise.experiments.volume_plan import check_volume_plan, plan_volume_study
from equipoise.testing.volume_readers import write_case
from equipoise.testing.volumes import volumes_of

BUDGET = VolumeBudget(
    n_steps=4, epoch_steps=2, batch_size=8, dense_batch_size=4, candidates=7, patch_size=32, width=2
)


def test_five_folds_or_one_for_each_patient(brains: VolumeDataset) -> None:
    study = plan_volume_study(LoadedVolumes(dataset=brains), VolumeProtocol(), BUDGET, name="s")
    assert (len(study.splits), study.baseline_name, study.primary_metric) == (
        5,
        "random",
        "mean_dice",
    )
    few = plan_volume_study(
        LoadedVolumes(dataset=brains.subset([0, 1, 2, 3])), VolumeProtocol(), BUDGET, name="s"
    )
    assert [len(split.test) for split in few.splits] == [1, 1, 1, 1]


def test_a_class_that_a_fold_cannot_learn_is_said(tmp_path: Path) -> None:
    plain = np.zeros((2, 6, 6), dtype=np.uint8)
    plain[0, 2, 2] = 1
    rare = plain.copy()
    rare[1, 3, 3] = 2
    data = volumes_of([rare, plain, plain, plain], tmp_path, k=3)
    study = plan_volume_study(
        LoadedVolumes(dataset=data, notes=("Read.",)), VolumeProtocol(), BUDGET, name="s"
    )
    (fold,) = [split.name for split in study.splits if 2 not in data.present(split.train)]
    read, absent = study.facts["notes"]
    assert read == "Read."
    assert re.search(rf"^No patient of .*2 .* {fold}\b", absent)


@pytest.mark.parametrize("name", VOLUME_METHODS)
def test_every_method_keeps_to_the_budget(name: str) -> None:
    check_volume_plan(VolumeProtocol(methods=(name,)), BUDGET)
    ((_, segmenter),) = build_volume_methods([name], BUDGET)[name].steps
    stages = [segmenter] if name != "cascade" else [segmenter.detect, segmenter.divide]
    assert sum(stage.n_steps for stage in stages) == BUDGET.n_steps
    for stage in stages:
        assert stage.batch_size == (
            BUDGET.dense_batch_size if stage.mode == "dense" else BUDGET.batch_size
        )
        assert getattr(stage.patch_sampler, "candidates", BUDGET.candidates) == BUDGET.candidates
        assert (stage.width, stage.patch_size) == (BUDGET.width, BUDGET.patch_size)


def test_unknown_methods_are_refused_before_anything_is_read() -> None:
    with pytest.raises(SettingError, match="Did you mean 'balanced'"):
        check_volume_plan(VolumeProtocol(methods=("random", "balancd")), BUDGET)


def test_one_scan_under_two_patients_is_refused_by_name(tmp_path: Path) -> None:
    for i, seed in enumerate((0, 1, 2, 1)):
        write_case(tmp_path / "brains" / f"p{i}", seed=seed)
    options = VolumeOptions(cache=tmp_path / "cache")
    loaded = read_volumes(tmp_path / "brains", options)
    with pytest.raises(DataError, match=r"same scan \(1\): p1 = p3\. .*--ignore.*--groups"):
        plan_volume_study(loaded, VolumeProtocol(), BUDGET, name="s")
    options = VolumeOptions(cache=tmp_path / "cache", groups="p[02]|p")
    loaded = read_volumes(tmp_path / "brains", options)
    assert plan_volume_study(loaded, VolumeProtocol(), BUDGET, name="s").splits
    options = VolumeOptions(cache=tmp_path / "cache", ignore=("p3",))
    loaded = read_volumes(tmp_path / "brains", options)
    assert plan_volume_study(loaded, VolumeProtocol(), BUDGET, name="s").splits
