"""Many classes of cells: which of them does a rebalancing help, and which does it cost?"""

from pathlib import Path

import equipoise as eq

FOLDER = Path("runs/many_class_cells")


def main() -> None:
    # 1. Your images: eq.read("cells/", size=96), with a folder for each class. Here they are drawn.
    cells = eq.data.cells((150, 60, 40, 40), size=32, seed=0)

    # 2. With more than two classes the verdict lets every method add an offset to each class.
    study = eq.plan(
        cells,
        name="Four grades of cells",
        methods=("none", "balanced_softmax", "oversampling"),
        n_splits=3,
        n_seeds=1,
        regime="frozen",
        network="small_cnn",
        pretrained="random",  # with real cells: leave network and pretrained out
        augmentation="cell",  # color means something: any angle and flip, nothing else
    )
    run = eq.run(study, FOLDER, executor=eq.InProcess())

    # 3. Recall of each class, by method.
    results = eq.summarize_run(run)
    print(*results.verdict, sep="\n")
    for method in results.methods:
        recalls = [f"{row.name} {row.recall:.2f}" for row in method.per_class]
        print(f"{method.method:<17}", ", ".join(recalls))


if __name__ == "__main__":
    main()
