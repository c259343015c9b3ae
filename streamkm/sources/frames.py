"""Data frames, Arrow tables and labelled arrays of the caller, as the array of their numbers.

Told by what they are called and what they can do, so that nobody pays for a
library that is not in use.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamkm.errors import SourceError
from streamkm.sources.fields import (
    Field,
    choose,
    common_dtype,
    feature_names,
    fields_of,
    pyarrow,
    refuse_text,
    width_of,
)
from streamkm.sources.values import completed, fill, values_of


def is_iterator(X: Any) -> bool:
    """Return whether rows come one block after the other, once: a generator, say."""
    return isinstance(X, Iterator)


def is_frame(X: Any) -> bool:
    """Return whether X has named columns: a data frame, or an Arrow table."""
    is_named = _root(X) in ("pandas", "dask", "dask_expr") and hasattr(X, "columns")
    return is_named or _is_arrow(X)


def unwrapped(X: Any, columns: Sequence[str] = ()) -> Any:
    """Return the array behind a data frame, table or labelled array; other things as they are.

    Parameters
    ----------
    X
        Anything.
    columns
        Those of a data frame or table that are wanted; all by default.

    Returns
    -------
    array
        Of NumPy, or of dask where the rows are there. Nothing is copied where
        the values lie side by side already.

    Raises
    ------
    SourceError
        If columns are not numbers, names them; if columns are asked of what has
        none.
    """
    root = _root(X)
    if root == "xarray":
        return _of_xarray(X)
    if not is_frame(X):
        if columns:
            raise SourceError(f"columns are asked of {type(X).__name__}, which has none")
        return X
    if root == "pandas":
        return _of_pandas(X, columns)
    return _of_arrow(X, columns) if _is_arrow(X) else _of_dask(X, columns)


def names_of(X: Any, columns: Sequence[str] = ()) -> tuple[str, ...]:
    """Return what the features of a data frame or table are called; none of other things.

    Parameters
    ----------
    X, columns
        As for `unwrapped`.
    """
    if not is_frame(X):
        return ()
    if _is_arrow(X):
        pa = pyarrow("an Arrow table")
        schema = X.schema if isinstance(X.schema, pa.Schema) else pa.table(X).schema
        return feature_names(fields_of(schema, columns, "the table", "columns="))
    names = list(X.columns)
    if not all(isinstance(name, str) for name in names):
        return ()
    chosen = choose(names, columns, "the data frame") if columns else names
    return feature_names([Field(name, np.dtype(np.float64)) for name in chosen])


def text_columns(X: Any) -> list[str]:
    """Return the columns of a pandas data frame that are not numbers."""
    if _root(X) != "pandas" or not hasattr(X, "dtypes"):
        return []
    kinds = zip(X.columns, np.atleast_1d(np.array(X.dtypes, object)), strict=False)
    return [f"{name} ({kind})" for name, kind in kinds if _number_type(kind) is None]


def _root(X: Any) -> str:
    return type(X).__module__.partition(".")[0]


def _is_arrow(X: Any) -> bool:
    is_capsule = hasattr(X, "__arrow_c_stream__") or hasattr(X, "__arrow_c_array__")
    return is_capsule and _root(X) != "pandas" and hasattr(X, "schema")


def _of_xarray(X: Any) -> Any:
    if hasattr(X, "data_vars"):
        names = ", ".join(map(str, X.data_vars))
        raise SourceError(f"an xarray.Dataset of {names}: pass one of them, as ds[NAME]")
    return X.data if X.chunks is not None else X.to_numpy()


def _number_type(kind: Any) -> np.dtype[Any] | None:
    """Return the NumPy type behind a column's type, None where it does not hold numbers."""
    found = kind if isinstance(kind, np.dtype) else getattr(kind, "numpy_dtype", None)
    is_number = isinstance(found, np.dtype) and found.kind in "buif"
    return found if is_number else None


def _frame_fields(X: Any, columns: Sequence[str]) -> tuple[list[int], tuple[Field, ...]]:
    """Return where the wanted columns of a data frame stand, and what they are."""
    names, kinds = [str(name) for name in X.columns], list(X.dtypes)
    wanted = choose(names, columns, "the data frame") if columns else names
    places = [names.index(name) for name in wanted] if columns else list(range(len(names)))
    fields, refused = [], []
    for place in places:
        stored = _number_type(kinds[place])
        if stored is None:
            refused.append(f"{names[place]} ({kinds[place]})")
        else:
            fields.append(Field(names[place], stored))
    refuse_text("the data frame", refused, [field.name for field in fields], "columns=")
    return places, tuple(fields)


def _of_pandas(X: Any, columns: Sequence[str]) -> NDArray[Any]:
    places, fields = _frame_fields(X, columns)
    chosen = X.iloc[:, places] if columns else X
    if all(isinstance(kind, np.dtype) for kind in chosen.dtypes):
        plain: NDArray[Any] = chosen.to_numpy()
        return plain
    lacks = chosen.isna().any().tolist()  # types of pandas' own know missing whole numbers
    own = [Field(f.name, f.stored, has_nulls=n) for f, n in zip(fields, lacks, strict=True)]
    dtype = common_dtype(own)
    missing = {"na_value": np.nan} if dtype.kind == "f" else {}
    values: NDArray[Any] = chosen.to_numpy(dtype=dtype, **missing)
    return values


def _of_dask(X: Any, columns: Sequence[str]) -> Any:
    """Return a dask array; the lengths of its parts are computed, which is a pass over them."""
    places, fields = _frame_fields(X, columns)
    dtype = common_dtype(fields)
    if any(not isinstance(kind, np.dtype) for kind in X.dtypes) and dtype.kind != "f":
        dtype = np.dtype(np.float64)  # a missing whole number would be found too late
    chosen = X[[X.columns[place] for place in places]]
    return chosen.astype(dtype).to_dask_array(lengths=True)


def _of_arrow(X: Any, columns: Sequence[str]) -> NDArray[Any]:
    pa = pyarrow("an Arrow table")
    table = pa.table(X)
    fields = fields_of(table.schema, columns, "the table", "columns=")
    batches = table.select([field.name for field in fields]).to_batches()
    for batch in batches:
        fields = tuple(map(completed, fields, batch.columns))
    dtype = common_dtype(fields)
    if len(batches) == 1 and len(fields) == 1:
        return values_of(batches[0].column(0), fields[0], "the table").astype(dtype, copy=False)
    out = np.empty((table.num_rows, width_of(fields)), dtype)
    row = 0
    for batch in batches:
        fill(out[row : row + batch.num_rows], batch, fields, "the table")
        row += batch.num_rows
    return out
