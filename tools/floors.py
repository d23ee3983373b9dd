"""Print the lowest versions that pyproject.toml declares, as constraints: `make floors`."""

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("volumes",)  # those whose tests are in the core of the suite
FLOOR = re.compile(r"([\w.-]+)>=([\w.]+)")
AT_LATEST = ("torch",)  # its oldest releases are not offered for every platform and Python


def floors(root: Path = ROOT) -> list[str]:
    """Return one "name==version" for each dependency; torch in the version of constraints.txt.

    Raises:
        ValueError: A dependency without a lowest version.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = list(project["dependencies"])
    for extra in EXTRAS:
        needed += project["optional-dependencies"][extra]
    pinned = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [_exactly(dependency, pinned) for dependency in needed]


def _exactly(dependency: str, pinned: Iterable[str]) -> str:
    floor = FLOOR.fullmatch(dependency)
    if floor is None:
        raise ValueError(f"Expected 'name>=version' in pyproject.toml, got {dependency!r}.")
    name, version = floor.groups()
    if name in AT_LATEST:
        return next(line for line in pinned if line.startswith(f"{name}=="))
    return f"{name}=={version}"


if __name__ == "__main__":
    print("\n".join(floors()))
