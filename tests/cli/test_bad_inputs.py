"""Bad input: one message that names the file or argument and the fix, no traceback."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from equipoise.cli.app import main

RNG = np.random.default_rng(0)


def picture(path: Path, *, size: tuple[int, int] = (24, 24)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 255, size=size, dtype=np.uint8)).save(path)
    return path


def good_folder(root: Path, n: int = 16) -> Path:
    for name in ("healthy", "ill"):
        for i in range(n):
            picture(root / name / f"p{i:02d}.png")
    return root


def write_table(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def table_rows(root: Path, **changes: str) -> list[dict[str, str]]:
    rows = []
    for name in ("healthy", "ill"):
        for i in range(16):
            rows.append({"file": f"{name}/p{i:02d}.png", "label": name, "patient": f"{name}{i}"})
    rows[3].update(changes)
    return rows


def truncated(root: Path) -> list[str]:
    path = good_folder(root) / "ill" / "broken.png"
    picture(path, size=(200, 200))
    path.write_bytes(path.read_bytes()[:900])
    return [str(root)]


def text_named_png(root: Path) -> list[str]:
    (good_folder(root) / "ill" / "notes.png").write_text("not an image")
    return [str(root)]


def empty_file(root: Path) -> list[str]:
    (good_folder(root) / "ill" / "empty.png").write_bytes(b"")
    return [str(root)]


def empty_class(root: Path) -> list[str]:
    (good_folder(root) / "unsure").mkdir()
    return [str(root)]


def one_class(root: Path) -> list[str]:
    for i in range(8):
        picture(root / "only" / f"p{i}.png")
    return [str(root)]


def class_with_one_image(root: Path) -> list[str]:
    picture(good_folder(root) / "unicorn" / "p.png")
    return [str(root)]


def class_with_two_patients(root: Path) -> list[str]:
    good_folder(root)
    for i in range(6):
        picture(root / "unicorn" / f"q{i % 2}_{i}.png")
    return [str(root), "--groups", r"([pq]\d+)[_.]"]


def duplicate_across_splits(root: Path) -> list[str]:
    good_folder(root)
    for i in range(16):
        source = root / "ill" / f"p{i:02d}.png"
        (root / "ill" / f"copy{i:02d}.png").write_bytes(source.read_bytes())
    return [str(root)]


def one_pixel(root: Path) -> list[str]:
    picture(good_folder(root) / "ill" / "dot.png", size=(1, 1))
    return [str(root)]


def sixteen_bit_among_eight(root: Path) -> list[str]:
    path = good_folder(root) / "ill" / "deep.png"
    Image.fromarray(RNG.integers(0, 60000, size=(24, 24), dtype=np.uint16)).save(path)
    return [str(root)]


def nan_tiff(root: Path) -> list[str]:
    good_folder(root)
    for path in sorted(root.rglob("*.png")):
        image = RNG.random((24, 24)).astype(np.float32)
        Image.fromarray(image).save(path.with_suffix(".tiff"))
        path.unlink()
    image[3, 3] = np.nan
    Image.fromarray(image).save(root / "ill" / "hole.tiff")
    return [str(root)]


def path_leaves_root(root: Path) -> list[str]:
    picture(root.parent / "outside.png")
    table = write_table(good_folder(root) / "t.csv", table_rows(root, file="../outside.png"))
    return [str(root), "--table", str(table)]


def missing_column(root: Path) -> list[str]:
    good_folder(root)
    rows = [{"file": r["file"], "diagnose": r["label"]} for r in table_rows(root)]
    return [str(root), "--table", str(write_table(root / "t.csv", rows))]


def named_column_absent(root: Path) -> list[str]:
    table = write_table(good_folder(root) / "t.csv", table_rows(root))
    return [str(root), "--table", str(table), "--group-column", "patiant"]


def missing_file_in_table(root: Path) -> list[str]:
    table = write_table(good_folder(root) / "t.csv", table_rows(root, file="ill/nowhere.png"))
    return [str(root), "--table", str(table)]


def empty_label(root: Path) -> list[str]:
    table = write_table(good_folder(root) / "t.csv", table_rows(root, label=""))
    return [str(root), "--table", str(table)]


def empty_table(root: Path) -> list[str]:
    (good_folder(root) / "t.csv").write_text("file,label\n")
    return [str(root), "--table", str(root / "t.csv")]


def table_that_is_an_image(root: Path) -> list[str]:
    return [str(good_folder(root)), "--table", str(root / "ill" / "p00.png")]


def missing_table(root: Path) -> list[str]:
    return [str(good_folder(root)), "--table", str(root / "absent.csv")]


def patient_in_two_splits(root: Path) -> list[str]:
    good_folder(root)
    rows = [
        {**r, "patient": r["patient"][-1:], "split": ("train", "test")[i % 2]}
        for i, r in enumerate(table_rows(root))
    ]
    for row in rows:
        row["patient"] = "same" if row["patient"] == "1" else row["file"]
    rows[1]["patient"] = rows[2]["patient"] = "same"
    return [str(root), "--table", str(write_table(root / "t.csv", rows))]


def bad_split_name(root: Path) -> list[str]:
    good_folder(root)
    rows = [{**r, "split": "training day"} for r in table_rows(root)]
    return [str(root), "--table", str(write_table(root / "t.csv", rows))]


def no_such_folder(root: Path) -> list[str]:
    return [str(root / "nowhere")]


def folder_without_images(root: Path) -> list[str]:
    root.mkdir(parents=True, exist_ok=True)
    (root / "readme.txt").write_text("hello")
    return [str(root)]


def wrong_size(root: Path) -> list[str]:
    return [str(good_folder(root)), "--size", "8"]


def negative_size(root: Path) -> list[str]:
    return [str(good_folder(root)), "--size", "-4"]


def unknown_method(root: Path) -> list[str]:
    return [str(good_folder(root)), "--methods", "none,overssampling"]


def no_methods(root: Path) -> list[str]:
    return [str(good_folder(root)), "--methods", ","]


def method_twice(root: Path) -> list[str]:
    return [str(good_folder(root)), "--methods", "none,none"]


def unknown_metric(root: Path) -> list[str]:
    return [str(good_folder(root)), "--metric", "acuracy"]


def unknown_network(root: Path) -> list[str]:
    return [str(good_folder(root)), "--network", "resnet19"]


def unknown_class(root: Path) -> list[str]:
    return [str(good_folder(root)), "--rare", "il"]


def unknown_policy(root: Path) -> list[str]:
    return [str(good_folder(root)), "--duplicates", "ignore"]


def unknown_precision(root: Path) -> list[str]:
    return [str(good_folder(root)), "--precision", "16"]


def unknown_checkpoint(root: Path) -> list[str]:
    return [str(good_folder(root)), "--checkpoint", "lasst"]


def unknown_augmentation(root: Path) -> list[str]:
    return [str(good_folder(root)), "--augmentation", "films"]


def missing_weights(root: Path) -> list[str]:
    return [
        str(good_folder(root)),
        "--pretrained",
        str(root / "weights.safetensors"),
        "--network",
        "resnet18",
    ]


def no_such_weights(root: Path) -> list[str]:
    return [str(good_folder(root)), "--network", "resnet50", "--pretrained", "radimagnet"]


def with_weights(
    root: Path, stored: object, *, name: str = "net.pth", cut: bool = False
) -> list[str]:
    """Return arguments with a file of weights, of which `cut` leaves the first half."""
    path = good_folder(root).parent / name
    if name.endswith(".pth"):
        torch.save(stored, path)
    else:
        save_file(stored, path)  # type: ignore[arg-type]
    if cut:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return [str(root), "--network", "resnet18", "--pretrained", str(path)]


def truncated_weights(root: Path) -> list[str]:
    return with_weights(root, {"conv1.weight": torch.zeros(64, 3, 7, 7)}, cut=True)


def truncated_safetensors(root: Path) -> list[str]:
    stored = {"conv1.weight": torch.zeros(64, 3, 7, 7)}
    return with_weights(root, stored, name="net.safetensors", cut=True)


def pickled_module(root: Path) -> list[str]:
    return with_weights(root, torch.nn.Linear(2, 2))


def page_named_pth(root: Path) -> list[str]:
    arguments = with_weights(root, {})
    Path(arguments[-1]).write_text("<html>Not found</html>")
    return arguments


def weights_of_another_network(root: Path) -> list[str]:
    return with_weights(root, {"features.0.0.weight": torch.zeros(32, 3, 3, 3)})


def weights_of_gray_images(root: Path) -> list[str]:
    return with_weights(root, {"conv1.weight": torch.zeros(64, 1, 7, 7)})


def blending_on_frozen_features(root: Path) -> list[str]:
    frozen = ["--regime", "frozen", "--network", "mobilenet_v2", "--pretrained", "random"]
    return [str(good_folder(root)), *frozen, "--methods", "none,mixup"]


def too_small_for_a_frozen_network(root: Path) -> list[str]:
    arguments = ["--network", "monai:densenet121", "--regime", "frozen", "--pretrained", "random"]
    return [str(good_folder(root)), *arguments, "--size", "28"]


def library_with_a_typo(root: Path) -> list[str]:
    return [str(good_folder(root)), "--network", "timmm:resnet18"]


def network_without_weights(root: Path) -> list[str]:
    return [str(good_folder(root)), "--network", "small_cnn", "--pretrained", "official"]


def unpinned_snapshot(root: Path) -> list[str]:
    address = "hf://timm/resnet18.a1_in1k@main/model.safetensors"
    return [str(good_folder(root)), "--network", "resnet18", "--pretrained", address]


def images_too_small(root: Path) -> list[str]:
    return [str(good_folder(root)), "--network", "monai:densenet121", "--size", "28"]


def network_of_no_module(root: Path) -> list[str]:
    return [str(good_folder(root)), "--network", "hospital.networks:LUNG"]


def absent_device(root: Path) -> list[str]:
    return [str(good_folder(root)), "--device", "cuda"]


def bad_regex(root: Path) -> list[str]:
    return [str(good_folder(root)), "--groups", "p(\\d+"]


def regex_that_misses(root: Path) -> list[str]:
    picture(good_folder(root) / "ill" / "unnamed.png")
    return [str(root), "--groups", r"p(\d+)"]


def output_is_a_file(root: Path) -> list[str]:
    good_folder(root)
    (root.parent / "taken").write_text("")
    return [str(root), "--out", str(root.parent / "taken")]


def unwritable_output(root: Path) -> list[str]:
    return [str(good_folder(root)), "--out", "/proc/equipoise/run"]


def broken_npz(root: Path) -> list[str]:
    root.mkdir(parents=True, exist_ok=True)
    np.savez(root / "set.npz", pictures=np.zeros((3, 8, 8), np.uint8))
    return [str(root / "set.npz")]


def pickled_npz(root: Path) -> list[str]:
    root.mkdir(parents=True, exist_ok=True)
    names = [f"{part}_{what}" for part in ("train", "val", "test") for what in ("images", "labels")]
    objects: dict[str, Any] = {name: np.array([{"a": 1}], dtype=object) for name in names}
    np.savez(root / "set.npz", **objects)
    return [str(root / "set.npz")]


def study_without_study(root: Path) -> list[str]:
    root.mkdir(parents=True, exist_ok=True)
    (root / "empty_study.py").write_text("x = 1\n")
    return [str(root / "empty_study.py")]


# Each builder makes its input and returns the arguments; the message must name all these words.
CASES: dict[Callable[[Path], list[str]], tuple[str, ...]] = {
    truncated: ("broken.png", "skip"),
    text_named_png: ("notes.png", "skip"),
    empty_file: ("empty.png", "skip"),
    empty_class: ("unsure",),
    one_class: ("only",),
    class_with_one_image: ("unicorn", "1"),
    class_with_two_patients: ("unicorn", "2"),
    duplicate_across_splits: ("copy", "--duplicates merge"),
    one_pixel: ("dot.png",),
    sixteen_bit_among_eight: ("deep.png",),
    nan_tiff: ("hole.tiff",),
    path_leaves_root: ("outside.png",),
    missing_column: ("label", "diagnose"),
    named_column_absent: ("patiant", "patient"),
    missing_file_in_table: ("nowhere.png",),
    empty_label: ("label",),
    empty_table: ("t.csv",),
    table_that_is_an_image: ("p00.png",),
    missing_table: ("absent.csv",),
    patient_in_two_splits: ("patient",),
    bad_split_name: ("training day",),
    no_such_folder: ("nowhere",),
    folder_without_images: ("class folder",),
    wrong_size: ("8", "12"),
    negative_size: ("-4",),
    unknown_method: ("overssampling", "oversampling"),
    no_methods: ("method",),
    method_twice: ("none",),
    unknown_metric: ("acuracy", "accuracy"),
    unknown_network: ("resnet19", "resnet18"),
    unknown_class: ("il", "ill"),
    unknown_policy: ("ignore", "merge"),
    unknown_augmentation: ("films", "film"),
    unknown_checkpoint: ("lasst", "last"),
    unknown_precision: ("16", "bf16-mixed"),
    missing_weights: ("weights.safetensors",),
    no_such_weights: ("radimagnet", "radimagenet"),
    truncated_weights: ("net.pth", "Cannot read"),
    truncated_safetensors: ("net.safetensors", "Cannot read"),
    pickled_module: ("net.pth", "Cannot read"),
    page_named_pth: ("net.pth", "Cannot read"),
    weights_of_another_network: ("net.pth", "do not fit", "features.0.0.weight"),
    weights_of_gray_images: ("net.pth", "(64, 1, 7, 7) instead of (64, 3, 7, 7)"),
    blending_on_frozen_features: ("mixup", "frozen", "scratch"),
    too_small_for_a_frozen_network: ("28", "--size 32"),
    library_with_a_typo: ("timm:resnet18",),
    network_without_weights: ("small_cnn", "equipoise weights list"),
    unpinned_snapshot: ("main", "commit"),
    images_too_small: ("monai:densenet121", "28", "--size 32"),
    network_of_no_module: ("hospital.networks:LUNG", "colon"),
    absent_device: ("cuda", "cpu"),
    bad_regex: ("--groups",),
    regex_that_misses: ("unnamed.png",),
    output_is_a_file: ("taken",),
    unwritable_output: ("/proc/equipoise",),
    broken_npz: ("set.npz", "train_images"),
    pickled_npz: ("set.npz",),
    study_without_study: ("empty_study.py", "study"),
}


STUDY = {"--size": "32", "--splits": "3", "--seeds": "3", "--steps": "600"}  # nothing is planned


@pytest.mark.parametrize("build", CASES, ids=lambda build: build.__name__)
def test_bad_input_gives_one_clear_message(
    build: Callable[[Path], list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if build is absent_device and torch.cuda.is_available():
        pytest.skip("this machine has the device that the case expects to be absent")
    arguments = build(tmp_path / "images")
    for option, number in STUDY.items():
        if option not in arguments and build is not study_without_study:
            arguments += [option, number]
    if "--out" not in arguments:
        arguments += ["--out", str(tmp_path / "run")]
    monkeypatch.setenv("EQUIPOISE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("sys.argv", ["equipoise", "run", *arguments])

    with pytest.raises(SystemExit) as stop:
        main()

    message = capsys.readouterr().err
    assert stop.value.code not in (0, None)
    assert message.startswith("Error: ")
    assert "Traceback" not in message
    for word in CASES[build]:
        assert word in message, message
    assert len(message) < 1500
