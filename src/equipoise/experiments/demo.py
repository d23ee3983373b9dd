"""The studies of `equipoise demo`: drawn cells or brains, small enough for minutes on two cores."""

from dataclasses import replace
from pathlib import Path

from equipoise.data.images.options import Loaded
from equipoise.data.phantoms.brains import write_brains
from equipoise.data.phantoms.datasets import cells
from equipoise.data.reading import read_volumes
from equipoise.data.volumes.options import VolumeOptions
from equipoise.experiments.image_plan import plan_study, thinned
from equipoise.experiments.protocol import (
    CHEAP_METHODS,
    FROZEN,
    Budget,
    Protocol,
    VolumeBudget,
    VolumeProtocol,
)
from equipoise.experiments.study import Study
from equipoise.experiments.volume_plan import plan_volume_study
from equipoise.runs.reading import DEMO, Reading

COUNTS = (800, 400)  # normal and abnormal cells
RARE_IN_TRAINING = 20  # abnormal cells that train; the others test
SIZE = 32  # px
NAME = "Demo: drawn cervical cells"
FEWEST_SPLITS = 4  # where the machine is too slow for a plan
PROTOCOL = Protocol(methods=(*CHEAP_METHODS, "replay", "dcgan"), n_seeds=1, n_splits=FEWEST_SPLITS)
BUDGET = Budget(  # nothing is downloaded, so the features are those of an untrained network
    regime=FROZEN,
    network="small_cnn",
    pretrained="random",
    augmentation="cell",
    gan_steps=200,
    gan_channels=16,
)
NOTES = (
    "These images are drawn, not taken: nothing here says anything about medicine.",
    f"Chosen to have a known effect: only {RARE_IN_TRAINING} abnormal cells train (hundreds are "
    "tested), and a GAN that is trained briefly on so few draws unlike ones, from which a "
    "classifier learns the wrong thing.",
)

N_PATIENTS = 8
VOLUME_PROTOCOL = VolumeProtocol(
    methods=("random", "balanced", "hard_example", "balanced_corrected"), n_seeds=1, n_folds=4
)
VOLUME_BUDGET = VolumeBudget(
    n_steps=300, epoch_steps=50, batch_size=60, patch_size=32, learning_rate=2e-3
)
VOLUME_NOTE = "These brains are drawn, not taken: nothing here says anything about medicine."


def demo_images() -> Loaded:
    """Draw the cells of the demo."""
    return Loaded(dataset=cells(COUNTS, size=SIZE, seed=0), notes=NOTES)


def demo_study() -> Study:
    """Plan the study of drawn cells with the fewest splits."""
    facts = {"command": "equipoise demo"}
    return rare_in_training(plan_study(demo_images(), PROTOCOL, BUDGET, name=NAME, facts=facts))


def rare_in_training(study: Study) -> Study:
    """Keep `RARE_IN_TRAINING` abnormal training cells of every split of the demo."""
    _, abnormal = study.images.class_names
    return replace(thinned(study, {abnormal: RARE_IN_TRAINING}), reading=Reading(source=DEMO))


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
