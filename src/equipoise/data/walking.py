"""Walk over the files below a folder: one walk for all readers, which says what it leaves out.

Three kinds of files are left out: those that the user ignores, hidden files and those of systems
(`SYSTEM_NAMES`), and files that are not regular, such as pipes. Links are followed inside the
root, those to the same folder once. Links without a target and those that lead out of the root are
listed, and `Walk.problems` says which options answer them.
"""

import os
import re
import shlex
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from equipoise.data.images.listing import first_few
from equipoise.exceptions import DataError
from equipoise.names import first_names

# Names of hidden files, and of the files and folders of operating and storage systems.
SYSTEM_NAMES = re.compile(
    r"[.@$~].*|__macosx|__pycache__|#(recycle|snapshot)|lost\+found|recycler|_gsdata_"
    r"|system volume information|network trash folder|temporary items|desktop\.ini"
    r"|(eh)?thumbs\.db|icon\r|(.*[\W_])?thumb(s|nails?)(\.(png|jpe?g|bmp|tiff?))?",
    re.IGNORECASE | re.DOTALL,
)
VERSIONS = (".git", ".hg", ".svn", ".datalad")  # not searched: they repeat every file

HIDDEN = "hidden, or of the system"
IGNORED = "ignored"
SPECIAL = "not regular files"
SEEN = "links to folders that are read elsewhere"
BROKEN = "links without a target"
OUTSIDE = "links that lead out of the folder"

POINTERS = {
    b"version https://git-lfs.github.com": "git lfs pull",
    b"/annex/objects/": "git annex get",
    b"../.git/annex/": "git annex get",
}
MOST_PATTERNS = 5  # names of single files in a suggested option
POINTER_BYTES = 64  # of a file, which show whether it is a pointer


@dataclass(frozen=True, kw_only=True)
class Walk:
    """The files below a folder, by their paths relative to it, with "/", sorted.

    Attributes:
        root: The folder.
        files: The files that can be read.
        left_out: Reason -> what was left out for it; links to folders end with "/".
    """

    root: Path
    files: tuple[str, ...]
    left_out: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def where(self, is_wanted: Callable[[str], bool]) -> "Walk":
        """Return the walk over wanted files alone; links stay that may lead to folders."""
        left_out = {}
        for reason, files in self.left_out.items():
            kept = []
            for file in files:
                may_be_folder = file.endswith("/") or (reason == BROKEN and not Path(file).suffix)
                if may_be_folder or is_wanted(file):
                    kept.append(file)
            left_out[reason] = tuple(kept)
        return replace(self, files=tuple(filter(is_wanted, self.files)), left_out=left_out)

    def problems(self, *, skip: bool = False) -> list[str]:
        """Return what would lose files: links without a target, unless skipped, or out of it."""
        problems = []
        broken, outside = self.left_out.get(BROKEN), self.left_out.get(OUTSIDE)
        if broken and not skip:
            problems.append(
                f"Links in {self.root} without a target ({len(broken)}): {first_few(broken)}. "
                "Fetch what they stand for (such as git annex get), mount its disk, or leave them "
                f"out with {ignore_hint(broken)}."
            )
        if outside:
            problems.append(
                f"Links that lead out of {self.root} ({len(outside)}): {first_few(outside)}. "
                "Follow them with follow_links (--follow-links), or leave them out with "
                f"{ignore_hint(outside)}."
            )
        return problems

    def unmatched(self, ignore: Sequence[str]) -> str:
        """Return a sentence on the patterns that left nothing out; "" if all did."""
        ignored = self.left_out.get(IGNORED, ())
        patterns = []
        for pattern in ignore:
            if not any(is_ignored(path, [pattern]) for path in ignored):
                patterns.append(pattern)
        if not patterns:
            return ""
        return f"Without effect, as they match no file: {ignore_options(patterns)}."

    def notes(self) -> list[str]:
        """Return a sentence for each reason for which files were left out."""
        notes = []
        for reason, files in self.left_out.items():
            if files:
                notes.append(f"Left out, {reason} ({len(files):,}): {first_names(files)}.")
        return notes


