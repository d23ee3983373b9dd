from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.pipeline import Pipeline

from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import Split, hold_out
from equipoise.estimators.cascade import CascadeSegmenter
from equipoise.estimators.segmenter import Segmenter
from equipoise.exceptions import SettingError
from equipoise.experiments.description import describe
from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.protocol import Budget
from equipoise.experiments.running import memory_need, memory_plan
from equipoise.experiments.running.available_memory import GIB
from equipoise.experiments.running.executors import InProcess, Processes
from equipoise.experiments.running.memory_need import (
    MethodNeed,
    StepNeed,
    method_needs,
    volume_needs,
)
from equipoise.experiments.running.memory_plan import (
    PROCESS,
    USABLE,
    fit_to_memory,
    plan_memory,
)
from equipoise.experiments.running.protocols import Executor
from equipoise.experiments.study import Study
from equipoise.runs.store import RunStore
from equipoise.testing.volumes import volumes_of

METHODS = ["none", "oversampling"]


def blank_study(side: int, methods: list[str], **budget: object) -> Study:
    images = np.zeros((24, 1, side, side), dtype=np.uint8)
    images[:, :, :2] = np.random.default_rng(0).integers(0, 255, (24, 1, 2, side))
    dataset = ImageDataset(
        images=images,
        labels=np.repeat([0, 1], [16, 8]),
        ids=np.array([f"image-{i}" for i in range(24)]),
        groups=np.arange(24),
        class_names=("common", "rare"),
    )
    return Study(
        name="memory",
        dataset=dataset,
        splits=hold_out(dataset, n_splits=1),
        methods=build_methods(methods, replace(Budget(), **budget)),  # type: ignore[arg-type]
        seeds=(0,),
    )


def free(n_bytes: float) -> Callable[[str], int]:
    return lambda _device: int(n_bytes / USABLE) + 1


def need_of(batch_size: int = 32, per_image: float = GIB, *, divisible: bool = True) -> MethodNeed:
    step = StepNeed(fixed=GIB, per_image=per_image, batch_size=batch_size, divisible=divisible)
    return MethodNeed(data=GIB, steps=(step,))


def pieces(study: Study) -> list[int | None]:
    return [method.steps[-1][1].micro_batch_size for method in study.methods.values()]


def test_a_classifier_is_measured_on_the_meta_device() -> None:
    """A real step of ResNet18 needed 90 MiB with 4 images, weights and gradients included."""
    need = method_needs(blank_study(64, ["none"], network="resnet18"))["none"].steps[0]
    weights = 11_168_000 * 4  # of one gray channel and two classes, with the buffers
    assert need.divisible
    assert need.batch_size == 32
    assert need.fixed == pytest.approx(memory_need.COPIES_OF_WEIGHTS * weights, rel=0.25)
    assert 4 * need.per_image == pytest.approx(6.5 * 2**20, rel=0.35)


def test_generators_and_frozen_networks_are_measured() -> None:
    generated = method_needs(blank_study(16, ["vae_pretraining", "edm", "vae@0.5"]))
    assert [len(need.steps) for need in generated.values()] == [2, 2, 2]
    for need in generated.values():
        assert all(step.bytes_at() > 2**20 for step in need.steps)
    settings = {"regime": "frozen", "network": "resnet18", "pretrained": "random"}
    (step,) = method_needs(blank_study(32, ["none"], **settings))["none"].steps
    assert not step.divisible
    assert step.fixed > 11e6 * 4
    smaller = method_needs(blank_study(32, ["edm"], gan_side=16))["edm"].steps[0]
    whole = method_needs(blank_study(32, ["edm"]))["edm"].steps[0]
    assert smaller.per_image < 0.5 * whole.per_image
    without = method_needs(blank_study(16, ["edm"]), generators=False)["edm"]
    assert without.steps[0].bytes_at() == 0 < without.steps[1].bytes_at()


