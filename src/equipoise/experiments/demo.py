"""The studies of `equipoise demo`: drawn cells or brains, small enough for minutes on two cores."""

from dataclasses import replace
from pathlib import Path

from equipoise.data.duplicates import find_duplicates
from equipoise.data.phantoms.brains import write_brains
from equipoise.data.phantoms.datasets import cells
from equipoise.data.reading import read_volumes
from equipoise.data.splits import hold_out
from equipoise.data.volumes.options import VolumeOptions
from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.protocol import Budget, Protocol, VolumeBudget, VolumeProtocol
from equipoise.experiments.study import Study
from equipoise.experiments.volume_plan import plan_volume_study
from equipoise.runs.reading import DEMO, Reading

COUNTS = (600, 100)  # normal and abnormal cells
BUDGET = Budget(n_steps=400, gan_steps=300, gan_channels=32, augmentation="cell")
NOTE = "These images are drawn, not taken: nothing here says anything about medicine."

N_PATIENTS = 8
VOLUME_PROTOCOL = VolumeProtocol(
    methods=("random", "balanced", "hard_example", "balanced_corrected"), n_seeds=1, n_folds=4
)
VOLUME_BUDGET = VolumeBudget(
    n_steps=300, epoch_steps=50, batch_size=60, patch_size=32, learning_rate=2e-3
)
VOLUME_NOTE = "These brains are drawn, not taken: nothing here says anything about medicine."


def demo_study() -> Study:
    """Plan the study of drawn cells: the default methods on four splits by patient."""
    dataset = cells(COUNTS, size=32, seed=0)
    return Study(
        name="Demo: drawn cervical cells",
        dataset=dataset,
        splits=hold_out(dataset, n_splits=4, seed=0),
        methods=build_methods(Protocol().methods, BUDGET),
        seeds=(0,),
        duplicates=find_duplicates(dataset),
        facts={"command": "equipoise demo", "notes": [NOTE]},
        reading=Reading(source=DEMO),
    )


def demo_volume_study(out: Path) -> Study:
    """Draw the brains into `out`/volumes, as NIfTI files, and plan the study of them."""
    folder = write_brains(out / "volumes", N_PATIENTS, side=64, depth=24, seed=0)
    cache = out / "workspace" / "prepared"
    options = VolumeOptions(labels="brats2013", groups=r"patient-\d+", cache=cache)
    loaded = read_volumes(folder, options)
    loaded = replace(loaded, notes=(VOLUME_NOTE, *loaded.notes))
    return plan_volume_study(
        loaded,
        VOLUME_PROTOCOL,
        VOLUME_BUDGET,
        name="Demo: drawn brain tumors",
        facts={"command": "equipoise demo --task segmentation"},
    )