def walk(root: Path, *, ignore: Sequence[str] = (), follow_links: bool = False) -> Walk:
    r"""Walk over all files below a folder.

    Args:
        root: The folder.
        ignore: Patterns with * and ?, in any case, of paths relative to the folder, or of the name
            of a file or of a folder in them.
        follow_links: Whether links may lead out of the folder.

    Raises:
        DataError: A folder cannot be read, or a name is not UTF-8.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("ill/1.png", "ill/1_mask.png", "ill/@eaDir/1.png"):
        ...         Path(folder, name).parent.mkdir(exist_ok=True)
        ...         Path(folder, name).touch()
        ...     tree = walk(Path(folder), ignore=("*_mask.*",))
        >>> tree.files
        ('ill/1.png',)
        >>> tree.left_out
        {'hidden, or of the system': ('ill/@eaDir/1.png',), 'ignored': ('ill/1_mask.png',)}
    """
    walker = _Walker(root=root, ignore=ignore, follow_links=follow_links)
    walker.visit(root, "", ())
    walker.check_names()
    left_out = {}
    for reason in sorted(walker.left_out):
        left_out[reason] = tuple(sorted(walker.left_out[reason]))
    return Walk(root=root, files=tuple(sorted(walker.files)), left_out=left_out)


def is_ignored(path: str, patterns: Sequence[str]) -> bool:
    """Return whether a pattern matches, or is, a path or the name of a file or folder in it.

    Example:
        >>> is_ignored("ill/Masks/1.png", ["masks"]), is_ignored("ill/1.png", ["masks"])
        (True, False)
        >>> is_ignored("ill/scan[1].png", ["scan[1].png"])
        True
    """
    if not patterns:
        return False
    names = (path.lower(), *PurePosixPath(path.lower()).parts)
    for pattern in patterns:
        lower = pattern.lower().rstrip("/")
        if lower in names or any(fnmatchcase(name, lower) for name in names):
            return True
    return False


def ignore_hint(paths: Sequence[str]) -> str:
    """Return how the option leaves some paths out.

    Example:
        >>> ignore_hint(["ill/second clinic"])
        "ignore (--ignore 'second clinic')"
    """
    names = sorted({PurePosixPath(path).name for path in paths})  # without the "/" of a folder
    if len(names) == 1:
        return f"ignore ({ignore_options(names)})"
    return f"ignore (--ignore PATTERN, such as {shlex.quote(names[0])})"


def ignore_options(patterns: Iterable[str]) -> str:
    """Return the options that leave some patterns out, each once.

    Example:
        >>> ignore_options(["labels", "*_mask.*", "labels"])
        "--ignore labels --ignore '*_mask.*'"
    """
    return " ".join(f"--ignore {shlex.quote(pattern)}" for pattern in dict.fromkeys(patterns))


def examples_of(files_of: Mapping[str, Sequence[str]]) -> str:
    """Return patterns for a message, each with the number of files that it matches and the first.

    Example:
        >>> examples_of({"masks": ["masks/1.png", "masks/2.png"], "*.txt": ["1.txt"]})
        'masks (2, such as masks/1.png); *.txt (1, such as 1.txt)'
    """
    examples = []
    for pattern, files in files_of.items():
        examples.append(f"{pattern} ({len(files):,}, such as {files[0]})")
    return "; ".join(examples)


