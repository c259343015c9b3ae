"""What every task shares: reading a group, and the shape of what it returns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from typing import Any, Final

import numpy as np

from streamkm.data.retry import retried
from streamkm.errors import BadRowsError, SourceError
from streamkm.kernels.moments import find_bad_rows
from streamkm.metering import Meter, metered, reading
from streamkm.tasks.ahead import read_blocks
from streamkm.typing import F64, ColumnSource, Mergeable, Rows, SourceInfo


@dataclass(frozen=True, slots=True)
class PassStats:
    """What a pass cost: bytes, rows, and seconds summed over its tasks.

    Reading is the wait for stored bytes; decoding, what made rows of them.
    Where a source does not tell them apart, both are reading.
    """

    bytes_read: int = 0
    bytes_decoded: int = 0
    n_rows: int = 0
    read_s: float = 0.0
    decode_s: float = 0.0
    compute_s: float = 0.0
    merge_s: float = 0.0

    @classmethod
    def of(cls, meter: Meter, n_rows: int = 0, compute_s: float = 0.0) -> PassStats:
        """Return what a meter counted, and the rest."""
        return cls(
            meter.bytes_read, meter.bytes_decoded, n_rows, meter.read_s, meter.decode_s, compute_s
        )

    @classmethod
    def merge_all(cls, parts: Sequence[PassStats]) -> PassStats:
        """Add them all."""
        return cls(*map(sum, zip(*map(_NUMBERS, parts), strict=True)))


_NUMBERS: Final = attrgetter(*PassStats.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class PassResult:
    """One Mergeable for each model that shares the pass, and what the pass cost."""

    parts: tuple[Any, ...]
    stats: PassStats

    @classmethod
    def merge_all(cls, results: Sequence[PassResult]) -> PassResult:
        """Merge model by model, and count the time of it."""
        begin = time.perf_counter()
        columns: list[Sequence[Mergeable]] = list(
            zip(*(result.parts for result in results), strict=True)
        )
        parts = tuple(type(column[0]).merge_all(column) for column in columns)
        stats = PassStats.merge_all([result.stats for result in results])
        return cls(parts, replace(stats, merge_s=stats.merge_s + time.perf_counter() - begin))


Consume = Callable[[int, Rows, F64 | None], None]


def read_group(group: Any, context: Any, consume: Consume) -> PassStats:
    """Read a group block by block, with the rows' weights, and time it.

    Where reading takes time the next block is read while one is consumed:
    the seconds of both count, so that their sum may be more than went by.
    """
    n_rows, compute_s = 0, 0.0
    weights: ColumnSource | None = getattr(context, "weights", None)
    source = context.source
    may_lead = can_read_ahead(source)
    get = partial(retried, source.read) if may_lead else source.read  # a stream has moved on

    def read(block: Any) -> tuple[int, Rows, F64 | None]:
        start, stop = block.start, block.stop
        with reading():
            rows = get(start, stop)
            mass = None if weights is None else read_weights(weights, start, stop)
        return start, rows, mass

    with (
        metered() as meter,
        closing(read_blocks(read, group.blocks(), may_lead=may_lead)) as parts,
    ):
        for part in parts:
            begin = time.perf_counter()
            consume(*part)
            compute_s += time.perf_counter() - begin
            n_rows += len(part[1])
            del part  # so that no third block is in memory
    return PassStats.of(meter, n_rows, compute_s)


def can_read_ahead(source: Any) -> bool:
    """Tell whether a task may read a block before it is done with the one in front.

    Not where labels that `consume` reads would send a stream back, and not
    where reading a block is the work itself, or rows are in memory already:
    such a thing has no `info`.
    """
    info: SourceInfo | None = getattr(source, "info", None)
    return info is not None and not info.is_sequential


def read_weights(weights: ColumnSource, start: int, stop: int) -> F64:
    """Read weights; refuse those that are negative or not finite."""
    mass: F64 = np.ascontiguousarray(weights.read(start, stop), np.float64)
    bad = np.flatnonzero(~(np.isfinite(mass) & (mass >= 0.0)))
    if len(bad):
        raise SourceError(
            f"sample_weight must be finite and not negative, got {mass[bad[0]]} at row "
            f"{start + bad[0]}"
        )
    return mass


def refuse_bad(labels: Rows, start: int) -> None:
    """Raise where a row has no label because it holds NaN or infinity."""
    bad = np.flatnonzero(labels < 0)
    if len(bad):
        raise BadRowsError(bad_rows_message(len(bad), (bad[:5] + start).tolist()))


def refuse_bad_values(rows: Rows, start: int, names: Sequence[str] = ()) -> None:
    """Raise where rows hold NaN or infinity; name the column of the first, where it has one."""
    bad = find_bad_rows(rows)
    if len(bad):
        feature = int(np.flatnonzero(~np.isfinite(rows[bad[0]]))[0])
        column = f"column {names[feature]}" if names else f"feature {feature}"
        raise BadRowsError(bad_rows_message(len(bad), (bad[:5] + start).tolist(), column))


def bad_rows_message(n_bad: int, first: list[int], column: str = "") -> str:
    """Say how many rows are bad and which come first."""
    numbers = ", ".join(str(row) for row in first)
    more = ", ..." if n_bad > len(first) else ""
    where = f", the first in {column}" if column else ""
    return (
        f"{n_bad} rows hold NaN or infinity (rows {numbers}{more}), counted from 0{where}; a "
        "missing value is a NaN; make a store without them: streamkm convert SRC STORE "
        "--on-bad-rows drop"
    )
