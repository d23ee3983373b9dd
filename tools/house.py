"""Measure how the source is laid out: sizes, density, names used twice, import cycles.

    python -m tools.house                   measure every room of src/equipoise and print a table
    python -m tools.house --room data       one room, with the places behind each number
    python -m tools.house --json FILE       also write the numbers as JSON
    python -m tools.house --check           exit with 1 where a limit of the design is broken

Everything is read from the syntax trees; nothing of the package is imported.
"""

import argparse
import ast
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
PACKAGE = "equipoise"
FILE_LINES = 400  # at most, with comments and docstrings
FUNCTION_LINES = 40  # at most, of the body without its docstring
SHORT_FILE = 60  # lines; a shorter file has to be worth a name of its own
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class SourceFile:
    """A file of the package: its path from `src`, its text and its syntax tree."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def module(self) -> str:
        """Dotted name; that of the package for an `__init__.py`."""
        return ".".join(self.path.with_suffix("").parts).removesuffix(".__init__")

    @property
    def n_lines(self) -> int:
        """Lines of the file."""
        return len(self.text.splitlines())

    def functions(self) -> Iterator[Function]:
        """Walk all functions and methods, nested ones too."""
        for node in ast.walk(self.tree):
            if isinstance(node, Function):
                yield node


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What `make house` prints of some files."""

    files: int
    lines: int
    median_file: float
    largest_file: int
    files_over_limit: int
    short_files: int
    functions: int
    median_function: float
    p95_function: int
    largest_function: int
    functions_over_limit: int
    comprehensions_per_1000_lines: float
    private_helpers: int
    private_helpers_used_once: int
    class_names_used_twice: int
    untyped_mappings: int
    import_cycles: int


def read_sources(root: Path) -> list[SourceFile]:
    """Read every Python file below `root`/src."""
    source = root / "src"
    files = []
    for path in sorted((source / PACKAGE).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        files.append(SourceFile(path.relative_to(source), text, ast.parse(text)))
    return files


def body_lines(function: Function) -> int:
    """Count the lines of a function's body, without its docstring."""
    body = function.body
    if ast.get_docstring(function) is not None:
        body = body[1:]
    if not body:
        return 0
    return (body[-1].end_lineno or body[-1].lineno) - body[0].lineno + 1


def private_helpers(files: Sequence[SourceFile]) -> dict[str, int]:
    """Count the uses of every private function: {"path:line name": times its file names it}.

    A file is searched for the bare name, so that two methods of one name share their uses.
    Functions that override another are left out: their caller is elsewhere.
    """
    overridable = _method_names_of_several_classes(files)
    uses = {}
    for file in files:
        names = Counter(_names_used(file.tree))
        for function in file.functions():
            name = function.name
            private = name.startswith("_") and not name.startswith("__")
            if private and name not in overridable:
                uses[f"{file.path}:{function.lineno} {name}"] = names[name]
    return uses


def _method_names_of_several_classes(files: Sequence[SourceFile]) -> set[str]:
    classes_with = Counter[str]()
    for file in files:
        for node in ast.walk(file.tree):
            if isinstance(node, ast.ClassDef):
                methods = {item.name for item in node.body if isinstance(item, Function)}
                classes_with.update(methods)
    return {name for name, n in classes_with.items() if n > 1}


def _names_used(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


def repeated_class_names(files: Sequence[SourceFile]) -> dict[str, list[str]]:
    """Find class names that several files define: {name: paths}."""
    places = defaultdict(list)
    for file in files:
        for node in file.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(file.path))
    return {name: paths for name, paths in places.items() if len(paths) > 1}


def untyped_mappings(file: SourceFile) -> list[int]:
    """List the lines that annotate with `Mapping[str, Any]` or `dict[str, Any]`."""
    lines = []
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Subscript) and ast.unparse(node) in {
            "Mapping[str, Any]",
            "dict[str, Any]",
        }:
            lines.append(node.lineno)
    return sorted(lines)


def import_graph(files: Sequence[SourceFile]) -> dict[str, set[str]]:
    """Map every module to those that it imports, also late or for type checking only."""
    modules = {file.module: file for file in files}
    graph: dict[str, set[str]] = {}
    for file in files:
        imported: set[str] = set()
        for node in ast.walk(file.tree):
            imported.update(_imported_names(node))
        targets = set()
        for name in imported:
            parent = name.rpartition(".")[0]
            if name in modules:
                targets.add(name)
            elif parent in modules:
                targets.add(parent)
        graph[file.module] = targets - {file.module}
    return graph


def _imported_names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name
    elif isinstance(node, ast.ImportFrom) and node.module is not None:
        for alias in node.names:
            yield f"{node.module}.{alias.name}"


def import_cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return groups of modules that import each other: strongly connected (Tarjan, 1972)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    cycles = []

    def visit(module: str) -> None:
        order[module] = lowest[module] = len(order)
        stack.append(module)
        for target in sorted(graph[module]):
            if target not in order:
                visit(target)
                lowest[module] = min(lowest[module], lowest[target])
            elif target in stack:
                lowest[module] = min(lowest[module], order[target])
        if lowest[module] == order[module]:
            start = stack.index(module)
            component = sorted(stack[start:])
            del stack[start:]
            if len(component) > 1:
                cycles.append(component)

    for module in graph:
        if module not in order:
            visit(module)
    return sorted(cycles)