def volume_study(folder: Path, patch_size: int = 64) -> Study:
    codes = np.zeros((2, 16, 16), dtype=int)
    codes[0, 2:8, 2:8] = 1
    codes[0, 4:6, 4:6] = 2
    segmenter = Segmenter(patch_size=patch_size, batch_size=120, device="cpu")
    cascade = CascadeSegmenter(detect=segmenter, divide=Segmenter(mode="dense", batch_size=24))
    train, validation, test = np.array([0, 1]), np.array([2]), np.array([3])
    split = Split(name="fold-0", train=train, validation=validation, test=test)
    return Study(
        name="memory",
        dataset=volumes_of([np.roll(codes, i, axis=2) for i in range(4)], folder, k=3),
        splits=[split],
        methods={
            name: Pipeline([("segmenter", step)])
            for name, step in (("balanced", segmenter), ("cascade", cascade))
        },
        seeds=(0,),
        primary_metric="mean_dice",
    )


def test_segmenters_are_measured_by_stage(tmp_path: Path) -> None:
    """A fit of 120 patches of 64 px let the process grow by 290 MiB."""
    needs = volume_needs(volume_study(tmp_path / "small"))
    (step,) = needs["balanced"].steps
    assert step.bytes_at() == pytest.approx(290 * 2**20, rel=0.3)
    assert [stage.batch_size for stage in needs["cascade"].steps] == [120, 24]
    assert needs["cascade"].steps[0] == step
    larger = volume_needs(volume_study(tmp_path / "large", patch_size=128))["balanced"].steps[0]
    assert larger.per_image > 4 * step.per_image


def test_volumes_get_fewer_workers_or_the_patch_size_that_fits(tmp_path: Path) -> None:
    study, store = volume_study(tmp_path / "volumes", patch_size=512), RunStore(tmp_path / "run")
    need = PROCESS + max(need.bytes_at() for need in volume_needs(study).values())
    _, executor, plan = fit_to_memory(study, Processes(4), store, available=free(2.5 * need))
    assert executor == Processes(2)
    assert len(plan.sentences) == 1
    with pytest.raises(SettingError, match=r"balanced.*--patch-size \d+,"):
        fit_to_memory(study, Processes(4), store, available=free(0.5 * need))


