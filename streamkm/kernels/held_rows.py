"""Rows that are held in memory from one full pass to the next."""

from __future__ import annotations

from dataclasses import dataclass

from streamkm.kernels.settle import RowArrays
from streamkm.typing import F64, I64, Rows


@dataclass(frozen=True, slots=True)
class HeldRows:
    """Rows of one stretch of the data, with labels and bounds.

    Parameters
    ----------
    rows, weights
        Shape (n, n_features) and (n,); None where all weigh one.
    known
        Labels, upper and lower bounds.
    numbers
        Which rows of the data they are, shape (n,).
    """

    rows: Rows
    weights: F64 | None
    known: RowArrays
    numbers: I64

    @property
    def n_rows(self) -> int:
        """How many they are."""
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class HeldAway:
    """Rows of one group that the process holds which read them.

    Parameters
    ----------
    key
        Under which it holds them: of one run of a task, since another may have held others.
    n_rows
        How many they are.
    process
        Its name.
    """

    key: str
    n_rows: int
    process: str
