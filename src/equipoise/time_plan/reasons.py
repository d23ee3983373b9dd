"""Why a plan has its methods, splits and seeds, in words."""

from equipoise.time_plan.choosing import GAIN, GENERATOR, Options, StudyChoice
from equipoise.time_plan.plan import FixedChoices

NO_SEED_NOISE = "what splits add shrinks a difference's error more than seeds"


def plan_reasons(
    choice: StudyChoice, options: Options, fixed: FixedChoices, no_generator: str
) -> dict[str, str]:
    """Return {choice: why} for methods, splits and seeds."""
    return {
        "methods": _methods_reason(choice, options, no_generator),
        "splits": _splits_reason(choice, options, fixed),
        "seeds": _seeds_reason(choice, options, fixed),
    }


def _methods_reason(choice: StudyChoice, options: Options, no_generator: str) -> str:
    if not options.droppable:
        return "named (--methods)"
    left_out = [name for name in options.methods if name not in choice.methods]
    if left_out:
        return f"no time for {', '.join(left_out)}"
    if GENERATOR in choice.methods:
        return f"cheap controls, and {GENERATOR} with its control, for which there is time"
    return f"cheap controls; {no_generator or f'they leave too little time for {GENERATOR}'}"


def _splits_reason(choice: StudyChoice, options: Options, fixed: FixedChoices) -> str:
    if options.seeds_are_units:
        return "one test set" if fixed.n_splits is None else "named (--splits)"
    if fixed.n_splits is not None:
        return "named (--splits)"
    return _enough(choice, "splits", options.most)


def _seeds_reason(choice: StudyChoice, options: Options, fixed: FixedChoices) -> str:
    if fixed.n_seeds is not None:
        return "named (--seeds)"
    if options.seeds_are_units:
        return _enough(choice, "seeds", options.most)
    return NO_SEED_NOISE


def _enough(choice: StudyChoice, units: str, most: int) -> str:
    if not choice.affordable:
        return "those of the pilot, which has used up the time"
    if choice.n_units < choice.affordable:
        return (
            f"up to {choice.affordable} fit the time, but more than {choice.n_units} {units} "
            f"shrink the detectable difference by less than {100 * GAIN:.0f} %"
        )
    if choice.n_units >= most:
        return f"no more {units} are drawn for such a time"
    return f"as many {units} as the time allows"
