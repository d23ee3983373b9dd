"""Plan how a study fits into memory: fewer workers, then smaller pieces of a batch, or refusal."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from imblearn.pipeline import Pipeline
from sklearn.base import clone

from equipoise.exceptions import SettingError
from equipoise.experiments.running.available_memory import GIB, copies_within, gib
from equipoise.experiments.running.memory_need import (
    MethodNeed,
    data_bytes,
    method_needs,
    volume_needs,
)
from equipoise.experiments.running.protocols import Executor
from equipoise.experiments.study import Study
from equipoise.runs.store import RunStore

PROCESS = 0.7 * GIB  # of a worker: Python, torch and its buffers
USABLE = 0.9  # share of the available memory that a study may use
AMPLE = 2 * GIB  # for a worker; with more, small images are not measured
FREE, BOUND = "of free memory", "of --max-memory"  # what a study has to fit into
SMALL_SIDE, SMALL_BATCH = 64, 64  # px and images of a classifier that needs far less
SMALL_GENERATED = 128  # px of images whose generators need far less
PIECE = "micro_batch_size"  # parameter of a classifier: images that pass at once

Needs = Mapping[str, MethodNeed]


@dataclass(frozen=True, kw_only=True)
class MemoryPlan:
    """How a study fits into memory.

    Attributes:
        n_workers: Cells that share the memory of a machine, or of a GPU.
        piece_size: Images that pass through a classifier at once; None for whole batches.
        sentences: What was changed and why; empty where all fits.
    """

    n_workers: int
    piece_size: int | None = None
    sentences: tuple[str, ...] = ()


def fit_to_memory(
    study: Study,
    executor: Executor,
    store: RunStore,
    *,
    device: str = "cpu",
    available: Callable[[str], int] | None = None,
) -> tuple[Study, Executor, MemoryPlan]:
    """Change a study and its executor where they would need more memory than there is.

    A study that fits is returned as it is. Fewer workers change no result; smaller pieces change
    the statistics of batch norms, so they are the same for all methods, and a run that was begun
    with pieces continues with them.

    Args:
        study: The study.
        executor: Where its cells are trained.
        store: The run folder.
        device: Device of the training.
        available: Returns the free bytes of a device; those of the executor where None. Of these
            `USABLE` count, and no more than the executor's `max_memory`.

    Raises:
        SettingError: Not even one image at a time fits; names what would.
    """
    n_workers = executor.n_sharing
    stored = stored_piece_size(store)
    free, room = USABLE * (available or executor.free_memory)(device), FREE
    if executor.max_memory is not None and executor.max_memory < free:
        free, room = executor.max_memory, BOUND
    if study.task == "segmentation":
        needs, side, option = volume_needs(study), patch_side_of(study), "--patch-size"
    else:
        side, option = side_of(study), "--size"
        with copies_within(executor.max_memory):
            if stored is None and is_ample(study, free / n_workers):
                return study, executor, MemoryPlan(n_workers=n_workers)
            generators = side > SMALL_GENERATED or free / n_workers < AMPLE
            needs = method_needs(study, generators=generators)
    shared = " on each GPU" if n_workers < executor.n_on_machine else ""
    plan = plan_memory(
        needs,
        n_workers=n_workers,
        free=free,
        side=side,
        stored=stored,
        option=option,
        shared=shared,
        room=room,
    )
    if plan.n_workers < n_workers:
        executor = executor.limited(plan.n_workers)
    if plan.piece_size is not None:
        study = in_pieces(study, plan.piece_size)
    if plan.sentences:
        study = replace(study, facts={**study.facts, "memory": list(plan.sentences)})
    return study, executor, plan


def is_ample(study: Study, free: float) -> bool:
    """Return whether images and batches are so small that a worker surely has enough memory.

    Args:
        study: A study of images.
        free: Bytes for a worker.
    """
    for method in study.methods.values():
        classifier = method.steps[-1][1]
        if getattr(classifier, "batch_size", 0) > SMALL_BATCH:
            return False
        if data_bytes(study, method) > free / 4:
            return False
    return side_of(study) <= SMALL_SIDE and free >= AMPLE


def plan_memory(
    needs: Needs,
    *,
    n_workers: int,
    free: float,
    side: int,
    stored: int | None = None,
    option: str = "--size",
    shared: str = "",
    room: str = FREE,
) -> MemoryPlan:
    """Choose the most workers that fit; with one, the largest piece of a batch that fits.

    Args:
        needs: Memory of a cell, by method.
        n_workers: Most workers.
        free: Bytes for all workers.
        side: Of the images, or of the patches, in px, for the message.
        stored: Images in a piece with which the run was begun; None for whole batches.
        option: The option that sets `side`, for the message.
        shared: Where the workers share the memory, " on each GPU", for the sentences.
        room: What `free` is, for the sentences: `FREE` or `BOUND`.

    Raises:
        SettingError: A method does not fit; names what would.

    Example:
        >>> from equipoise.experiments.running.memory_need import StepNeed
        >>> step = StepNeed(fixed=0, per_image=GIB, batch_size=32, divisible=True)
        >>> needs = {"none": MethodNeed(data=0, steps=(step,))}
        >>> plan_memory(needs, n_workers=2, free=100 * GIB, side=512).n_workers
        2
        >>> plan_memory(needs, n_workers=2, free=50 * GIB, side=512).n_workers
        1
        >>> plan_memory(needs, n_workers=2, free=12 * GIB, side=512).piece_size
        8
    """

    def peak(piece: int | None) -> float:
        return PROCESS + max(need.bytes_at(piece) for need in needs.values())

    n_fitting = min(n_workers, int(free // peak(stored)))
    if n_fitting >= 1:
        sentences = []
        if n_fitting < n_workers:
            sentences.append(
                workers_sentence(needs, n_fitting, n_workers, f"{gib(free)} {room}", shared)
            )
        if stored is not None:
            sentences.append(pieces_sentence(stored))
        return MemoryPlan(n_workers=n_fitting, piece_size=stored, sentences=tuple(sentences))
    fitting = [piece for piece in pieces_of(needs) if peak(piece) <= free]
    if stored is None and fitting:
        sentences = [pieces_sentence(fitting[0])]
        if n_workers > 1:
            sentences.insert(
                0, workers_sentence(needs, 1, n_workers, f"{gib(free)} {room}", shared)
            )
        return MemoryPlan(n_workers=1, piece_size=fitting[0], sentences=tuple(sentences))
    raise SettingError(refusal_sentence(needs, free, side, option, room))


def pieces_of(needs: Needs) -> list[int]:
    """Return the halves of the largest batch that can be divided, down to 2 images."""
    batch_sizes = [0]
    for need in needs.values():
        batch_sizes += [step.batch_size for step in need.steps if step.divisible]
    return halves(max(batch_sizes))


def halves(batch_size: int) -> list[int]:
    """Return half of a batch, a quarter, and so on, down to 2 images.

    >>> halves(12)
    [6, 3, 2]
    """
    pieces = []
    while batch_size > 2:
        batch_size = max(2, batch_size // 2)
        pieces.append(batch_size)
    return pieces


def workers_sentence(needs: Needs, n: int, requested: int, room: str, shared: str) -> str:
    """Return why there are fewer workers than requested."""
    name = largest_need(needs, None)
    need = PROCESS + needs[name].bytes_at()
    workers = "1 worker" if n == 1 else f"{n} workers"
    return (
        f"{workers}{shared} instead of {requested}: a cell of {name} needs about {gib(need)} "
        f"of the {room}. Results do not depend on it."
    )


def pieces_sentence(piece: int) -> str:
    """Return what pieces of a batch change."""
    return (
        f"In every method, a batch passes through the classifier {piece} images at a time, because "
        f"memory is short: batch norms see {piece} images at once instead of the whole batch. "
        "With a smaller --size whole batches fit."
    )


def refusal_sentence(needs: Needs, free: float, side: int, option: str, room: str) -> str:
    """Return the message for a method that does not fit, with the side that would."""
    name = largest_need(needs, 2)
    need = needs[name]
    divisible = any(step.divisible for step in need.steps)
    pieces = " and the smallest pieces of a batch" if divisible else ""
    fitting = fitting_side(need, free, side)
    more = "raise --max-memory" if room == BOUND else "use a machine with more memory"
    remedy = f"Leave it out of --methods, or {more}"
    if fitting >= 16:
        remedy = f"Use {option} {fitting}, leave it out of --methods, or {more}"
    return (
        f"Expected methods that fit into the {gib(free)} {room}, got {name}, which needs "
        f"about {gib(PROCESS + need.bytes_at(2))} at {side} px even with one worker{pieces}. "
        f"{remedy}."
    )


def fitting_side(need: MethodNeed, free: float, side: int) -> int:
    """Return the largest multiple of 16 px at which a method fits; 0 where none does.

    Images and activations grow with the number of pixels.
    """
    for smaller in range(side // 16 * 16, 0, -16):
        share = (smaller / side) ** 2
        steps = tuple(replace(step, per_image=share * step.per_image) for step in need.steps)
        scaled = MethodNeed(data=share * need.data, steps=steps)
        if PROCESS + scaled.bytes_at(2) <= free:
            return smaller
    return 0


def largest_need(needs: Needs, piece: int | None) -> str:
    """Return the method that needs most."""
    return max(needs, key=lambda name: needs[name].bytes_at(piece))


def in_pieces(study: Study, piece_size: int) -> Study:
    """Return the study whose classifiers see `piece_size` images at a time, in every method."""
    methods = {}
    for name, method in study.methods.items():
        copy: Pipeline = clone(method)
        classifier = copy.steps[-1][1]
        if PIECE in classifier.get_params(deep=False) and classifier.batch_size > piece_size:
            classifier.set_params(**{PIECE: piece_size})
        methods[name] = copy
    return replace(study, methods=methods)


def stored_piece_size(store: RunStore) -> int | None:
    """Return the images in a piece with which a run was begun; None for whole batches."""
    if not store.description_path.is_file():
        return None
    for method in store.description().methods:
        piece = method.steps[-1].settings.get(PIECE)
        if isinstance(piece, int):
            return piece
    return None


def side_of(study: Study) -> int:
    """Return the larger side of the images in px."""
    return int(max(study.images.images.shape[2:]))


def patch_side_of(study: Study) -> int:
    """Return the largest side of the patches of a study in px; 1 where none are named."""
    sides = [1]
    for method in study.methods.values():
        for name, value in method.steps[-1][1].get_params(deep=True).items():
            if name.split("__")[-1] == "patch_size":
                sides.append(int(value))
    return max(sides)
