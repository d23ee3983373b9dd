"""What every patch sampler obeys: `for check in PATCH_SAMPLER_CONTRACT: check(sampler, toy_cases(folder))`."""

import io
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.arrays import fingerprint
from equipoise.data.volume_dataset import Positions, VolumeDataset
from equipoise.estimators.patches.base import Drawing, Drawn, PatchSampler
from equipoise.exceptions import DataError, SettingError
from equipoise.testing.volumes import volumes_of

SIZE = 16  # larger than the odd cases
JITTER = 5
N = 23
STEPS = 10


class ToyCases(NamedTuple):
    """Cases to draw from.

    Attributes:
        odd: Three cases of different shapes, smaller than a patch, with voxels outside the brain. Class 1 lies in a
            corner of cases 0 and 1, class 2 only in case 2, class 3 is a single voxel, class 4 occurs nowhere.
        rare: Two cases of 4,000 and 8,000 voxels; 0.1 % are of class 1, four in the first and eight in the second.
        healthy: One case without any tumor.
        empty: One case without any valid voxel.
    """

    odd: VolumeDataset
    rare: VolumeDataset
    healthy: VolumeDataset
    empty: VolumeDataset


def toy_cases(folder: Path) -> ToyCases:
    """Write the cases."""
    shapes = ((4, 10, 12), (3, 8, 9), (5, 12, 8))
    maps = [np.zeros(shape, dtype=np.uint8) for shape in shapes]
    masks = [np.pad(np.ones(tuple(side - 2 for side in shape), dtype=bool), 1) for shape in shapes]
    maps[0][:2, :3, :3] = 1
    maps[1][-1, -2:, -1:] = 1
    maps[2][2, 4:9, 3:6] = 2
    maps[0][2, 5, 5] = 3
    few, more = (np.zeros((depth, 20, 20), dtype=np.uint8) for depth in (10, 20))
    few[5, 7:9, 3:5] = more[8, 10:12, 6:10] = 1
    nothing = np.zeros((2, 6, 6), dtype=np.uint8)
    return ToyCases(
        odd=volumes_of(maps, folder / "odd", k=5, masks=masks),
        rare=volumes_of([few, more], folder / "rare", k=2),
        healthy=volumes_of([nothing], folder / "healthy", k=3),
        empty=volumes_of([nothing], folder / "empty", k=2, masks=[nothing]),
    )


def begin(sampler: PatchSampler, dataset: VolumeDataset, **settings: Any) -> Drawing:
    """Begin to draw with the settings of these checks, but for those given."""
    return sampler.start(dataset, **{"n": N, "size": SIZE, "jitter": JITTER, "seed": 0, **settings})


def often_wrong(voxels: Positions, k: int) -> NDArray[np.float32]:
    """Stand for a network that surely takes a voxel (row, z, y, x) for class x modulo k."""
    return np.eye(k, dtype=np.float32)[voxels[:, 3] % k]


def draws_valid_voxels_of_the_class_it_says(sampler: PatchSampler, cases: ToyCases) -> None:
    """Voxels inside the volume, in the brain or of a tumor; each has its class in the label map."""
    for dataset in (cases.odd, cases.rare, cases.healthy):
        _, voxels, classes = _many(begin(sampler, dataset))
        for row in range(len(dataset)):
            arrays, mine = dataset.arrays(row), voxels[:, 0] == row
            places = tuple(voxels[mine, 1:].T)
            assert (voxels[mine] >= 0).all(), "a voxel lies outside the volume"
            assert (arrays.codes[places] == classes[mine]).all(), (
                f"a voxel of case {row} is not of its class"
            )
            assert (arrays.mask[places] | (classes[mine] > 0)).all(), (
                f"a voxel of case {row} is not valid"
            )


def gives_n_patches_in_whole_numbers(sampler: PatchSampler, cases: ToyCases) -> None:
    """Shapes (n, 4), (n, 4) and (n,), int64, in every step."""
    for n in (1, 4, N):
        drawn = begin(sampler, cases.odd, n=n)(3)
        assert [array.shape for array in drawn] == [(n, 4), (n, 4), (n,)]
        assert {array.dtype for array in drawn} == {np.dtype(np.int64)}


