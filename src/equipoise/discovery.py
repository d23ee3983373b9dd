"""Find the members of a family by name, and say what there is when a name is wrong."""

import difflib
import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import TypeVar

from equipoise.exceptions import SettingError

T = TypeVar("T")


def pick(table: Mapping[str, T], name: str, kind: str) -> T:
    """Look up a family member.

    Raises:
        SettingError: No such name; the message proposes the nearest and lists all.
    """
    if name in table:
        return table[name]
    raise SettingError(unknown(name, table, kind))


def unknown(name: str, names: Iterable[str], kind: str) -> str:
    """Say that a name is not known, what it may have meant, and what there is."""
    names = sorted(names)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"No {kind} named '{name}'.{hint} Available: {', '.join(names)}."


def modules(package: ModuleType) -> dict[str, ModuleType]:
    """Import the modules of a package; a family of files (readers) is found this way."""
    names = sorted(
        m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_")
    )
    return {name: importlib.import_module(f"{package.__name__}.{name}") for name in names}
