"""What is done with a fitted model: labels, distances and inertia, in memory or streamed."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from streamkm.cluster.passes import Passes
from streamkm.data.dataset import Dataset
from streamkm.data.output import MemoryTarget, Target, open_output
from streamkm.data.unfinished import DoneChunks
from streamkm.runtime.base import Executor
from streamkm.runtime.events import PassStarted
from streamkm.tasks import use as tasks
from streamkm.tasks.base import refuse_bad, refuse_bad_values
from streamkm.typing import F64, I32, ColumnSource, Labeler, Rows, RowSource

if TYPE_CHECKING:
    from streamkm.cluster.base import Clusterer


def write_labels(
    model: Clusterer, rows: RowSource, out: Any, executor: Executor,
    memory_limit: int | str | None, overwrite: bool,
) -> Any:  # fmt: skip
    """Write the label of every row to an array or a path, and return it."""
    shape = (rows.shape[0],)
    return _write(model, rows, out, executor, memory_limit, overwrite, tasks.predict, shape, "i4")


def write_distances(
    model: Clusterer, rows: RowSource, out: Any, executor: Executor,
    memory_limit: int | str | None, overwrite: bool,
) -> Any:  # fmt: skip
    """Write the distances of every row to all centers, and return where."""
    shape = (rows.shape[0], len(model.cluster_centers_))
    return _write(model, rows, out, executor, memory_limit, overwrite, tasks.transform, shape, "f8")


def _write(
    model: Clusterer, rows: RowSource, out: Any, executor: Executor,
    memory_limit: int | str | None, overwrite: bool, task: Any, shape: tuple[int, ...], dtype: str,
) -> Any:  # fmt: skip
    width = 1 if len(shape) == 1 else shape[1]
    if hasattr(rows, "evenly"):
        rows = rows.evenly()  # no two tasks may write to one chunk
    passes = Passes(rows, None, executor, memory_limit, model.n_values, width)
    if isinstance(out, np.ndarray):
        _run(passes, task, model, MemoryTarget(out), None)
        return out
    executor.preflight(rows)
    first, chunk_rows = passes.groups[0], rows.info.natural_rows
    block_rows = getattr(first, "block_rows", first.n_rows)
    if block_rows % chunk_rows:  # blocks are whole chunks wherever the memory suffices
        chunk_rows = block_rows
    identity = None
    if isinstance(rows, Dataset):  # of others no fingerprint tells all rows
        used = hashlib.sha256(pickle.dumps(model.labeler_)).hexdigest()
        identity = {"task": task.__name__, "rows": rows.spec.fingerprint, "model": used}
    with open_output(out, shape, dtype, chunk_rows, overwrite=overwrite, identity=identity) as (
        target,
        done,
    ):
        _run(passes, task, model, target, done)
    return Path(out)


def _run(
    passes: Passes, task: Any, model: Clusterer, target: Target, done: DoneChunks | None
) -> None:
    executor = passes.executor
    if executor.listener is not None:
        title = "labelling" if task is tasks.predict else "measuring distances"
        executor.listener(PassStarted(task.__name__, title, passes.source.shape[0]))
    context = tasks.WriteContext(passes.source, model.labeler_, target, done)
    executor.for_each(task, passes.groups, context)


def inertia_over(
    model: Clusterer,
    rows: RowSource,
    weights: ColumnSource | None,
    executor: Executor,
    memory_limit: int | str | None,
) -> float:
    """Return the inertia of any rows under a model."""
    passes = Passes(rows, weights, executor, memory_limit, model.n_values)
    context = tasks.ScoreContext(passes.source, weights, model.labeler_)
    (part,) = passes.run(tasks.score, context, stage="score", title="scoring")
    passes.note()
    return float(part.value())


def map_lazily(model: Clusterer, rows: Any, *, is_label: bool) -> Any:
    """Return labels or distances of a dask array as a lazy dask array."""
    from streamkm.runtime.dask_input import lazy_map

    labeler = model.labeler_
    if is_label:
        return lazy_map(rows.array, label_chunk, labeler, None, "i4")
    return lazy_map(rows.array, distance_chunk, labeler, labeler.n_clusters, "f8")


def label_chunk(rows: Rows, labeler: Labeler) -> I32:
    """Label one chunk of a dask array."""
    labels = labeler.assign(np.asarray(rows))[0]
    refuse_bad(labels, 0)
    return labels


def distance_chunk(rows: Rows, labeler: Labeler) -> F64:
    """Return the distances of one chunk of a dask array."""
    refuse_bad_values(np.asarray(rows), 0)
    return labeler.distances(np.asarray(rows))
