"""What stands in a locator: a path, a glob or a URL, and behind a colon what is meant inside."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from glob import glob, has_magic
from pathlib import Path

from streamkm.errors import SourceError
from streamkm.remote import glob_url, is_url


def split_member(locator: str) -> tuple[str, str]:
    """Split `path:member` at the first colon that is not part of `scheme://host:port`."""
    begin = 0
    if is_url(locator):
        slash = locator.find("/", locator.index("://") + 3)
        begin = len(locator) if slash < 0 else slash
    path, _, member = locator[begin:].partition(":")
    return locator[:begin] + path, member


def read_columns(text: str) -> tuple[str, ...]:
    """Read names between commas; one that holds a comma is quoted, as in a CSV file."""
    rows = list(csv.reader(io.StringIO(text), skipinitialspace=True))
    return tuple(rows[0]) if rows else ()


def write_columns(names: Sequence[str]) -> str:
    """Write names so that `read_columns` finds them again."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(names)
    return text.getvalue()


def matches(pattern: str) -> list[str]:
    """Return the files that a glob stands for, by name; `**` for folders of any depth."""
    found = glob(pattern, recursive=True)  # noqa: PTH207 - a pattern may begin with /
    return sorted(file for file in found if Path(file).is_file())


def expand(path: str, endings: Sequence[str]) -> list[str]:
    """Return the files of a path, a glob or a folder, by name: their rows follow each other.

    Raises
    ------
    SourceError
        If there is none.
    """
    if is_url(path):
        files = glob_url(path, endings)
    elif Path(path).is_dir():
        names = sorted(Path(path).iterdir())
        files = [str(file) for file in names if file.name.endswith(tuple(endings))]
    elif has_magic(path) and not Path(path).exists():
        files = matches(path)
    else:
        return [path]
    if not files:
        raise SourceError(f"{path}: no file there ends in {', '.join(endings)}")
    return files