def moves_patches_and_keeps_the_voxel_inside(sampler: PatchSampler, cases: ToyCases) -> None:
    """The patch of a center shows the drawn voxel, not always in its middle, and the center is in the volume."""
    centers, voxels, classes = _many(begin(sampler, cases.rare))
    moved = centers - voxels
    assert not moved[:, :2].any(), "expected patches to move along y and x only"
    assert np.abs(moved).max() == JITTER, (
        f"expected moves of up to {JITTER}, got {np.abs(moved).max()}"
    )
    assert moved[:, 2:].min() < 0 < moved[:, 2:].max(), "expected moves in both directions"
    shapes = np.array([volume.shape for volume in cases.rare.volumes])[centers[:, 0]]
    assert ((centers[:, 1:] >= 0) & (centers[:, 1:] < shapes)).all(), (
        "a center lies outside the volume"
    )
    targets = cases.rare.patches(centers, SIZE)[1]
    y, x = (SIZE // 2 - moved[:, 2:]).T
    assert (targets[np.arange(len(targets)), y, x] == classes).all(), (
        "a patch does not show its voxel"
    )


def centers_patches_where_there_is_no_jitter(sampler: PatchSampler, cases: ToyCases) -> None:
    """Without jitter the target's middle pixel has the drawn class; which voxels are drawn does not change."""
    still, moving = (_many(begin(sampler, cases.odd, jitter=jitter)) for jitter in (0, JITTER))
    assert (still.centers == still.voxels).all()
    assert (
        cases.odd.patches(still.centers, SIZE)[1][:, SIZE // 2, SIZE // 2] == still.classes
    ).all()
    assert (still.voxels == moving.voxels).all()


def draws_classes_as_often_as_it_says(sampler: PatchSampler, cases: ToyCases) -> None:
    """Classes come within 4 standard deviations of `shares`, also a class of 0.1 %; absent ones never come."""
    for dataset in (cases.rare, cases.odd, cases.healthy):
        shares = sampler.shares(dataset)
        assert abs(shares.sum() - 1) < 1e-12
        assert not shares[dataset.counts == 0].any(), (
            "expected no share for a class that does not occur"
        )
        classes = _many(begin(sampler, dataset, n=2000)).classes
        _within_chance(np.bincount(classes, minlength=dataset.k), len(classes) * shares)


def draws_all_voxels_of_a_class_of_a_case_alike(sampler: PatchSampler, cases: ToyCases) -> None:
    """No voxel of a class has a larger chance than another of the same case: here those of the rare class."""
    drawn = _many(begin(sampler, cases.rare, n=2000))
    for row, members in ((0, 4), (1, 8)):
        mine = drawn.voxels[(drawn.classes == 1) & (drawn.voxels[:, 0] == row)]
        voxels = cases.rare.voxels(row, 1, np.arange(members))
        times = (mine[:, None] == voxels).all(axis=2).sum(axis=0)
        assert times.sum() == len(mine) > 0, f"expected rare voxels of case {row} only, got {mine}"
        _within_chance(times, np.full(members, len(mine) / members))


def depends_on_seed_and_step_only(sampler: PatchSampler, cases: ToyCases) -> None:
    """The same seed and step give the same patches, in any order of calls; others give others."""
    drawing, again, other = (begin(sampler, cases.odd, seed=seed) for seed in (0, 0, 1))
    first = [drawing(step) for step in range(4)]
    for step in (3, 0, 2):
        assert _same(again(step), first[step]), f"another batch at step {step} in another order"
    for name, another in (("step", first[1]), ("seed", other(0))):
        assert not np.array_equal(first[0].voxels, another.voxels), (
            f"the same voxels with another {name}"
        )
        one, two = (drawn.centers - drawn.voxels for drawn in (first[0], another))
        assert not np.array_equal(one, two), f"patches move alike with another {name}"


def goes_on_from_its_state(sampler: PatchSampler, cases: ToyCases) -> None:
    """Stored after a rebuild, or in the middle of an epoch, it goes on with the same patches and rebuilds alike."""
    whole = begin(sampler, cases.odd)
    for at in (0, 2):
        _learn(whole, cases.odd, epoch=at)
        for step in range(4 * at, 4 * at + 3):
            resumed = begin(sampler, cases.odd)
            resumed.load_state_dict(_stored(whole.state_dict()))
            assert _same(whole(step), resumed(step)), f"another batch at step {step} after going on"
    facts = [_learn(drawing, cases.odd, epoch=3) for drawing in (whole, resumed)]
    assert facts[0] == facts[1]
    assert _same(whole(20), resumed(20)), "another batch after both were rebuilt"


def tells_what_it_learned_in_numbers(sampler: PatchSampler, cases: ToyCases) -> None:
    """Facts are finite numbers; a sampler that learns nothing has none and keeps no state."""
    drawing = begin(sampler, cases.odd)
    facts = _learn(drawing, cases.odd, epoch=0)
    assert all(isinstance(value, float) and np.isfinite(value) for value in facts.values()), facts
    assert bool(facts) == bool(drawing.state_dict())


def leaves_chance_and_files_alone(sampler: PatchSampler, cases: ToyCases) -> None:
    """The global random states and the files of the cases are as before."""
    before = _chance(), _files(cases.odd)
    drawing = begin(sampler, cases.odd)
    drawing(0)
    _learn(drawing, cases.odd, epoch=0)
    drawing(1)
    assert (_chance(), _files(cases.odd)) == before


def refuses_what_it_cannot_draw_from(sampler: PatchSampler, cases: ToyCases) -> None:
    """No valid voxel, no patch in a step, no size and a negative jitter are refused; the message names the case."""
    assert "case-0" in _refusal(DataError, lambda: begin(sampler, cases.empty))
    assert "case-0" in _refusal(DataError, lambda: sampler.shares(cases.empty))
    for settings in ({"n": 0}, {"size": 0}, {"jitter": -1}):
        assert "at least" in _refusal(SettingError, partial(begin, sampler, cases.odd, **settings))


PATCH_SAMPLER_CONTRACT: tuple[Callable[[PatchSampler, ToyCases], None], ...] = (
    draws_valid_voxels_of_the_class_it_says,
    gives_n_patches_in_whole_numbers,
    moves_patches_and_keeps_the_voxel_inside,
    centers_patches_where_there_is_no_jitter,
    draws_classes_as_often_as_it_says,
    draws_all_voxels_of_a_class_of_a_case_alike,
    depends_on_seed_and_step_only,
    goes_on_from_its_state,
    tells_what_it_learned_in_numbers,
    leaves_chance_and_files_alone,
    refuses_what_it_cannot_draw_from,
)


def _many(drawing: Drawing) -> Drawn:
    return Drawn(*map(np.concatenate, zip(*(drawing(step) for step in range(STEPS)), strict=True)))


def _same(one: Drawn, other: Drawn) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def _within_chance(times: NDArray[np.int64], expected: NDArray[np.float64]) -> None:
    deviation = np.sqrt(expected * (1 - expected / expected.sum()))
    assert (np.abs(times - expected) <= 4 * deviation + 1e-6).all(), (
        f"expected about {expected}, got {times}"
    )


def _learn(drawing: Drawing, dataset: VolumeDataset, *, epoch: int) -> dict[str, float]:
    return drawing.rebuild(epoch, lambda voxels: often_wrong(voxels, dataset.k))


def _stored(state: dict[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return dict(torch.load(file, weights_only=True))


def _chance() -> tuple[object, ...]:
    numpy_state = np.random.get_state()  # noqa: NPY002 (the global state is what is looked at)
    return random.getstate(), str(numpy_state), torch.get_rng_state().numpy().tobytes()


def _files(dataset: VolumeDataset) -> str:
    paths = sorted(path for volume in dataset.volumes for path in volume.folder.iterdir())
    return fingerprint(
        [(path.name, path.read_bytes()) for path in paths], dataset.table, dataset.groups
    )


def _refusal(error: type[Exception], act: Callable[[], object]) -> str:
    try:
        act()
    except error as refused:
        return str(refused)
    raise AssertionError(f"Expected {error.__name__}.")
