"""Small stores of weighted rows, written at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import numpy as np
import zarr
from zarr.storage import LocalStore

from streamkm.data.digest import whole
from streamkm.data.exchange import put_in_place
from streamkm.data.spec import DatasetSpec
from streamkm.data.store import DEFAULT_CODEC, check_replaceable, create_array, discard
from streamkm.errors import StorageError, StoreExistsError
from streamkm.typing import F64, Json, Rows

CHUNK_BYTES: Final = 16 << 20


def write_weighted(
    path: str | Path, rows: Rows, weights: F64, facts: Json, *, overwrite: bool
) -> None:
    """Write a store with an array `sample_weight`; it appears under its name when it is whole.

    Parameters
    ----------
    path
        Folder of the new store.
    rows, weights
        Shape (n, n_features) and (n,).
    facts
        `moments`, `sample_shape`, `source` and `feature_names` as in
        `DatasetSpec`, and what else the store should say of itself, by attribute.
    overwrite
        Replace a store that has the name.

    Raises
    ------
    StoreExistsError
        If the name is taken.
    """
    final = Path(path)
    if final.exists() and not overwrite:
        raise StoreExistsError(f"{final} exists; pass overwrite (--overwrite) to replace it")
    check_replaceable(final, "dataset")
    row_bytes = rows.shape[1] * rows.dtype.itemsize
    spec = DatasetSpec(
        n_rows=len(rows),
        n_features=rows.shape[1],
        dtype=rows.dtype.str,
        chunk_rows=min(max(CHUNK_BYTES // row_bytes, 1), len(rows)),
        codec=DEFAULT_CODEC,
        sample_shape=tuple(facts.pop("sample_shape")),
        source=facts.pop("source"),
        feature_names=tuple(facts.pop("feature_names")),
        moments=facts.pop("moments"),
        fingerprint=whole(rows) + whole(weights),
    )
    temporary = final.with_name(f"{final.name}.{os.getpid()}.partial")
    try:
        discard(temporary)
        group = zarr.create_group(LocalStore(temporary), zarr_format=3)
        for name, values in (("X", rows), ("sample_weight", np.asarray(weights))):
            array = create_array(
                group, name, values.shape, values.dtype, spec.chunk_rows, spec.codec
            )
            array[:] = values
        group.attrs.update(spec.to_attributes() | facts)
        put_in_place(temporary, final)
    except OSError as error:
        discard(temporary)
        raise StorageError(f"{final} cannot be written ({error})") from error