def distinct_patterns(files: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return patterns that match all of some files, and none of the others where that is possible.

    They are endings, folders, or else names of files, the first `MOST_PATTERNS` of them.

    Example:
        >>> distinct_patterns(["a/1.tif", "b/2.tif"], ["a/1.png"])
        ['*.tif']
        >>> distinct_patterns(["a/raw/1.png", "a/raw/2.png", "a/2.gif"], ["a/3.png"])
        ['*.gif', 'raw']
        >>> distinct_patterns(["a/1.png", "a/2.png"], ["a/3.png"])
        ['a/1.png', 'a/2.png']
    """
    taken = {part for other in others for part in _parts(other)}
    patterns: set[str] = set()
    names: list[str] = []
    for file in files:
        candidates = [part for part in _parts(file) if part not in taken]
        if candidates:
            patterns.add(candidates[0])
        else:
            names.append(file)
    return [*sorted(patterns), *sorted(names)[:MOST_PATTERNS]]


def _parts(file: str) -> list[str]:
    """Return a pattern of the ending of a path, and its folders; numbers are no endings."""
    path = PurePosixPath(file.lower())
    is_ending = path.suffix and not path.suffix[1:].isdecimal()
    return [*([f"*{path.suffix}"] if is_ending else []), *path.parts[:-1]]


def pointer_reason(path: Path) -> str:
    """Return why a file holds no content: it stands for one that was not fetched; "" if it does.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "1.png")
        ...     _ = file.write_bytes(b"version https://git-lfs.github.com/spec/v1")
        ...     pointer_reason(file)
        'it is a pointer to a file that was not fetched. Fetch it with git lfs pull.'
    """
    try:
        with path.open("rb") as file:
            beginning = file.read(POINTER_BYTES)
    except OSError:
        return ""
    for signature, command in POINTERS.items():
        if beginning.startswith(signature):
            return f"it is a pointer to a file that was not fetched. Fetch it with {command}."
    return ""


@dataclass(frozen=True, kw_only=True)
class _Walker:
    """Collects what a walk finds."""

    root: Path
    ignore: Sequence[str]
    follow_links: bool
    files: list[str] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    linked: set[str] = field(default_factory=set)  # real paths of folders that links led to

    def visit(self, folder: Path, prefix: str, above: tuple[str, ...], reason: str = "") -> None:
        """Collect the files of a folder and of those below it.

        Args:
            folder: The folder.
            prefix: Its path relative to the root, with "/" at the end.
            above: The real paths of the folders that contain it.
            reason: Why all its files are left out; "" where they are not.
        """
        above = (*above, os.path.realpath(folder))
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            raise DataError(
                f"Cannot read the folder {folder}: {error.strerror}. Allow it to be read, or leave "
                f"it out with {ignore_hint([folder.name])}."
            ) from error
        for entry in entries:
            self._take(entry, f"{prefix}{entry.name}", above, reason)

    def check_names(self) -> None:
        """Check that all names are UTF-8, as those of tables and reports.

        Raises:
            DataError: They are not.
        """
        names = [*self.files, *[name for names in self.left_out.values() for name in names]]
        foreign = [repr(name) for name in sorted(names) if not is_utf8(name)]
        if foreign:
            raise DataError(
                f"{len(foreign)} files in {self.root} have names that are not UTF-8: "
                f"{first_few(foreign)}. Rename them or their folders, for example with convmv."
            )

    def _take(self, entry: os.DirEntry[str], path: str, above: tuple[str, ...], why: str) -> None:
        """Collect an entry of a folder."""
        if not why and is_ignored(path, self.ignore):
            why = IGNORED
        elif not why and SYSTEM_NAMES.fullmatch(entry.name):
            why = HIDDEN
        if entry.is_symlink() and not why:
            why = self._link_reason(entry, above)
        if entry.is_symlink() and why:
            self._leave_out(why, f"{path}/" if entry.is_dir() else path)
            return
        if entry.is_dir():
            if entry.name not in VERSIONS:
                self.visit(Path(entry.path), f"{path}/", above, why)
        elif why or not entry.is_file():
            self._leave_out(why or SPECIAL, path)
        else:
            self.files.append(path)

    def _link_reason(self, entry: os.DirEntry[str], above: tuple[str, ...]) -> str:
        """Return why a link is not followed."""
        target = Path(os.path.realpath(entry.path))
        try:
            mode = target.stat().st_mode
        except OSError:
            return BROKEN
        if not self.follow_links and not target.is_relative_to(above[0]):
            return OUTSIDE
        if stat.S_ISDIR(mode):
            if str(target) in above or str(target) in self.linked:
                return SEEN
            self.linked.add(str(target))
        return ""

    def _leave_out(self, reason: str, path: str) -> None:
        self.left_out.setdefault(reason, []).append(path)


def is_utf8(name: str) -> bool:
    """Return whether a file name was UTF-8; one that was not contains surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
