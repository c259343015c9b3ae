"""What every task shares: reading a group, and the shape of what it returns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamkm.errors import BadRowsError, SourceError
from streamkm.kernels.moments import find_bad_rows
from streamkm.metering import metered
from streamkm.typing import F64, ColumnSource, Mergeable, Rows


@dataclass(frozen=True, slots=True)
class PassStats:
    """What a pass cost: bytes read and decoded, rows, seconds summed over tasks."""

    bytes_read: int = 0
    bytes_decoded: int = 0
    n_rows: int = 0
    read_s: float = 0.0
    compute_s: float = 0.0

    @classmethod
    def merge_all(cls, parts: Sequence[PassStats]) -> PassStats:
        """Add them all."""
        return cls(*(sum(getattr(p, name) for p in parts) for name in cls.__dataclass_fields__))


@dataclass(frozen=True, slots=True)
class PassResult:
    """One Mergeable for each model that shares the pass, and what the pass cost."""

    parts: tuple[Any, ...]
    stats: PassStats

    @classmethod
    def merge_all(cls, results: Sequence[PassResult]) -> PassResult:
        """Merge model by model."""
        columns: list[Sequence[Mergeable]] = list(
            zip(*(result.parts for result in results), strict=True)
        )
        parts = tuple(type(column[0]).merge_all(column) for column in columns)
        return cls(parts, PassStats.merge_all([result.stats for result in results]))


Consume = Callable[[int, Rows, F64 | None], None]


def read_group(group: Any, context: Any, consume: Consume) -> PassStats:
    """Read a group block by block, with the rows' weights, and time it."""
    read_s = compute_s = 0.0
    weights: ColumnSource | None = getattr(context, "weights", None)
    with metered() as meter:
        for block in group.blocks():
            begin = time.perf_counter()
            rows = context.source.read(block.start, block.stop)
            mass = None
            if weights is not None:
                mass = read_weights(weights, block.start, block.stop)
            middle = time.perf_counter()
            consume(block.start, rows, mass)
            read_s += middle - begin
            compute_s += time.perf_counter() - middle
    return PassStats(meter.bytes_read, meter.bytes_decoded, group.n_rows, read_s, compute_s)


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


def refuse_bad_values(rows: Rows, start: int) -> None:
    """Raise where rows hold NaN or infinity."""
    bad = find_bad_rows(rows)
    if len(bad):
        raise BadRowsError(bad_rows_message(len(bad), (bad[:5] + start).tolist()))


def bad_rows_message(n_bad: int, first: list[int]) -> str:
    """Say how many rows are bad and which come first."""
    numbers = ", ".join(str(row) for row in first)
    return (
        f"{n_bad} rows hold NaN or infinity (rows {numbers}{', ...' if n_bad > len(first) else ''})"
        "; drop them with: streamkm convert --on-bad-rows drop"
    )
