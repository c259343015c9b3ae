"""Growing a store: what may be appended, and old chunks that are linked, not written again."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from streamkm.conversion.appended import Appended
from streamkm.conversion.plan import Conversion
from streamkm.conversion.staging import Staging
from streamkm.data.dataset import Dataset
from streamkm.data.exchange import tidy
from streamkm.data.spec import MOST_DROPPED, DatasetSpec
from streamkm.data.store import chunk_file
from streamkm.errors import SourceError, StoreError
from streamkm.typing import ColumnSource, Json, RowSource

OURS: Final = frozenset({"X", "y", "sample", "sample_index"})


def open_base(staging: Staging, source: RowSource, classes: ColumnSource | None) -> Dataset:
    """Open the store that is to grow, and refuse new rows that are not of its kind.

    Raises
    ------
    StoreError
        If there is no complete store, or it holds arrays that the new rows lack.
    SourceError
        If number of features, dtype, sample shape or labels differ.
    """
    tidy(staging.store)
    if not staging.store.exists():
        raise StoreError(f"{staging.store}: no such store to append to; convert without append")
    old = Dataset(staging.store)
    others = sorted(set(old.group.keys()) - OURS)
    if others:
        raise StoreError(
            f"{staging.store} also holds {', '.join(others)}, which the new rows lack; "
            "convert all rows anew"
        )
    shape, names = source.info.sample_shape, old.spec.class_names
    columns, old_columns = source.info.feature_names, old.spec.feature_names
    pairs: list[tuple[str, Any, Any]] = [
        ("features", old.shape[1], source.shape[1]),
        ("dtype", old.dtype, source.dtype),
        # Who says nothing of names, shape or classes may have the store's.
        ("columns", ", ".join(old_columns), ", ".join((old_columns and columns) or old_columns)),
        ("sample shape", old.spec.sample_shape, shape or old.spec.sample_shape),
        ("labels", _kind(old.labels), _kind(classes)),
        ("classes", names, getattr(classes, "class_names", ()) or names),
    ]
    differing = [f"{what}: {a} there, {b} here" for what, a, b in pairs if a != b]
    if differing:
        raise SourceError(
            f"{source.info.name} cannot be appended to {staging.store}: {'; '.join(differing)}"
        )
    return old


def _kind(labels: ColumnSource | None) -> str:
    return "none" if labels is None else str(labels.dtype)


def was_done(staging: Staging, base: Dataset | None, identity: Json) -> bool:
    """Return True where this very append was killed once the grown store had its name.

    Its plan is then still there: it is deleted last, and here.
    """
    if base is None:
        return False
    try:
        plan = json.loads(staging.plan.read_text())
        found = {**plan["identity"], "base": None, "fragment_rows": None}
        is_append = bool(plan["identity"]["base"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    wanted = json.loads(json.dumps({**identity, "base": None, "fragment_rows": None}))
    grown = replace(base.spec, moments=None, fingerprint="").to_attributes()
    is_same = found == wanted and plan["spec"] == json.loads(json.dumps(grown))
    if not (is_append and is_same) or staging.path.exists():
        return False
    staging.plan.unlink()
    return True


def grown_spec(
    spec: DatasetSpec, base: Dataset | None, chunk_rows: int | None, codec: str | None
) -> DatasetSpec:
    """Return what a store will say of itself once the rows of `spec` are behind its own.

    Parameters
    ----------
    spec
        Of the new rows alone; returned as it is where no store grows.
    base
        The store that grows.
    chunk_rows, codec
        As asked; by default the store's.
    """
    if base is None:
        return spec
    n_rows = base.spec.n_rows + spec.n_rows
    before = base.spec.n_rows + base.spec.n_dropped  # rows of the sources so far
    dropped = (*base.spec.dropped_rows, *(before + row for row in spec.dropped_rows))
    return replace(
        base.spec,
        n_rows=n_rows,
        chunk_rows=min(base.spec.chunk_rows if chunk_rows is None else chunk_rows, n_rows),
        codec=codec or base.spec.codec,
        shuffle_seed=None,
        n_dropped=base.spec.n_dropped + spec.n_dropped,
        dropped_rows=dropped[:MOST_DROPPED],
        moments=None,
        fingerprint="",
    )


def grown(job: Conversion, base: Dataset | None, whole: DatasetSpec) -> Conversion:
    """Return the conversion of the store's rows and those of `job` behind them.

    `whole` is what was planned, before bad rows were left out.
    """
    if base is None:
        return job
    if base.spec.shuffle_seed is not None:
        warnings.warn(
            f"{base.path} was shuffled; the appended rows are not mixed in, they stand at its end",
            stacklevel=3,
        )
    source = Appended(base, job.source, job.classes)
    spec = grown_spec(job.spec, base, whole.chunk_rows, whole.codec)
    return replace(job, source=source, classes=source.labels, spec=spec, base=base)


def n_linked_chunks(job: Conversion) -> int:
    """Return how many chunks of the store that grows are also the grown one's: the full ones."""
    if job.base is None:
        return 0
    old, new = job.base.spec, job.spec
    if (old.chunk_rows, old.codec) != (new.chunk_rows, new.codec):
        return 0
    return old.n_rows // old.chunk_rows


def link_chunks(job: Conversion) -> None:
    """Put the store's full chunks into the staging folder, by hard links where they can be.

    Nothing ever writes into a chunk's file, so both stores may share it.
    """
    if job.base is None:
        return
    x, y = job.staging.arrays(job.spec)
    for index in range(n_linked_chunks(job)):
        for array in (y, x):  # x last: its chunk says that the rest is there
            if array is not None:
                here = chunk_file(array, index)
                _link(Path(job.base.path, here.relative_to(job.staging.path)), here)


def _link(there: Path, here: Path) -> None:
    if here.exists():
        return
    if not there.exists():
        raise StoreError(
            f"{there}: damaged, this chunk is missing; repair the store first (--repair)"
        )
    here.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(there, here)
    except OSError:  # a file system without links
        temporary = here.with_name(here.name + ".partial")
        shutil.copyfile(there, temporary)
        temporary.replace(here)
