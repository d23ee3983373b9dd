"""What every segmenter must obey, as functions that raise AssertionError.

Write one test for your own segmenter and get all of them:

    @pytest.mark.parametrize("check", SEGMENTER_CHECKS, ids=lambda check: check.__name__)
    def test_contract(check, tmp_path):
        check(MySegmenter(n_steps=4), tmp_path)

It should take at least two optimizer steps, or nothing can be killed.
"""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.estimators.cascade import CascadeSegmenter
from equipoise.estimators.segmenter import Segmenter
from equipoise.exceptions import DataError, SettingError
from equipoise.testing.killing import eager_checkpoints, killing
from equipoise.testing.volumes import volumes_of
from equipoise.training.progress import listening

AnySegmenter = Segmenter | CascadeSegmenter
K = 4  # healthy tissue and three parts of a tumor
SHAPE = (3, 14, 12)


def toy_brains(folder: Path, n: int = 2) -> VolumeDataset:
    """Write n cases (c=2, z=3, y=14, x=12): a tumor of three parts, brighter than the tissue around it."""
    codes = np.zeros(SHAPE, dtype=np.int64)
    codes[1:, 3:10, 3:9], codes[1:, 4:8, 4:8], codes[2, 5:7, 5:7] = 1, 2, 3
    mask = np.zeros(SHAPE, dtype=bool)
    mask[:2, 1:-1, 1:-1], mask[2, 2:-2, 2:-2] = True, True
    return volumes_of([np.roll(codes, i, axis=2) for i in range(n)], folder, k=K, masks=[mask] * n)


def check_codes(segmenter: AnySegmenter, folder: Path) -> None:
    """A map has one code for each voxel, below k and 0 outside the mask; one without any brain will do."""
    fitted, (images, _, mask) = _fitted(segmenter, folder)
    codes = fitted.predict(images, mask)
    assert (codes.shape, codes.dtype) == (mask.shape, np.uint8)
    assert codes.max() < K
    assert not codes[~mask].any(), "expected 0 outside the mask"
    assert not fitted.predict(images, np.zeros_like(mask)).any(), (
        "expected 0 where there is no brain"
    )


def check_probabilities(segmenter: AnySegmenter, folder: Path) -> None:
    """Chances of the k classes are at least 0 and sum to 1; outside the mask class 0 has all, inside none has."""
    fitted, (images, _, mask) = _fitted(segmenter, folder)
    chances = fitted.probabilities(images, mask)
    assert (chances.shape, chances.dtype) == ((K, *mask.shape), np.float32)
    assert chances.min() >= 0
    np.testing.assert_allclose(chances.sum(axis=0), 1, atol=1e-6)
    assert (chances[0, ~mask] == 1).all(), "expected class 0 outside the mask"
    assert (chances[:, mask] < 1).all(), "a network is sure"


def check_map_follows_the_probabilities(segmenter: AnySegmenter, folder: Path) -> None:
    """Where a voxel is not healthy, it is of the likeliest of the other classes."""
    fitted, (images, _, mask) = _fitted(segmenter, folder)
    codes, chances = fitted.predict(images, mask), fitted.probabilities(images, mask)
    part = codes > 0
    np.testing.assert_array_equal(codes[part], 1 + chances[1:, part].argmax(axis=0))


def check_seed(segmenter: AnySegmenter, folder: Path) -> None:
    """The same seed gives the same weights, bit for bit; another seed does not."""
    first, second = (_fitted(segmenter, folder)[0] for _ in range(2))
    other = _fitted(clone(segmenter).set_params(seed=1), folder)[0]
    assert weights_of(first) == weights_of(second)
    assert weights_of(first) != weights_of(other)


def check_input_is_not_written(segmenter: AnySegmenter, folder: Path) -> None:
    """Arrays that cannot be written, such as memory maps, will do, and the files of the cases stay as they are."""
    before = _contents(toy_brains(folder / "cases"))
    fitted, (images, _, mask) = _fitted(segmenter, folder)
    mask.flags.writeable = False
    assert not images.flags.writeable
    fitted.predict(images, mask)
    fitted.probabilities(images, mask)
    assert _contents(toy_brains(folder / "cases")) == before


def check_global_chance(segmenter: AnySegmenter, folder: Path) -> None:
    """The random states of torch, NumPy and Python are as before."""
    before = _chance()
    fitted, (images, _, mask) = _fitted(segmenter, folder)
    fitted.predict(images, mask)
    assert _chance() == before


def check_saved(segmenter: AnySegmenter, folder: Path) -> None:
    """A saved and loaded segmenter gives the same chances and maps, and knows its classes."""
    fitted, (images, _, mask) = _fitted(segmenter, folder)
    fitted.save(folder / "model")
    loaded = type(segmenter).load(folder / "model", device="cpu")
    np.testing.assert_array_equal(
        loaded.probabilities(images, mask), fitted.probabilities(images, mask)
    )
    np.testing.assert_array_equal(loaded.predict(images, mask), fitted.predict(images, mask))
    for name in ("class_names_", "modalities_", "regions_", "tau_", "notes_", "seconds_"):
        assert getattr(loaded, name) == getattr(fitted, name), f"{name} was not kept"


