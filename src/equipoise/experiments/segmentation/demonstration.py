"""The study of `equipoise demo --task segmentation`: drawn brains, small enough for minutes on two cores."""

from dataclasses import replace
from pathlib import Path

from equipoise.data.brain_phantom import write_brains
from equipoise.data.volume_reading import read_volumes
from equipoise.data.volume_source import VolumeOptions
from equipoise.experiments.segmentation.methods import VolumeBudget
from equipoise.experiments.segmentation.plan import VolumeProtocol, plan_volume_study
from equipoise.experiments.study import Study

N_PATIENTS = 8
PROTOCOL = VolumeProtocol(
    methods=("random", "balanced", "hard_example", "balanced_corrected"), n_seeds=1, n_folds=4
)
BUDGET = VolumeBudget(n_steps=300, epoch_steps=50, batch_size=60, patch_size=32, learning_rate=2e-3)
NOTE = "These brains are drawn, not taken: nothing here says anything about medicine."


def demo_volume_study(out: Path) -> Study:
    """Draw the patients into `out`/volumes, as NIfTI files, and make the study of them."""
    folder = write_brains(out / "volumes", N_PATIENTS, side=64, depth=24, seed=0)
    loaded = read_volumes(
        folder, VolumeOptions(labels="brats2013", groups=r"patient-\d+", cache=out / "workspace" / "prepared")
    )
    facts = {"command": "equipoise demo --task segmentation"}
    loaded = replace(loaded, notes=(NOTE, *loaded.notes))
    return plan_volume_study(loaded, PROTOCOL, BUDGET, name="Demo: drawn brain tumors", facts=facts)
