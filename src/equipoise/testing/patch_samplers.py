"""The contract of every patch sampler.

for check in PATCH_SAMPLER_CONTRACT:
    check(sampler, toy_cases(folder))
"""

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.arrays import fingerprint
from equipoise.data.volume_dataset import Positions, VolumeDataset
from equipoise.estimators.patches.base import PatchBatch, PatchSampler, PatchStream
from equipoise.exceptions import DataError, SettingError
from equipoise.testing.probes import random_states, refusal
from equipoise.testing.volumes import volumes_of

SIZE = 16  # larger than the odd cases
JITTER = 5
N = 23
STEPS = 10


class ToyCases(NamedTuple):
    """Cases to draw from.

    Attributes:
        odd: Three cases of different shapes, smaller than a patch, with voxels outside the brain.
            Class 1 is in a corner of cases 0 and 1, class 2 only in case 2, class 3 is a single
            voxel, class 4 is absent.
        rare: Two cases of 4,000 and 8,000 voxels; 0.1 % have class 1: four voxels in the first,
            eight in the second.
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
    maps = []
    masks = []
    for shape in shapes:
        maps.append(np.zeros(shape, dtype=np.uint8))
        mask = np.zeros(shape, dtype=bool)
        mask[1:-1, 1:-1, 1:-1] = True
        masks.append(mask)
    maps[0][:2, :3, :3] = 1
    maps[1][-1, -2:, -1:] = 1
    maps[2][2, 4:9, 3:6] = 2
    maps[0][2, 5, 5] = 3
    four = np.zeros((10, 20, 20), dtype=np.uint8)
    four[5, 7:9, 3:5] = 1
    eight = np.zeros((20, 20, 20), dtype=np.uint8)
    eight[8, 10:12, 6:10] = 1
    nothing = np.zeros((2, 6, 6), dtype=np.uint8)
    return ToyCases(
        odd=volumes_of(maps, folder / "odd", k=5, masks=masks),
        rare=volumes_of([four, eight], folder / "rare", k=2),
        healthy=volumes_of([nothing], folder / "healthy", k=3),
        empty=volumes_of([nothing], folder / "empty", k=2, masks=[nothing]),
    )


def begin(sampler: PatchSampler, dataset: VolumeDataset, **settings: Any) -> PatchStream:
    """Start drawing with the settings of these checks, except for those given."""
    return sampler.start(dataset, **{"n": N, "size": SIZE, "jitter": JITTER, "seed": 0, **settings})


def confident_network(voxels: Positions, k: int) -> NDArray[np.float32]:
    """Stand for a network that is certain that a voxel (row, z, y, x) has class x modulo k."""
    return np.eye(k, dtype=np.float32)[voxels[:, 3] % k]


def draws_valid_voxels_of_the_reported_class(sampler: PatchSampler, cases: ToyCases) -> None:
    """Voxels are inside the volume, in the brain or a tumor, and have the reported class."""
    for dataset in (cases.odd, cases.rare, cases.healthy):
        _, voxels, classes = _many(begin(sampler, dataset))
        for row in range(len(dataset)):
            arrays = dataset.arrays(row)
            in_case = voxels[:, 0] == row
            places = tuple(voxels[in_case, 1:].T)
            assert (voxels[in_case] >= 0).all(), "a voxel is outside the volume"
            right_class = arrays.codes[places] == classes[in_case]
            assert right_class.all(), f"a voxel of case {row} has another class"
            valid = arrays.mask[places] | (classes[in_case] > 0)
            assert valid.all(), f"a voxel of case {row} is not valid"


def draws_n_patches_as_integers(sampler: PatchSampler, cases: ToyCases) -> None:
    """Every step yields int64 arrays of shapes (n, 4), (n, 4) and (n,)."""
    for n in (1, 4, N):
        batch = begin(sampler, cases.odd, n=n)(3)
        assert [array.shape for array in batch] == [(n, 4), (n, 4), (n,)]
        assert {array.dtype for array in batch} == {np.dtype(np.int64)}


def jitters_patches_that_still_show_the_voxel(sampler: PatchSampler, cases: ToyCases) -> None:
    """A jittered patch shows the drawn voxel off its middle, and its center is in the volume."""
    centers, voxels, classes = _many(begin(sampler, cases.rare))
    moved = centers - voxels
    assert not moved[:, :2].any(), "expected patches to move along y and x only"
    largest = np.abs(moved).max()
    assert largest == JITTER, f"expected moves of up to {JITTER}, got {largest}"
    assert moved[:, 2:].min() < 0 < moved[:, 2:].max(), "expected moves in both directions"
    shapes = np.array([volume.shape for volume in cases.rare.volumes])[centers[:, 0]]
    inside = (centers[:, 1:] >= 0) & (centers[:, 1:] < shapes)
    assert inside.all(), "a center is outside the volume"
    targets = cases.rare.patches(centers, SIZE)[1]
    y, x = (SIZE // 2 - moved[:, 2:]).T
    shown_classes = targets[np.arange(len(targets)), y, x]
    assert (shown_classes == classes).all(), "a patch does not show its voxel"


def centers_patches_without_jitter(sampler: PatchSampler, cases: ToyCases) -> None:
    """Without jitter the middle pixel has the drawn class, and the same voxels are drawn."""
    still = _many(begin(sampler, cases.odd, jitter=0))
    moving = _many(begin(sampler, cases.odd, jitter=JITTER))
    assert (still.centers == still.voxels).all()
    targets = cases.odd.patches(still.centers, SIZE)[1]  # (n, y, x)
    assert (targets[:, SIZE // 2, SIZE // 2] == still.classes).all()
    assert (still.voxels == moving.voxels).all()


def draws_classes_with_its_shares(sampler: PatchSampler, cases: ToyCases) -> None:
    """Class counts are within 4 standard deviations of `shares`; absent classes never occur."""
    for dataset in (cases.rare, cases.odd, cases.healthy):
        shares = sampler.shares(dataset)
        assert abs(shares.sum() - 1) < 1e-12
        assert not shares[dataset.counts == 0].any(), "an absent class has a share"
        classes = _many(begin(sampler, dataset, n=2000)).classes
        _within_chance(np.bincount(classes, minlength=dataset.k), len(classes) * shares)


def draws_voxels_of_a_class_uniformly(sampler: PatchSampler, cases: ToyCases) -> None:
    """All voxels of the rare class of a case are equally likely."""
    batch = _many(begin(sampler, cases.rare, n=2000))
    for row, members in ((0, 4), (1, 8)):
        drawn_voxels = batch.voxels[(batch.classes == 1) & (batch.voxels[:, 0] == row)]
        voxels = cases.rare.voxels(row, 1, np.arange(members))
        n_drawn = len(drawn_voxels)
        times = (drawn_voxels[:, None] == voxels).all(axis=2).sum(axis=0)
        assert times.sum() == n_drawn > 0, f"not the rare voxels of case {row}: {drawn_voxels}"
        _within_chance(times, np.full(members, n_drawn / members))


def depends_on_seed_and_step_only(sampler: PatchSampler, cases: ToyCases) -> None:
    """Patches depend on seed and step, not on the order of calls."""
    stream = begin(sampler, cases.odd, seed=0)
    repeated = begin(sampler, cases.odd, seed=0)
    other_seed = begin(sampler, cases.odd, seed=1)
    batches = [stream(step) for step in range(4)]
    for step in (3, 0, 2):
        assert _same(repeated(step), batches[step]), f"step {step} depends on the order of calls"
    first = batches[0]
    for name, other in (("step", batches[1]), ("seed", other_seed(0))):
        assert not np.array_equal(first.voxels, other.voxels), f"same voxels, different {name}"
        moves = first.centers - first.voxels
        other_moves = other.centers - other.voxels
        assert not np.array_equal(moves, other_moves), f"same jitter, different {name}"


def resumes_from_its_state(sampler: PatchSampler, cases: ToyCases) -> None:
    """Restored after a rebuild, or within an epoch, it draws and rebuilds as if uninterrupted."""
    stream = begin(sampler, cases.odd)
    for epoch in (0, 2):
        _learn(stream, cases.odd, epoch=epoch)
        for step in range(4 * epoch, 4 * epoch + 3):
            resumed = begin(sampler, cases.odd)
            resumed.load_state_dict(_saved_and_loaded(stream.state_dict()))
            assert _same(stream(step), resumed(step)), f"step {step} differs after resuming"
    numbers = _learn(stream, cases.odd, epoch=3)
    assert _learn(resumed, cases.odd, epoch=3) == numbers
    assert _same(stream(20), resumed(20)), "batches differ after both were rebuilt"


def reports_finite_numbers(sampler: PatchSampler, cases: ToyCases) -> None:
    """`rebuild` returns finite floats; a sampler that learns nothing has neither them nor state."""
    stream = begin(sampler, cases.odd)
    numbers = _learn(stream, cases.odd, epoch=0)
    for value in numbers.values():
        assert isinstance(value, float), numbers
        assert np.isfinite(value), numbers
    assert bool(numbers) == bool(stream.state_dict())


def leaves_random_states_and_files_alone(sampler: PatchSampler, cases: ToyCases) -> None:
    """The global random states and the files of the cases stay unchanged."""
    before = random_states(), _files(cases.odd)
    stream = begin(sampler, cases.odd)
    stream(0)
    _learn(stream, cases.odd, epoch=0)
    stream(1)
    assert (random_states(), _files(cases.odd)) == before


def refuses_what_it_cannot_draw_from(sampler: PatchSampler, cases: ToyCases) -> None:
    """Cases without a valid voxel (by name), n or size of 0 and a negative jitter are refused."""
    assert "case-0" in refusal(lambda: begin(sampler, cases.empty), DataError)
    assert "case-0" in refusal(lambda: sampler.shares(cases.empty), DataError)
    for settings in ({"n": 0}, {"size": 0}, {"jitter": -1}):
        message = refusal(partial(begin, sampler, cases.odd, **settings), SettingError)
        assert str(*settings.values()) in message, message


PATCH_SAMPLER_CONTRACT: tuple[Callable[[PatchSampler, ToyCases], None], ...] = (
    draws_valid_voxels_of_the_reported_class,
    draws_n_patches_as_integers,
    jitters_patches_that_still_show_the_voxel,
    centers_patches_without_jitter,
    draws_classes_with_its_shares,
    draws_voxels_of_a_class_uniformly,
    depends_on_seed_and_step_only,
    resumes_from_its_state,
    reports_finite_numbers,
    leaves_random_states_and_files_alone,
    refuses_what_it_cannot_draw_from,
)


def _many(stream: PatchStream) -> PatchBatch:
    steps = [stream(step) for step in range(STEPS)]
    return PatchBatch(*map(np.concatenate, zip(*steps, strict=True)))


def _same(first: PatchBatch, second: PatchBatch) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def _within_chance(times: NDArray[np.int64], expected: NDArray[np.float64]) -> None:
    deviation = np.sqrt(expected * (1 - expected / expected.sum()))
    within = np.abs(times - expected) <= 4 * deviation + 1e-6
    assert within.all(), f"expected about {expected}, got {times}"


def _learn(stream: PatchStream, dataset: VolumeDataset, *, epoch: int) -> dict[str, float]:
    return stream.rebuild(epoch, lambda voxels: confident_network(voxels, dataset.k))


def _saved_and_loaded(state: dict[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return dict(torch.load(file, weights_only=True))


def _files(dataset: VolumeDataset) -> str:
    paths = sorted(path for volume in dataset.volumes for path in volume.folder.iterdir())
    return fingerprint(
        [(path.name, path.read_bytes()) for path in paths], dataset.table, dataset.groups
    )