def measure(files: Sequence[SourceFile], all_files: Sequence[SourceFile]) -> Measures:
    """Measure some files; names and cycles are looked up among `all_files`."""
    file_lines = sorted(file.n_lines for file in files)
    function_lines = sorted(body_lines(f) for file in files for f in file.functions())
    paths = {str(file.path) for file in files}
    modules = {file.module for file in files}
    n_comprehensions = 0
    for file in files:
        n_comprehensions += sum(isinstance(node, COMPREHENSIONS) for node in ast.walk(file.tree))
    helpers = {k: n for k, n in private_helpers(all_files).items() if k.split(":")[0] in paths}
    repeated = repeated_class_names(all_files).values()
    cycles = import_cycles(import_graph(all_files))
    return Measures(
        files=len(files),
        lines=sum(file_lines),
        median_file=median(file_lines),
        largest_file=file_lines[-1],
        files_over_limit=sum(n > FILE_LINES for n in file_lines),
        short_files=len(short_files(files)),
        functions=len(function_lines),
        median_function=median(function_lines or [0]),
        p95_function=(function_lines or [0])[int(0.95 * (len(function_lines) - 1))],
        largest_function=max(function_lines, default=0),
        functions_over_limit=sum(n > FUNCTION_LINES for n in function_lines),
        comprehensions_per_1000_lines=round(1000 * n_comprehensions / sum(file_lines), 1),
        private_helpers=len(helpers),
        private_helpers_used_once=sum(n == 1 for n in helpers.values()),
        class_names_used_twice=sum(bool(paths & set(places)) for places in repeated),
        untyped_mappings=sum(len(untyped_mappings(file)) for file in files),
        import_cycles=sum(bool(modules & set(cycle)) for cycle in cycles),
    )


def short_files(files: Sequence[SourceFile]) -> list[str]:
    """List files under `SHORT_FILE` lines; an `__init__.py` has to be there whatever its length."""
    return [
        f"{file.path} ({file.n_lines} lines)"
        for file in files
        if file.n_lines < SHORT_FILE and file.path.name != "__init__.py"
    ]


def broken_limits(files: Sequence[SourceFile]) -> list[str]:
    """List broken limits: file and function sizes, class names used twice, import cycles."""
    broken = []
    for file in files:
        if file.n_lines > FILE_LINES:
            broken.append(f"{file.path}: {file.n_lines} lines, at most {FILE_LINES}")
        for function in file.functions():
            if (n := body_lines(function)) > FUNCTION_LINES:
                place = f"{file.path}:{function.lineno} {function.name}"
                broken.append(f"{place}: a body of {n} lines, at most {FUNCTION_LINES}")
    for name, places in repeated_class_names(files).items():
        broken.append(f"class {name} is defined in {' and '.join(places)}")
    for cycle in import_cycles(import_graph(files)):
        broken.append(f"import cycle: {', '.join(cycle)}")
    return broken


def rooms(files: Sequence[SourceFile]) -> dict[str, list[SourceFile]]:
    """Group files by the folder below the package; files beside those are the room "."."""
    grouped = defaultdict(list)
    for file in files:
        inner = file.path.parts[1:]
        grouped[inner[0] if len(inner) > 1 else "."].append(file)
    return dict(grouped)


def print_table(columns: Mapping[str, Measures]) -> None:
    """Print one column for each room."""
    names = list(Measures.__annotations__)
    width = max(len(name) for name in names)
    print(" " * width, *(f"{room[:10]:>10}" for room in columns))
    for name in names:
        row = [f"{getattr(m, name):>10}" for m in columns.values()]
        print(f"{name:<{width}}", *row)


def print_places(files: Sequence[SourceFile], all_files: Sequence[SourceFile]) -> None:
    """Print what stands behind the numbers of a room."""
    paths = {str(file.path) for file in files}
    sections: dict[str, list[str]] = {
        "short files": short_files(files),
        "private helpers used once": [
            place
            for place, n in private_helpers(all_files).items()
            if n == 1 and place.split(":")[0] in paths
        ],
        "class names used twice": [
            f"{name}: {', '.join(places)}"
            for name, places in repeated_class_names(all_files).items()
            if paths & set(places)
        ],
        "untyped mappings": [
            f"{file.path}:{line}" for file in files for line in untyped_mappings(file)
        ],
        "limits": broken_limits(files),
    }
    for file in files:
        lines = [node.lineno for node in ast.walk(file.tree) if isinstance(node, COMPREHENSIONS)]
        if 1000 * len(lines) > 15 * file.n_lines:
            sections.setdefault("comprehensions, files over 15 per 1,000 lines", []).append(
                f"{file.path} ({len(lines)} in {file.n_lines}): lines {sorted(lines)}"
            )
    for heading, places in sections.items():
        print(f"\n{heading} ({len(places)}):")
        for place in places:
            print(f"  {place}")


def main(arguments: Sequence[str]) -> int:
    """Run the program; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--root", type=Path, default=ROOT, help="another checkout")
    parser.add_argument("--room", help="a folder of src/equipoise, for example data or data/images")
    parser.add_argument("--json", type=Path, help="file to write the numbers to")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a limit is broken")
    options = parser.parse_args(arguments)
    files = read_sources(options.root)
    if options.check:
        broken = broken_limits(files)
        print("\n".join(broken) if broken else "The house keeps its limits.")
        return int(bool(broken))
    if options.room:
        prefix = f"{PACKAGE}/{options.room.strip('/')}/"
        chosen = [file for file in files if file.path.as_posix().startswith(prefix)]
        print_table({options.room: measure(chosen, files)})
        print_places(chosen, files)
        return 0
    measures = {"all": measure(files, files)}
    for room, members in rooms(files).items():
        measures[room] = measure(members, files)
    print_table(measures)
    if options.json:
        options.json.write_text(
            json.dumps({k: vars(m) for k, m in measures.items()}, indent=2) + "\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
