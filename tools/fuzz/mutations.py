"""Damage bytes: blindly, and where a format states sizes, types and counts."""

import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

Rng = np.random.Generator
EXTREMES = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\x01")
NUMBERS = ("0", "-1", "1e9", "nan", "inf", "99999999999999999999", "1e-320", "", "x", "0x10")
WORDS = ("", "nan", "NA", "?", " ", "0", "=1+1", '"', "a,b", "../../etc/passwd", "é\u202e")
JSON_VALUES: tuple[Any, ...] = (None, True, -1, 1e400, "", "x", [], {}, [[]], [None], {"a": 1})
NIFTI_FIELDS = ((0, 4), (40, 16), (70, 2), (72, 2), (76, 32), (108, 4), (252, 4), (280, 48))


def damage(content: bytes, rng: Rng) -> bytes:
    """Return bytes with one blind damage: flipped, cut, emptied, repeated, filled or inserted."""
    if not content:
        return b"\x00"
    start = int(rng.integers(len(content)))
    end = min(len(content), start + int(rng.integers(1, 65)))
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: _flipped(content, start, int(rng.integers(8))),
        lambda: content[:start],
        lambda: content[:start] + EXTREMES[rng.integers(5)] * (end - start) + content[end:],
        lambda: content[:start] + content[end:],
        lambda: content[:start] + content[start:end] * 2 + content[end:],
        lambda: content[:start] + rng.bytes(end - start) + content[end:],
        lambda: b"",
    )
    return ways[rng.integers(len(ways))]()


def _flipped(content: bytes, place: int, bit: int) -> bytes:
    return content[:place] + bytes([content[place] ^ (1 << bit)]) + content[place + 1 :]


def damage_head(content: bytes, rng: Rng, length: int = 64) -> bytes:
    """Damage the first bytes, where formats state what follows."""
    return damage(content[:length], rng) + content[length:]


def damage_text(content: bytes, rng: Rng) -> bytes:
    """Replace, repeat, drop or cut a field of a line of text."""
    lines = content.decode("utf-8").splitlines()
    row = int(rng.integers(len(lines)))
    separator = "=" if "=" in lines[row] else ","
    fields = lines[row].split(separator)
    column = int(rng.integers(len(fields)))
    values = NUMBERS if rng.integers(2) else WORDS
    ways = (
        [*fields[:column], values[int(rng.integers(len(values)))], *fields[column + 1 :]],
        [*fields[:column], *fields[column + 1 :]],
        [*fields, fields[column]],
        fields[:column],
    )
    lines[row] = separator.join(ways[rng.integers(len(ways))])
    if rng.integers(8) == 0:
        lines.insert(row, lines[int(rng.integers(len(lines)))])
    return ("\n".join(lines) + "\n").encode("utf-8")


def damage_json(content: bytes, rng: Rng) -> bytes:
    """Replace or remove a value anywhere in JSON."""
    value = json.loads(content)
    places: list[tuple[Any, Any]] = []  # containers and keys
    waiting = [value]
    while waiting:
        container = waiting.pop()
        keys = list(container) if isinstance(container, dict) else range(len(container))
        for key in keys:
            places.append((container, key))
            if isinstance(container[key], dict | list):
                waiting.append(container[key])
    if not places:
        return b"[]"
    container, key = places[rng.integers(len(places))]
    if rng.integers(4) == 0:
        del container[key]
    else:
        container[key] = JSON_VALUES[rng.integers(len(JSON_VALUES))]
    return json.dumps(value).encode("utf-8")


def damage_nifti(content: bytes, rng: Rng) -> bytes:
    """Replace a field of a NIfTI header by extreme or random bytes."""
    start, length = NIFTI_FIELDS[rng.integers(len(NIFTI_FIELDS))]
    width = 2 if start in (40, 70, 72) else 4
    place = start + width * int(rng.integers(max(1, length // width)))
    values = [rng.bytes(width), b"\xff" * width, b"\x00" * width, b"\x7f" * width]
    if width == 4:
        values += [struct.pack("<f", number) for number in (np.nan, 1e38, -1.0)]
    return content[:place] + values[rng.integers(len(values))] + content[place + width :]


def damage_png(content: bytes, rng: Rng) -> bytes:
    """Change size, depth or color type of a PNG, with the right checksum."""
    header = bytearray(content[16:29])
    place = int(rng.integers(10))
    header[place] = int(rng.integers(256))
    crc = struct.pack(">I", zlib.crc32(b"IHDR" + bytes(header)))
    return content[:16] + bytes(header) + crc + content[33:]
