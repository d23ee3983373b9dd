"""`check_regime`: everything that is wrong with how a run was trained and tested."""

from collections.abc import Iterator

from equipoise.results.comparison import FEWEST_PATIENTS
from equipoise.results.phrases import agrees, listed
from equipoise.results.records import Results
from equipoise.results.reference import (
    LABELS,
    OWN_NETWORK,
    ReferenceGain,
    ReferenceResults,
    read_reference,
)
from equipoise.results.regime.areas import CHANCE, area_of_rare, below_chance, validation_above_test
from equipoise.results.regime.degenerate import constant_scores, one_class_called
from equipoise.results.regime.learning import unsettled_fits
from equipoise.results.regime.volumes import few_cases, never_segmented
from equipoise.results.regime.warning import (
    RegimeWarning,
    by_options,
    is_frozen,
    most_serious_first,
    other_training,
    with_one_number,
)
from equipoise.runs.description import SEGMENTATION, StudyDescription
from equipoise.runs.run import Run

# With 10 patients one of them moves the recall of the class by 0.1.
FEW_PATIENTS = 10


def check_regime(run: Run, results: Results) -> tuple[RegimeWarning, ...]:
    """Check how the methods of a run were trained and tested, from its stored files.

    Args:
        run: The run, complete or not. Its reference is compared where it was gathered.
        results: Its results.

    Returns:
        What is wrong, the most serious first; empty where nothing is, or nothing has finished.
    """
    if not run.finished:
        return ()
    if results.task == SEGMENTATION:
        found = [*never_segmented(run.volumes), *few_cases(run.volumes), *unsettled_fits(run)]
    else:
        found = [*check_images(run, results)]
    return most_serious_first(with_one_number(found, run.description))


def check_images(run: Run, results: Results) -> Iterator[RegimeWarning]:
    """Yield what is wrong with a run on images."""
    images = run.images
    at_random: set[str] = set()  # methods whose scores do not rank images
    for warning in constant_scores(images):
        at_random.update(warning.methods)
        yield warning
    yield from below_chance(images, ignored=at_random)
    yield from few_patients(results, run.description)
    yield from validation_above_test(images)
    yield from unsettled_fits(run)
    reference = read_reference(run.folder)
    if reference is not None:
        yield from below_reference(reference, results, run.description)
    for method in images.methods:
        area = area_of_rare(images, method)
        if area is None or area.interval[0] < CHANCE:
            at_random.add(method)
    yield from one_class_called(images, results, ignored=at_random)


def few_patients(results: Results, description: StudyDescription) -> Iterator[RegimeWarning]:
    """Yield which classes have fewer than `FEW_PATIENTS` test patients over all splits."""
    few = {}
    for name, n in zip(results.class_names, results.test_patients, strict=True):
        if n < FEW_PATIENTS:
            few[name] = n
    if not few:
        return
    unit = results.unit
    counts = [f"{name} has {n}" for name, n in few.items()]
    more = f"add {unit}s of {agrees(len(few), 'this class', 'these classes')}"
    n_images = dict(zip(results.class_names, description.dataset.counts, strict=True))
    hopeless = [name for name in few if n_images[name] < FEWEST_PATIENTS]
    if hopeless:
        more += f", or leave {listed(hopeless)} out: no number of splits can show a difference"
    elif sum(results.test_patients) < description.dataset.n_groups:
        more += ", or test more of them with more splits"
    yield RegimeWarning(
        kind="few patients",
        unusable=description.method_names if min(few.values()) < FEWEST_PATIENTS else (),
        numbers={f"test patients of {name}": n for name, n in few.items()},
        problem=f"over all splits {listed(counts)} test "
        f"{unit if list(few.values())[-1] == 1 else unit + 's'}, and with fewer than "
        f"{FEW_PATIENTS} only very large differences show",
        change=more,
    )


def below_reference(
    reference: ReferenceResults, results: Results, description: StudyDescription
) -> Iterator[RegimeWarning]:
    """Yield that a simple reference ranks better than the baseline, or than every method.

    Of several such references, the one with the largest difference is named.
    """
    beating: list[ReferenceGain] = []
    for gain in reference.gains:
        if gain.method == results.baseline and gain.beaten:
            beating.append(gain)
    if not beating:
        return
    best = max(beating, key=lambda gain: gain.difference)
    gains = [gain for gain in reference.gains if gain.features == best.features]
    beaten = tuple(gain.method for gain in gains if gain.beaten)
    yield RegimeWarning(
        kind="below the reference",
        methods=beaten,
        numbers={"difference": best.difference, "low": best.low},
        problem=reference_in_words(best, every=1 < len(gains) == len(beaten)),
        change=_instead(best, description),
    )


def _instead(best: ReferenceGain, description: StudyDescription) -> str:
    """Advise what to change where a reference ranks better than the baseline."""
    if is_frozen(description) and best.features == OWN_NETWORK:
        without = "--augmentation none" if by_options(description) else "augmentation='none'"
        return (
            "the reference has the same network, so the head is at fault: compare class_weights, "
            f"and one view ({without})"
        )
    return other_training(description)


def reference_in_words(gain: ReferenceGain, *, every: bool) -> str:
    """Say by how much a reference ranks better than the baseline."""
    whom = "every method" if every else gain.method
    return (
        f"a logistic regression on {LABELS[gain.features]} ranks test images better than {whom} "
        f"(AUROC {gain.reference:.2f} against {gain.auroc:.2f} of {gain.method}, "
        f"{gain.difference:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}])"
    )
