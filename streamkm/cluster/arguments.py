"""Reading the arguments of `fit`: weights, seeds, parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from streamkm.data.dataset import Dataset
from streamkm.data.digest import sampled, whole
from streamkm.errors import SourceError
from streamkm.sources.array import MemorySource
from streamkm.sources.columns import MemoryColumn
from streamkm.typing import F64, ColumnSource, RowSource


def needs_out(rows: RowSource) -> None:
    """Refuse to hold a value a row of data that is not in memory."""
    if not isinstance(rows, MemorySource):
        raise SourceError(
            "the rows are not in memory, so their labels may not fit there either; "
            "pass out=PATH (Zarr, .npy, .csv or .parquet)"
        )


def check_weights(weights: Any, n_rows: int) -> F64:
    """Return sample weights as float64, shape (n_rows,).

    Raises
    ------
    SourceError
        If their number is wrong, or one is negative or not finite.
    """
    values = np.asarray(weights, np.float64)
    if values.ndim == 0:
        values = np.full(n_rows, float(values))
    if values.shape != (n_rows,):
        raise SourceError(f"sample_weight.shape == {values.shape}, expected ({n_rows},)")
    if not np.isfinite(values).all() or (values < 0.0).any():
        raise SourceError("sample_weight must be finite and not negative")
    return values


def weights_of(rows: RowSource, sample_weight: Any) -> ColumnSource | None:
    """Return the weights passed, else those of the store, else None."""
    if sample_weight is not None:
        return MemoryColumn(check_weights(sample_weight, rows.shape[0]))
    return rows.sample_weight if isinstance(rows, Dataset) else None


def digest_of_weights(weights: ColumnSource | None) -> str:
    """Return what tells these weights from others."""
    if weights is None:
        return ""
    return whole(weights.values) if isinstance(weights, MemoryColumn) else sampled(weights)


def seed_of(random_state: Any) -> int:
    """Return one seed: an integer as it is, a fresh one for None, a draw of a generator."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, (int, np.integer)):
        if random_state < 0:
            raise SourceError(f"random_state must not be negative, got {random_state}")
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31))


def to_json(value: Any) -> Any:
    """Return a parameter as JSON; arrays and models by their values, callables by their names."""
    if isinstance(value, (np.integer, np.floating)):
        return value.item()
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "cluster_centers_"):
        value = value.cluster_centers_
    if callable(value) or isinstance(value, (np.random.RandomState, np.random.Generator)):
        return f"<{getattr(value, '__name__', type(value).__name__)}>"
    return {"array": np.asarray(value, np.float64).tolist()}
