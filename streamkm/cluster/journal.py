"""What a long pass has found so far, in the run directory: killed, it goes on from there.

A pass is gone through in legs: groups from everywhere in the rows, so that all
workers have some. What the legs found is merged here and written as often as
was asked for, so that workers need not see the folder and the disk holds
one result a write, until the next checkpoint. A fit that goes on repeats its passes since
the last checkpoint in the same order; each finds its own by its number, and
knows it by what it was computed with.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from hashlib import blake2b
from itertools import count, pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np

from streamkm.cluster.parts import pack, unpack
from streamkm.data.atomic import write_atomically, writing
from streamkm.data.layout import Group
from streamkm.tasks.base import PassResult

PASSES: Final = "pass"
MOST_LEGS: Final = 64
WORTH: Final = 8  # an end of a pass is written where the pass took this share of the time
# Of a context: what changes no bit, and columns, which a journal is told of.
CIRCUMSTANCES: Final = frozenset(("source", "weights", "kept", "classes"))

Work = Callable[[Any, Sequence[Any], Any], PassResult]
# What to make of a leg's parts before they are merged and written.
Settle = Callable[[int, tuple[Any, ...]], tuple[Any, ...]]


class Journal:
    """The passes since the last checkpoint.

    Parameters
    ----------
    folder
        Of the run.
    every_s
        Seconds after which what was found is written.
    about
        What tells the rows, and all columns beside them, from others.
    name
        Of its files.
    """

    def __init__(self, folder: Path, every_s: float, about: str = "", name: str = PASSES) -> None:
        self.folder, self.every_s, self.about, self.name = folder, every_s, about, name
        self._number = 0
        self._legs: list[list[Group]] | None = None

    def forget(self) -> None:
        """Begin to count anew: there is a checkpoint."""
        self._number = 0
        forget(self.folder, self.name)

    def is_begun(self) -> bool:
        """Tell whether the next pass has a part here."""
        return any(self._files(self._number + 1))

    def run(
        self, work: Work, task: Any, groups: Sequence[Group], context: Any, *,
        n_workers: int, settle: Settle | None, most_legs: int = MOST_LEGS,
        tell: Callable[[int], None], agree: Callable[[int], int] = int,
    ) -> PassResult:  # fmt: skip
        """Run a pass, or what is left of it.

        Parameters
        ----------
        work
            Runs a task over groups.
        task, groups, context
            The pass.
        n_workers
            Tasks at once: a leg has groups for all of them.
        settle
            What to make of the parts of a leg, by its number. Legs are then
            the same in all passes.
        most_legs
            As many as the caller can tell apart.
        tell
            Called with the number of rows that are done already.
        agree
            Called with a number of legs; returns one that suits all who share the pass.
        """
        self._number += 1
        mark = mark_of(task, context, self.about)
        found, done = self._load(mark, groups[-1].stop)
        if done:
            tell(sum(stop - start for start, stop in done))
        left, pending, begin = without(groups, done), _Pending(), time.monotonic()
        if settle is not None and not done and self._legs is not None:
            legs: Any = self._legs
        else:
            legs = self._cut(left, n_workers, most_legs, agree)
        gone: list[list[Group]] = []
        for number, leg in enumerate(legs):
            result = work(task, leg, context)
            if settle is not None:
                result = replace(result, parts=settle(number, result.parts))
            gone.append(leg)
            pending.add(leg, result)
            if pending.age_s() >= self.every_s:
                found = [PassResult.merge_all([*found, self._write(mark, pending)])]
                pending = _Pending()
        if settle is not None and not done:
            self._legs = gone
        if pending.results:
            is_long = time.monotonic() - begin >= self.every_s / WORTH
            found.append(self._write(mark, pending) if is_long else pending.merged())
        return PassResult.merge_all(found)

    def _cut(
        self, groups: list[Group], n_workers: int, most: int, agree: Callable[[int], int]
    ) -> Iterator[list[Group]]:
        """Yield a few groups to measure by, then the others in legs that last long enough."""
        if not groups:
            return
        step = max(len(groups) // max(n_workers, 1), 1)
        first = groups[::step]
        if most < 2 or len(first) == len(groups):
            yield groups
            return
        begin = time.monotonic()
        yield first
        rest = [group for i, group in enumerate(groups) if i % step]
        pace = (time.monotonic() - begin) / _n_rows(first)
        wanted = int(pace * _n_rows(rest) / self.every_s)
        n_legs = min(max(agree(min(wanted, len(rest) // max(n_workers, 1))), 1), most - 1)
        for j in range(n_legs):
            yield rest[j::n_legs]

    def _files(self, number: int) -> Iterator[Path]:
        return self.folder.glob(f"{self.name}-{number:04d}-*.npz")

    def _write(self, mark: str, pending: _Pending) -> PassResult:
        result = pending.merged()
        content = pack({"mark": mark, "ranges": pending.ranges}, result)
        names = (f"{self.name}-{self._number:04d}-{i:04d}.npz" for i in count())
        free = next(name for name in names if not (self.folder / name).exists())
        with writing(self.folder):
            write_atomically(self.folder / free, content)
        return result

    def _load(self, mark: str, n_rows: int) -> tuple[list[PassResult], list[tuple[int, int]]]:
        """Return what is here of the pass under way, and its ranges of rows, in order."""
        found: list[PassResult] = []
        ranges: list[tuple[int, int]] = []
        for file in sorted(self._files(self._number)):
            try:
                about, result = unpack(file.read_bytes())
                if about["mark"] == mark:
                    ranges += [(int(start), int(stop)) for start, stop in about["ranges"]]
                    found.append(result)
                    continue
            except Exception:  # noqa: BLE001, S110 - a damaged archive may raise anything
                pass
            file.unlink(missing_ok=True)
        ranges.sort()
        edges = [0, *(edge for both in ranges for edge in both), n_rows]
        if edges != sorted(edges):  # of other data
            return [], []
        return found, ranges


def forget(folder: Path, name: str) -> None:
    """Delete the files of a journal."""
    for file in folder.glob(f"{name}-*.npz"):
        file.unlink(missing_ok=True)


class _Pending:
    """What legs found that is not written yet."""

    def __init__(self) -> None:
        self.results: list[PassResult] = []
        self.ranges: list[tuple[int, int]] = []
        self._begin = time.monotonic()

    def add(self, leg: Sequence[Group], result: PassResult) -> None:
        self.results = [PassResult.merge_all([*self.results, result])]
        self.ranges += [(group.start, group.stop) for group in leg]

    def merged(self) -> PassResult:
        return self.results[0]

    def age_s(self) -> float:
        return time.monotonic() - self._begin


def without(groups: Sequence[Group], done: Sequence[tuple[int, int]]) -> list[Group]:
    """Return groups less ranges of rows, which are in order and do not overlap.

    Whole blocks stay what they were: a cache knows them by their edges.
    """
    left: list[Group] = []
    for group in groups:
        start = group.start
        for first, last in [*done, (group.stop, group.stop)]:
            if last <= start or first > group.stop:
                continue
            if first > start:
                inside = -(-(start - group.start) // group.block_rows) * group.block_rows
                edges = sorted({start, min(max(group.start + inside, start), first), first})
                left += [replace(group, start=a, stop=b) for a, b in pairwise(edges)]
            start = last
    return left


def mark_of(task: Any, context: Any, about: str = "") -> str:
    """Return a digest of what a pass computes: of its task and its context, less circumstances."""
    digest = blake2b(f"{task.__module__}.{task.__name__}|{about}".encode(), digest_size=16)
    _feed(digest, context)
    return digest.hexdigest()


def digest_of(value: Any) -> str:
    """Return a digest of numbers, arrays and dataclasses of them, however they lie in memory."""
    digest = blake2b(digest_size=16)
    _feed(digest, value)
    return digest.hexdigest()


def _feed(digest: Any, value: Any) -> None:
    if isinstance(value, np.ndarray):
        digest.update(f"{value.dtype.str}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value))
    elif isinstance(value, tuple | list):
        digest.update(f"({len(value)}".encode())
        for part in value:
            _feed(digest, part)
    elif is_dataclass(value) and not isinstance(value, type):
        digest.update(type(value).__name__.encode())
        for field in fields(value):
            if field.name not in CIRCUMSTANCES:
                digest.update(field.name.encode())
                _feed(digest, getattr(value, field.name))
    else:
        digest.update(repr(value).encode())


def _n_rows(groups: Sequence[Group]) -> int:
    return sum(group.n_rows for group in groups)