def check_killed_and_continued(segmenter: AnySegmenter, folder: Path) -> None:
    """A fit that is killed at any step and started again ends in the same weights, bit for bit."""
    data = toy_brains(folder / "cases")
    train, held = data.subset([0]), data.subset([1])
    steps: list[int] = []
    with listening(lambda _name, step, _n_steps: steps.append(step)):
        expected = weights_of(clone(segmenter).fit(train, validation=held))
    n_steps = len(steps)
    for moment in sorted({2, n_steps // 2 + 1, n_steps}):
        workspace = folder / f"killed-{moment}"
        with eager_checkpoints(), killing(moment):
            clone(segmenter).fit(train, validation=held, workspace=workspace)
        steps.clear()
        with listening(lambda _name, step, _n_steps: steps.append(step)):
            continued = clone(segmenter).fit(train, validation=held, workspace=workspace)
        assert weights_of(continued) == expected, f"other weights after a kill at step {moment}"
        assert len(steps) == n_steps - moment + 1, "The fit started anew instead of going on."


def check_unfitted(segmenter: AnySegmenter, folder: Path) -> None:
    """Nothing can be segmented or saved before `fit`."""
    images, _, mask = toy_brains(folder / "cases").arrays(0)
    new = clone(segmenter)
    asks: tuple[Callable[[], object], ...] = (
        lambda: new.predict(images, mask),
        lambda: new.probabilities(images, mask),
        lambda: new.save(folder / "model"),
    )
    for ask in asks:
        try:
            ask()
        except NotFittedError as error:
            assert "fit" in str(error)  # noqa: PT017 (no pytest here: third parties may use another runner)
        else:
            raise AssertionError("Expected NotFittedError before fit.")


def check_bad_input(segmenter: AnySegmenter, folder: Path) -> None:
    """Each bad input has a message of its own; what is bad is seen before anything is trained."""
    data = toy_brains(folder / "cases")
    fitted, (images, _, mask) = _fitted(segmenter, folder)
    renamed = data.merged({f"class {code}": (code,) for code in range(K)})
    shape = (4, 16, 16)
    empty = volumes_of(
        [np.zeros(shape, np.uint8)], folder / "empty", k=K, masks=[np.zeros(shape, bool)]
    )
    asks: tuple[Callable[[], object], ...] = (
        lambda: fitted.predict(images[:1], mask),
        lambda: fitted.predict(images[0], mask),
        lambda: fitted.predict(images, mask[:2]),
        lambda: fitted.predict(images, mask.astype(np.uint8)),
        lambda: clone(segmenter).fit(data, validation=renamed),
        lambda: clone(segmenter).set_params(device="cuda:99").fit(data),
        lambda: clone(segmenter).fit(empty),
        lambda: type(segmenter).load(folder / "nowhere", device="cpu"),
    )
    messages = [_refusal(ask) for ask in asks]
    assert len(set(messages)) == len(messages), messages
    assert _refusal(lambda: clone(segmenter).fit(data.subset([])))


SEGMENTER_CHECKS: tuple[Callable[[Any, Path], None], ...] = (
    check_codes,
    check_probabilities,
    check_map_follows_the_probabilities,
    check_seed,
    check_input_is_not_written,
    check_global_chance,
    check_saved,
    check_killed_and_continued,
    check_unfitted,
    check_bad_input,
)


def weights_of(fitted: AnySegmenter) -> dict[str, bytes]:
    """Give all weights of a fitted segmenter, or of both stages of a cascade, as bytes by name."""
    if isinstance(fitted, CascadeSegmenter):
        stages = {"detect": fitted.detect_, "divide": fitted.divide_}
    else:
        stages = {"": fitted}
    return {
        f"{stage} {name}": tensor.cpu().numpy().tobytes()
        for stage, segmenter in stages.items()
        for name, tensor in segmenter.network_.state_dict().items()
    }


def _fitted(
    segmenter: AnySegmenter, folder: Path
) -> tuple[Any, tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
    """Fit a copy, and give it with a case that it has not learned from."""
    data = toy_brains(folder / "cases")
    return clone(segmenter).fit(data.subset([0]), validation=data.subset([1])), data.arrays(1)


def _contents(data: VolumeDataset) -> dict[str, bytes]:
    return {
        f"{volume.id} {file.name}": file.read_bytes()
        for volume in data.volumes
        for file in sorted(volume.folder.iterdir())
    }


def _refusal(ask: Callable[[], object]) -> str:
    """Return the message with which something is refused."""
    try:
        ask()
    except (DataError, SettingError) as error:
        return str(error)
    raise AssertionError("Expected DataError or SettingError.")


def _chance() -> tuple[object, ...]:
    numpy_state = np.random.get_state()  # noqa: NPY002 (the global state is what is looked at)
    return random.getstate(), str(numpy_state), torch.get_rng_state().numpy().tobytes()
