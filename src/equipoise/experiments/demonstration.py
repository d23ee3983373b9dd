"""The study of `equipoise demo`: five methods on drawn cells, small enough for minutes on two cores."""

from equipoise.data.duplicates import find_duplicates
from equipoise.data.phantoms import cells
from equipoise.data.splits import hold_out
from equipoise.experiments.method import Budget
from equipoise.experiments.methods import build_methods
from equipoise.experiments.plan import DEFAULT_METHODS
from equipoise.experiments.study import Study

COUNTS = (600, 100)  # normal and abnormal cells
BUDGET = Budget(n_steps=400, gan_steps=300, gan_channels=32, augmentation="cell")


def demo_study() -> Study:
    """Make the demo's study: the default methods on four patient-grouped splits."""
    dataset = cells(COUNTS, size=32, seed=0)
    return Study(
        name="Demo: drawn cervical cells",
        dataset=dataset,
        splits=hold_out(dataset, n_splits=4, seed=0),
        methods=build_methods(DEFAULT_METHODS, BUDGET),
        seeds=(0,),
        duplicates=find_duplicates(dataset),
        facts={
            "command": "equipoise demo",
            "notes": ["These images are drawn, not taken: nothing here says anything about medicine."],
        },
    )
