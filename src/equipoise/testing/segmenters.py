"""The contract of every segmenter: functions that raise AssertionError.

One parametrized test runs them all on a segmenter of your own:

    @pytest.mark.parametrize("check", SEGMENTER_CHECKS, ids=lambda check: check.__name__)
    def test_contract(check, tmp_path):
        check(MySegmenter(n_steps=4), tmp_path)

It should take at least two optimizer steps, so that there is a step to kill it at.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.estimators.cascade import CascadeSegmenter
from equipoise.estimators.segmenter import Segmenter
from equipoise.testing.probes import (
    check_not_fitted,
    eager_checkpoints,
    killing,
    random_states,
    refusal,
)
from equipoise.testing.volumes import volumes_of
from equipoise.training.progress import listening

AnySegmenter = Segmenter | CascadeSegmenter
K = 4  # healthy tissue and three parts of a tumor
SHAPE = (3, 14, 12)


def toy_brains(folder: Path, n: int = 2) -> VolumeDataset:
    """Write n cases (c=2, z=3, y=14, x=12) with a tumor of three parts, brighter than the rest."""
    codes = np.zeros(SHAPE, dtype=np.int64)
    codes[1:, 3:10, 3:9] = 1
    codes[1:, 4:8, 4:8] = 2
    codes[2, 5:7, 5:7] = 3
    mask = np.zeros(SHAPE, dtype=bool)
    mask[:2, 1:-1, 1:-1] = True
    mask[2, 2:-2, 2:-2] = True
    shifted = [np.roll(codes, i, axis=2) for i in range(n)]
    return volumes_of(shifted, folder, k=K, masks=[mask] * n)


def check_codes(segmenter: AnySegmenter, folder: Path) -> None:
    """A label map has a code below k for each voxel, 0 outside the mask, which may be empty."""
    fitted, (images, _, mask) = _fitted(segmenter, folder)
    codes = fitted.predict(images, mask)
    assert (codes.shape, codes.dtype) == (mask.shape, np.uint8)
    assert codes.max() < K
    assert not codes[~mask].any(), "expected 0 outside the mask"
    without_brain = fitted.predict(images, np.zeros_like(mask))
    assert not without_brain.any(), "expected 0 where there is no brain"


def check_probabilities(segmenter: AnySegmenter, folder: Path) -> None:
    """Probabilities sum to 1; class 0 is certain outside the mask and never inside."""
    fitted, (images, _, mask) = _fitted(segmenter, folder)
    probabilities = fitted.probabilities(images, mask)
    assert (probabilities.shape, probabilities.dtype) == ((K, *mask.shape), np.float32)
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, atol=1e-6)
    assert (probabilities[0, ~mask] == 1).all(), "expected class 0 outside the mask"
    assert (probabilities[:, mask] < 1).all(), "expected no certainty inside the mask"


def check_map_follows_the_probabilities(segmenter: AnySegmenter, folder: Path) -> None:
    """A voxel that is not healthy has the most probable of the other classes."""
    fitted, (images, _, mask) = _fitted(segmenter, folder)
    codes = fitted.predict(images, mask)  # (z, y, x)
    probabilities = fitted.probabilities(images, mask)  # (k, z, y, x)
    tumor = codes > 0
    np.testing.assert_array_equal(codes[tumor], 1 + probabilities[1:, tumor].argmax(axis=0))


def check_seed(segmenter: AnySegmenter, folder: Path) -> None:
    """The same seed gives the same weights, bit for bit; another seed does not."""
    first, second = (_fitted(segmenter, folder)[0] for _ in range(2))
    other = _fitted(clone(segmenter).set_params(random_state=1), folder)[0]
    assert weights_of(first) == weights_of(second)
    assert weights_of(first) != weights_of(other)


def check_input_is_not_written(segmenter: AnySegmenter, folder: Path) -> None:
    """Read-only arrays, such as memory maps, are accepted; files of cases stay unchanged."""
    before = _contents(toy_brains(folder / "cases"))
    fitted, (images, _, mask) = _fitted(segmenter, folder)
    mask.flags.writeable = False
    assert not images.flags.writeable
    fitted.predict(images, mask)
    fitted.probabilities(images, mask)
    assert _contents(toy_brains(folder / "cases")) == before


def check_global_randomness(segmenter: AnySegmenter, folder: Path) -> None:
    """The global random states of torch, NumPy and Python are left alone."""
    before = random_states()
    fitted, (images, _, mask) = _fitted(segmenter, folder)
    fitted.predict(images, mask)
    assert random_states() == before


def check_saved(segmenter: AnySegmenter, folder: Path) -> None:
    """A saved and loaded segmenter has the same probabilities, maps and attributes."""
    fitted, (images, _, mask) = _fitted(segmenter, folder)
    fitted.save(folder / "model")
    loaded = type(segmenter).load(folder / "model", device="cpu")
    for method in ("probabilities", "predict"):
        expected = getattr(fitted, method)(images, mask)
        np.testing.assert_array_equal(getattr(loaded, method)(images, mask), expected)
    for name in ("class_names_", "modalities_", "regions_", "tau_", "notes_", "seconds_"):
        assert getattr(loaded, name) == getattr(fitted, name), f"{name} was not kept"


def check_killed_and_continued(segmenter: AnySegmenter, folder: Path) -> None:
    """A fit that is killed at any step and restarted yields the same weights, bit for bit."""
    data = toy_brains(folder / "cases")
    train = data.subset([0])
    validation = data.subset([1])
    steps: list[int] = []
    with listening(lambda _name, step, _n_steps: steps.append(step)):
        expected = weights_of(clone(segmenter).fit(train, validation=validation))
    n_steps = len(steps)
    for moment in sorted({2, n_steps // 2 + 1, n_steps}):
        workspace = folder / f"killed-{moment}"
        with eager_checkpoints(), killing(moment):
            clone(segmenter).fit(train, validation=validation, workspace=workspace)
        steps.clear()
        with listening(lambda _name, step, _n_steps: steps.append(step)):
            continued = clone(segmenter).fit(train, validation=validation, workspace=workspace)
        assert weights_of(continued) == expected, f"different weights after a kill at step {moment}"
        assert len(steps) == n_steps - moment + 1, "The fit started over instead of resuming."


def check_unfitted(segmenter: AnySegmenter, folder: Path) -> None:
    """Nothing can be segmented or saved before `fit`."""
    images, _, mask = toy_brains(folder / "cases").arrays(0)
    unfitted = clone(segmenter)
    check_not_fitted(
        lambda: unfitted.predict(images, mask),
        lambda: unfitted.probabilities(images, mask),
        lambda: unfitted.save(folder / "model"),
    )


def check_bad_input(segmenter: AnySegmenter, folder: Path) -> None:
    """Every kind of bad input is refused with a specific message before anything is trained."""
    data = toy_brains(folder / "cases")
    fitted, (images, _, mask) = _fitted(segmenter, folder)
    renamed = data.merged({f"class {code}": (code,) for code in range(K)})
    shape = (4, 16, 16)
    empty = volumes_of(
        [np.zeros(shape, np.uint8)], folder / "empty", k=K, masks=[np.zeros(shape, bool)]
    )
    actions: tuple[Callable[[], object], ...] = (
        lambda: fitted.predict(images[:1], mask),
        lambda: fitted.predict(images[0], mask),
        lambda: fitted.predict(images, mask[:2]),
        lambda: fitted.predict(images, mask.astype(np.uint8)),
        lambda: clone(segmenter).fit(data, validation=renamed),
        lambda: clone(segmenter).set_params(device="cuda:99").fit(data),
        lambda: clone(segmenter).fit(empty),
        lambda: type(segmenter).load(folder / "nowhere", device="cpu"),
    )
    messages = [refusal(action) for action in actions]
    assert len(set(messages)) == len(messages), messages
    assert refusal(lambda: clone(segmenter).fit(data.subset([])))


SEGMENTER_CHECKS: tuple[Callable[[Any, Path], None], ...] = (
    check_codes,
    check_probabilities,
    check_map_follows_the_probabilities,
    check_seed,
    check_input_is_not_written,
    check_global_randomness,
    check_saved,
    check_killed_and_continued,
    check_unfitted,
    check_bad_input,
)


def weights_of(fitted: AnySegmenter) -> dict[str, bytes]:
    """Return the weights of a segmenter, or of both stages of a cascade, as bytes by name."""
    if isinstance(fitted, CascadeSegmenter):
        stages = {"detect": fitted.detect_, "divide": fitted.divide_}
    else:
        stages = {"": fitted}
    weights = {}
    for stage, segmenter in stages.items():
        for name, tensor in segmenter.network_.state_dict().items():
            weights[f"{stage} {name}"] = tensor.cpu().numpy().tobytes()
    return weights


def _fitted(
    segmenter: AnySegmenter, folder: Path
) -> tuple[Any, tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
    """Return a fitted copy, and the arrays of a case that it was not trained on."""
    data = toy_brains(folder / "cases")
    return clone(segmenter).fit(data.subset([0]), validation=data.subset([1])), data.arrays(1)


def _contents(data: VolumeDataset) -> dict[str, bytes]:
    contents = {}
    for volume in data.volumes:
        for file in sorted(volume.folder.iterdir()):
            contents[f"{volume.id} {file.name}"] = file.read_bytes()
    return contents
