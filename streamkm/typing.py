"""Shared type aliases and the protocols that hold the package together.

`Mergeable` is the only thing that a task may return, `RowSource` the only
thing that rows are read from. Both are protocols: nothing has to inherit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
I64 = NDArray[np.int64]
I32 = NDArray[np.int32]
U8 = NDArray[np.uint8]
Rows = NDArray[Any]  # (n_rows, n_features) of the data's own dtype
Json = dict[str, Any]

C_contra = TypeVar("C_contra", contravariant=True)
M_co = TypeVar("M_co", bound="Mergeable", covariant=True)


class Mergeable(Protocol):
    """A commutative monoid: partial results that merge in any order."""

    @classmethod
    def merge_all(cls, parts: Sequence[Self]) -> Self:
        """Merge all parts into a new value; never mutate them."""
        ...


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What a reader knows of its rows besides shape and dtype.

    Parameters
    ----------
    name
        What people call the data, without folders or host names.
    sample_shape
        Shape of one sample before it was flattened, such as (28, 28); empty
        when a sample is just a row of numbers.
    natural_rows
        Rows that are stored together: reads aligned to it cost least.
    is_sequential
        True when going backwards means starting again (compressed streams),
        so that one task should read the rows in order.
    parts
        First rows of stretches of a sequential source that can be read apart
        from each other, such as the files of a glob: a task each.
    scratch_bytes
        Memory that a read needs beyond the rows it returns.
    is_column
        True for a 1-D array: labels or weights, not rows.
    feature_names
        What the features are called; empty where the source does not say.
    """

    name: str
    sample_shape: tuple[int, ...] = ()
    natural_rows: int = 1
    is_sequential: bool = False
    parts: tuple[int, ...] = ()
    scratch_bytes: int = 0
    is_column: bool = False
    feature_names: tuple[str, ...] = ()


@runtime_checkable
class RowSource(Protocol):
    """Random access by row range: what makes a pass parallel and resumable."""

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of features."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """The data's own dtype."""
        ...

    @property
    def info(self) -> SourceInfo:
        """Facts for the planner and for people."""
        ...

    @property
    def labels(self) -> ColumnSource | None:
        """One label a row, where the format has them."""
        ...

    def read(self, start: int, stop: int) -> Rows:
        """Rows `start` to `stop` (exclusive), shape (stop - start, n_features)."""
        ...


class ColumnSource(Protocol):
    """One number a row: labels or weights."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n_rows,)."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the values."""
        ...

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return the values of rows `start` to `stop` (exclusive)."""
        ...


class Labeler(Protocol):
    """A fitted model as the workers see it: what labels rows. Picklable."""

    @property
    def n_clusters(self) -> int:
        """Labels run from 0 to `n_clusters` - 1."""
        ...

    def assign(self, rows: Rows) -> tuple[I32, F64]:
        """Return labels (-1 for a row with NaN or infinity) and squared distances."""
        ...

    def distances(self, rows: Rows) -> F64:
        """Distances to all clusters, shape (n_rows, n_clusters)."""
        ...

    def points(self, rows: Rows) -> Rows:
        """Return the rows where distances are measured: themselves, or embedded."""
        ...

    @property
    def at_points(self) -> PointLabeler:
        """What labels such points: itself, or the model inside the embedding."""
        ...


class PointLabeler(Labeler, Protocol):
    """A labeler that measures distances between the rows it is given."""

    @property
    def frame(self) -> Any:
        """The `Frame` that they are measured from."""
        ...


class WorkUnit(Protocol):
    """What an executor needs to know of a group of blocks."""

    @property
    def n_rows(self) -> int:
        """Rows in the group, for progress."""
        ...


class TaskFunction(Protocol[C_contra, M_co]):
    """A function of `tasks.py`: one group and the pass's context in, one Mergeable out."""

    __name__: str

    def __call__(self, group: Any, context: C_contra, /) -> M_co:
        """Work through one group."""
        ...


InitCallable = Callable[..., NDArray[Any]]
Listener = Callable[[Any], None]
Attributes = Mapping[str, Any]
