"""Faults that are seeded one at a time into a copy of the source; the tests must notice each."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).with_name("faults.toml")


@dataclass(frozen=True)
class Fault:
    """One wrong change.

    Attributes:
        breaks: What no longer holds.
        file: Below src/equipoise.
        old: Text that occurs exactly once in the file.
        new: What stands there instead.
        tests: Files or folders below tests, or one test in them, of which at least one has to fail.
    """

    breaks: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def apply(self, root: Path) -> str:
        """Write the fault into the tree at `root` and return the text that was there.

        Raises:
            ValueError: The old text does not occur exactly once: the list has to follow the source.
        """
        path = root / "src" / "equipoise" / self.file
        text = path.read_text()
        if (found := text.count(self.old)) != 1:
            raise ValueError(
                f"Expected this once in {self.file}, found it {found} times:\n{self.old}"
            )
        path.write_text(text.replace(self.old, self.new))
        return text

    def undo(self, root: Path, text: str) -> None:
        """Put the text back that `apply` returned."""
        (root / "src" / "equipoise" / self.file).write_text(text)


def read_faults(path: Path = LIST) -> list[Fault]:
    """Read the list."""
    tables = tomllib.loads(path.read_text())["fault"]
    return [Fault(**{**table, "tests": tuple(table["tests"])}) for table in tables]
