"""The values of Arrow columns as rows of NumPy; a missing one is a NaN."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamkm.errors import SourceError
from streamkm.sources.fields import Field, listed, pyarrow

TILE_BYTES: Final = 1 << 17


def fill(out: NDArray[Any], batch: Any, fields: Sequence[Field], name: str) -> None:
    """Write a record batch into rows; a missing value becomes NaN."""
    columns = [
        values_of(column, field, name) for field, column in zip(fields, batch.columns, strict=True)
    ]
    tile = max(TILE_BYTES // max(out.strides[0], 1), 1)
    for start in range(0, len(out), tile):  # rows stay in cache until their last column is there
        offset = 0
        for values in columns:
            width = values.shape[1]
            out[start : start + tile, offset : offset + width] = values[start : start + tile]
            offset += width


def values_of(column: Any, field: Field, name: str) -> NDArray[Any]:
    """Return the values of a column, shape (n_rows, width); not copied where that can be."""
    if field.classes is not None:
        return _codes(column, field, name)[:, None]
    if pyarrow("a table").types.is_nested(column.type):
        return _lists(column, field, name)
    return _numbers(column)[:, None]


def completed(field: Field, column: Any) -> Field:
    """Return a field with what some of its rows say: the width of its lists, missing values."""
    if field.classes is not None:
        return field
    if field.width == 0 and len(column) > column.null_count:
        field = replace(field, width=max(length_of_lists(column)))
    if field.stored.kind == "f" or field.has_nulls:
        return field
    return replace(field, has_nulls=n_missing(column) > 0)


def _numbers(column: Any) -> NDArray[Any]:
    types = pyarrow("a table").types
    is_whole = types.is_integer(column.type) or types.is_boolean(column.type)
    if not (types.is_floating(column.type) or (is_whole and not column.null_count)):
        column = column.cast("double", safe=False)
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values


def _codes(column: Any, field: Field, name: str) -> NDArray[Any]:
    """Return the number of each label's class."""
    import pyarrow.compute

    classes = pyarrow.array(field.classes, pyarrow.string())
    found = pyarrow.compute.index_in(column.cast(pyarrow.string()), value_set=classes)
    if found.null_count:
        raise SourceError(f"{name}: column {field.name} has changed since it was opened")
    codes: NDArray[Any] = found.to_numpy()
    return codes


def _lists(column: Any, field: Field, name: str) -> NDArray[Any]:
    lengths = length_of_lists(column)
    if len(lengths) and lengths != {field.width}:
        raise SourceError(
            f"{name}: column {field.name} holds lists of length "
            f"{listed(sorted(map(str, lengths | {field.width})))}; each row needs as many features"
        )
    if not column.null_count:
        return _numbers(column.flatten()).reshape(len(column), field.width)
    values = np.full((len(column), field.width), np.nan)
    is_there = column.is_valid().to_numpy(zero_copy_only=False)
    values[is_there] = _numbers(column.drop_null().flatten()).reshape(-1, field.width)
    return values


def length_of_lists(column: Any) -> set[int]:
    """Return the lengths of a column's lists."""
    import pyarrow.compute

    lengths = pyarrow.compute.list_value_length(column).drop_null()
    return set(pyarrow.compute.unique(lengths).to_pylist())


def n_missing(column: Any) -> int:
    """Return how many values of a column are missing, in its lists too."""
    missing = int(column.null_count)
    if pyarrow("a table").types.is_nested(column.type):
        missing += int(column.flatten().null_count)
    return missing
