"""Two classes, several films of a patient: does any cheap rebalancing help?"""

from pathlib import Path

import equipoise as eq

FOLDER = Path("runs/two_class_films")


def main() -> None:
    # 1. Your images: eq.read("films/", size=64, groups=r"patient(\d+)"). Here they are drawn.
    films = eq.data.chest_films((240, 40), size=32, seed=0)

    # 2. What is compared. All methods share patients, splits and budget; the first is the baseline.
    study = eq.plan(
        films,
        name="Two kinds of films",
        methods=("none", "class_weights", "oversampling"),
        n_splits=4,
        n_seeds=1,
        regime="frozen",  # heads on features that are computed once
        network="small_cnn",
        pretrained="random",  # with real films: leave network and pretrained out
    )

    # 3. Cells, tables, evidence and report.html; the same command continues a run that was ended.
    run = eq.run(study, FOLDER, executor=eq.InProcess())

    # 4. The verdict in words, and the table behind it.
    summary = eq.summarize_run(run)
    print(*summary.verdict, sep="\n")
    for method in summary.methods:
        area = method.metrics["auroc"]
        print(f"{method.method:<14} AUROC {area.mean:.3f} +- {area.sd:.3f}")


if __name__ == "__main__":
    main()