def test_a_study_that_fits_is_left_alone(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    for side, available in ((32, 100 * GIB), (96, 10 * GIB)):
        study = blank_study(side, METHODS)
        same, executor, plan = fit_to_memory(study, Processes(2), store, available=free(available))
        assert same is study
        assert executor == Processes(2)
        assert plan.sentences == ()


@pytest.mark.parametrize(
    ("available", "executor", "piece"),
    [(9 * GIB, Processes(2), None), (5 * GIB, InProcess(), None), (2.5 * GIB, InProcess(), 8)],
)
def test_fewer_workers_come_before_pieces(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    available: float,
    executor: Executor,
    piece: int | None,
) -> None:
    needs = {name: need_of(per_image=GIB / 16) for name in METHODS}  # 0.7 + 1 + 1.3 (1 + 2) GiB
    needs["none"] = replace(needs["none"], data=0.0)
    monkeypatch.setattr(memory_plan, "method_needs", lambda *_args, **_kwargs: needs)
    needs["oversampling"] = needs["none"]  # 4.6 GiB with the process
    study = blank_study(96, METHODS)
    fitted, chosen, plan = fit_to_memory(
        study, Processes(2), RunStore(tmp_path), available=free(available + 0.3 * GIB)
    )
    assert chosen == executor
    assert pieces(fitted) == [piece, piece]
    assert plan.piece_size == piece
    changes = (executor != Processes(2)) + (piece is not None)
    assert len(plan.sentences) == changes
    assert list(fitted.facts.get("memory", [])) == list(plan.sentences)


def test_the_named_memory_bounds_the_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs = dict.fromkeys(METHODS, need_of(per_image=GIB / 16))  # 5.6 GiB with the process
    monkeypatch.setattr(memory_plan, "method_needs", lambda *_args, **_kwargs: needs)
    study, store, much = blank_study(96, METHODS), RunStore(tmp_path), free(99 * GIB)
    _, chosen, plan = fit_to_memory(study, Processes(4, max_memory=12 * GIB), store, available=much)
    assert chosen == Processes(2, max_memory=12 * GIB)
    assert "of the 12.0 GB of --max-memory" in plan.sentences[0]
    _, chosen, plan = fit_to_memory(
        study, Processes(4, max_memory=99 * GIB), store, available=free(12 * GIB)
    )
    assert chosen == Processes(2, max_memory=99 * GIB)
    assert "of the 12.0 GB of free memory" in plan.sentences[0]
    with pytest.raises(SettingError, match=r"2\.0 GB of --max-memory.* or raise --max-memory"):
        fit_to_memory(study, InProcess(max_memory=2 * GIB), store, available=much)


def test_the_cells_on_each_gpu_follow_its_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs = {name: need_of(per_image=GIB / 16) for name in METHODS}  # 5.6 GiB with the process
    monkeypatch.setattr(memory_plan, "method_needs", lambda *_args, **_kwargs: needs)
    crowd = Processes(6, devices=("cuda:0", "cuda:1"))
    study, store = blank_study(96, METHODS), RunStore(tmp_path)
    _, chosen, plan = fit_to_memory(study, crowd, store, available=free(12 * GIB))
    assert chosen == replace(crowd, n_workers=4)
    assert plan.n_workers == 2
    assert plan.sentences[0].startswith("2 workers on each GPU instead of 3")


def test_a_run_that_began_in_pieces_goes_on_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, study = RunStore(tmp_path), blank_study(96, METHODS)
    needs = {name: need_of(per_image=GIB / 16) for name in METHODS}
    monkeypatch.setattr(memory_plan, "method_needs", lambda *_args, **_kwargs: needs)
    fitted, _, _ = fit_to_memory(study, Processes(2), store, available=free(4 * GIB))
    assert pieces(fitted)[0] is not None
    with store.lock():
        store.open(describe(fitted), dataset=fitted.dataset, splits=fitted.splits)
    again, executor, plan = fit_to_memory(study, Processes(2), store, available=free(99 * GIB))
    assert pieces(again) == pieces(fitted)
    assert executor == Processes(2)
    store.check(describe(again))
    assert len(plan.sentences) == 1


def test_what_fits_nowhere_is_refused_with_the_side_that_fits() -> None:
    needs = {"none": need_of(per_image=2**20), "dcgan": need_of(per_image=GIB, divisible=False)}
    with pytest.raises(SettingError) as error:
        plan_memory(needs, n_workers=2, free=20 * GIB, side=512)
    assert "got dcgan" in str(error.value)
    assert "--size 320" in str(error.value)
    smaller = {"dcgan": need_of(per_image=GIB * (320 / 512) ** 2, divisible=False)}
    assert plan_memory(smaller, n_workers=2, free=20 * GIB, side=320).n_workers == 1


@given(
    batch_size=st.integers(2, 128),
    per_image=st.floats(1e6, 1e10),
    free_bytes=st.floats(GIB, 200 * GIB),
    n_workers=st.integers(1, 16),
)
def test_what_is_planned_fits(
    batch_size: int, per_image: float, free_bytes: float, n_workers: int
) -> None:
    needs = {"none": need_of(batch_size, per_image)}
    try:
        plan = plan_memory(needs, n_workers=n_workers, free=free_bytes, side=256)
    except SettingError:
        assert PROCESS + needs["none"].bytes_at(2) > free_bytes
        return
    peak = PROCESS + needs["none"].bytes_at(plan.piece_size)
    assert plan.n_workers * peak <= free_bytes
    assert 1 <= plan.n_workers <= n_workers
    if plan.piece_size is not None:
        assert plan.n_workers == 1
        assert PROCESS + needs["none"].bytes_at() > free_bytes
