"""Damage done on purpose to bytes, to JSON, and to what lies inside of compressed files."""

from __future__ import annotations

import gzip
import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import google_crc32c

INTERESTING = (
    0, 1, 2, 3, 4, 7, 8, 16, 32, 63, 64, 127, 128, 255, 256, 1000, 1 << 15, (1 << 16) - 1, 1 << 16,
    1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, 10**12, 1 << 40, (1 << 63) - 1,
    1 << 63, (1 << 64) - 1,
)  # fmt: skip
MOST_BYTES = 1 << 20  # duplicating must not grow a file without end


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Return bytes with one to a few of them changed, left out or put in."""
    n_times = rng.choice((1, 1, 1, 2, 3, 8))
    for _ in range(n_times):
        data = rng.choice(STEPS)(data, rng)
    return data[:MOST_BYTES]


def flip(data: bytes, rng: random.Random) -> bytes:
    if not data:
        return b"\xff"
    changed = bytearray(data)
    changed[_place(data, rng)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def overwrite(data: bytes, rng: random.Random) -> bytes:
    if not data:
        return b"\0"
    changed = bytearray(data)
    changed[_place(data, rng)] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
    return bytes(changed)


def number(data: bytes, rng: random.Random) -> bytes:
    """An interesting integer of some width and byte order over what was there."""
    width, order = rng.choice((1, 2, 4, 4, 8, 8)), rng.choice(("little", "big"))
    value = rng.choice(INTERESTING) & ((1 << 8 * width) - 1)
    at = _place(data, rng) if data else 0
    if width > 1 and rng.random() < 0.5:
        at -= at % width
    return data[:at] + value.to_bytes(width, order) + data[at + width :]


def digits(data: bytes, rng: random.Random) -> bytes:
    """A number that is written in digits becomes another one."""
    places = [i for i, byte in enumerate(data[: 1 << 16]) if 48 <= byte < 58]
    if not places:
        return flip(data, rng)
    begin = end = rng.choice(places)
    while end < len(data) and 48 <= data[end] < 58:
        end += 1
    value = str(rng.choice((*INTERESTING, -1, -(1 << 63), 10**30, "1e999", "nan", "")))
    return data[:begin] + value.encode() + data[end:]


def insert(data: bytes, rng: random.Random) -> bytes:
    at = rng.randint(0, len(data))
    new = rng.choice((rng.randbytes(rng.randint(1, 16)), b"\0" * rng.randint(1, 64), b'"', b"\n"))
    return data[:at] + new + data[at:]


def delete(data: bytes, rng: random.Random) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + data[at + rng.choice((1, 2, 4, 8, rng.randint(1, 200))) :]


def truncate(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randint(0, len(data))]


def duplicate(data: bytes, rng: random.Random) -> bytes:
    at, size = rng.randint(0, len(data)), rng.choice((1, 4, 16, 100, 4000))
    return data[: at + size] + data[at : at + size] * rng.choice((1, 1, 2, 10)) + data[at + size :]


def splice(data: bytes, rng: random.Random) -> bytes:
    """A stretch comes to lie over another one."""
    size = rng.choice((1, 4, 8, 64, 512))
    one, other = rng.randint(0, len(data)), rng.randint(0, len(data))
    return data[:one] + data[other : other + size] + data[one + size :]


STEPS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    flip, flip, overwrite, overwrite, number, number, number, digits, insert, delete, truncate,
    duplicate, splice,
)  # fmt: skip


def _place(data: bytes, rng: random.Random) -> int:
    """Any byte; more often one of the header or of the footer, where structure is."""
    which = rng.random()
    if which < 0.35:
        return rng.randrange(min(len(data), 256))
    if which < 0.55:
        return len(data) - 1 - rng.randrange(min(len(data), 256))
    return rng.randrange(len(data))


def damaged_gzip(data: bytes, rng: random.Random) -> bytes:
    """Change what is inside, under a right checksum, or the compressed bytes."""
    if rng.random() < 0.3:
        return damaged(data, rng)
    return gzip.compress(damaged(gzip.decompress(data), rng), 1, mtime=0)


def damaged_zip(data: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.3:
        return damaged(data, rng)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        victim = rng.choice(archive.namelist())
        with zipfile.ZipFile(out, "w") as made:
            for item in archive.infolist():
                content = archive.read(item)
                content = damaged(content, rng) if item.filename == victim else content
                made.writestr(item.filename, content, item.compress_type)
    return out.getvalue()


def damaged_checked(data: bytes, rng: random.Random) -> bytes:
    """Change bytes, and mostly make the CRC-32C behind them right again."""
    if rng.random() < 0.3 or len(data) < 8:
        return damaged(data, rng)
    body = damaged(data[:-4], rng)
    return body + struct.pack("<I", google_crc32c.value(body))


def _deep(rng: random.Random) -> Any:
    value: Any = 1
    for _ in range(rng.choice((3, 50, 400))):
        value = [value] if rng.random() < 0.5 else {"a": value}
    return value


def nasty(rng: random.Random) -> Any:
    """Return a value that hardly any reader expects."""
    return rng.choice(
        (
            None, True, False, -1, 0, 1, 2, 3, 0.5, -0.0, 1e308, float("nan"), float("inf"), 10**30,
            -(10**30), *INTERESTING, "", "x", "1", "\0", "../../outside", "/etc/passwd", "NaN",
            "x" * 100_000, "é\ud800", [], {}, [[]], [None], [-1, 2], [1, 2, 3, 4], [10**12, 10**12],
            ["a", "b"], {"a": 1}, {"array": [1, "x"]}, {"array": None}, {"name": "x"},
            "float64", "uint8", "|O", "pickle", _deep(rng),
        )
    )  # fmt: skip


def damaged_json(data: bytes, rng: random.Random) -> bytes:
    """Put another value, key or type somewhere in a document, or break its text."""
    which = rng.random()
    if which < 0.2:
        return damaged(data, rng)
    if which < 0.23:
        return b"[" * 100_000 if rng.random() < 0.5 else b'{"a":' * 100_000
    document = json.loads(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        document = _altered(document, rng)
    return json.dumps(document).encode()


def damaged_lines(data: bytes, rng: random.Random) -> bytes:
    """Damage one line of JSON lines."""
    lines = data.splitlines()
    at = rng.randrange(len(lines))
    lines[at] = damaged_json(lines[at], rng)
    return b"\n".join(lines) + b"\n"


def _altered(document: Any, rng: random.Random) -> Any:
    places = list(_places(document))
    if not places:
        return nasty(rng)
    # Short paths are few and lists of numbers are long: first a depth, then a place in it.
    depth = rng.choice(sorted({len(path) for path in places}))
    path = rng.choice([path for path in places if len(path) == depth])
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    _alter(parent, path[-1], rng)
    return document


def _places(value: Any, path: tuple[Any, ...] = ()) -> Any:
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value[:8])
        if isinstance(value, list)
        else ()
    )
    for key, inner in items:
        yield (*path, key)
        if len(path) < 12:
            yield from _places(inner, (*path, key))


def _alter(parent: Any, key: Any, rng: random.Random) -> None:
    value, which = parent[key], rng.random()
    if which < 0.2:
        del parent[key]
    elif which < 0.3 and isinstance(parent, list):
        parent.insert(key, nasty(rng) if rng.random() < 0.5 else value)
    elif which < 0.3:
        parent[f"{key}_"] = parent.pop(key)
    elif which < 0.55 and isinstance(value, (int, float)) and not isinstance(value, bool):
        parent[key] = rng.choice(
            (-value, value + 1, value - 1, value * 2, value * 10**6, str(value), [value], 0, -1)
        )
    elif which < 0.65 and isinstance(value, list):
        parent[key] = rng.choice(
            (value[:-1], value * 2, value[::-1], [value], dict(enumerate(value)))
        )
    else:
        parent[key] = nasty(rng)
