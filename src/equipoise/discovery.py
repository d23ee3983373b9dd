"""Families of interchangeable members, and looking up a member by name."""

import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Generic, TypeVar

from equipoise.exceptions import SettingError

T = TypeVar("T")


def summarize(member: object) -> str:
    """Return one line about a member: its settings, summary, source, or docstring."""
    if isinstance(member, Mapping):
        return ", ".join(f"{name}={value}" for name, value in member.items())
    text = getattr(member, "summary", "") or getattr(member, "source", "")
    return str(text or inspect.getdoc(member) or "").split("\n", maxsplit=1)[0]


@dataclass(frozen=True, kw_only=True)
class Family(Generic[T]):
    """A table of interchangeable members, as `equipoise list NAME` shows it.

    The module of a table names its family in a constant `FAMILY = Family(name="...", ...)`. The
    command line finds these constants in the source, so the name and the summary are literals.

    Attributes:
        name: What users type.
        summary: One line for `equipoise list`.
        members: The table, or a function that returns it where that takes imports.
        line: Returns the line about a member.

    Example:
        >>> letters = Family(name="letters", summary="Some.", members={"a": {"upper": "A"}})
        >>> letters.lines()
        {'a': 'upper=A'}
    """

    name: str
    summary: str
    members: Mapping[str, T] | Callable[[], Mapping[str, T]]
    line: Callable[[T], str] = summarize

    def lines(self) -> dict[str, str]:
        """Return a line about each member, by its name."""
        members = self.members() if callable(self.members) else self.members
        return {name: self.line(member) for name, member in members.items()}


def pick(table: Mapping[str, T], name: str, kind: str) -> T:
    """Return the member of a family with the given name.

    Raises:
        SettingError: There is no such name; the message suggests the closest one and lists all.
    """
    if name in table:
        return table[name]
    raise SettingError(unknown(name, table, kind))


def unknown(name: object, names: Iterable[str], kind: str) -> str:
    """Return the error message for an unknown name: the closest name and all available ones."""
    names = sorted(names)
    closest = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f" Did you mean '{closest[0]}'?" if closest else ""
    return f"No {kind} named '{name}'.{hint} Available: {', '.join(names)}."


def modules(package: ModuleType) -> dict[str, ModuleType]:
    """Import the modules of a package and return them by name, in alphabetical order."""
    names = sorted(
        m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_")
    )
    return {name: importlib.import_module(f"{package.__name__}.{name}") for name in names}
