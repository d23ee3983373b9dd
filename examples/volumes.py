"""Volumes: where should training patches come from, if the tumor is a hundredth of the brain?"""

from pathlib import Path

import equipoise as eq

CASES = Path("brains")
FOLDER = Path("runs/volumes")


def main() -> None:
    # 1. Your cases: a folder for each, with its modalities and a label map. Here they are drawn.
    eq.data.write_brains(CASES, 6, side=40, depth=10)

    # 2. Cases are checked, cropped, normalized and cached once; they stay on disk.
    brains = eq.read(CASES, task="segmentation", labels="brats2013", cache="cache")

    # 3. Every patient is segmented by networks that never saw it.
    study = eq.plan(
        brains,
        name="Patches of brains",
        methods=("random", "balanced"),
        n_folds=3,
        n_seeds=1,
        n_steps=30,  # for a real study: 600 or more
        epoch_steps=15,
        batch_size=32,
        patch_size=32,
        width=4,
    )
    run = eq.run(study, FOLDER, executor=eq.InProcess())

    # 4. Dice of each region, by method.
    results = eq.summarize_run(run)
    print(*results.verdict, sep="\n")
    for method in results.methods:
        print(method.method, f"mean Dice {method.metrics['mean_dice'].mean:.2f}")


if __name__ == "__main__":
    main()
