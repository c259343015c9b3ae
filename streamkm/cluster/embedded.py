"""An embedding on disk: written by one pass, read by the passes of a k-means fit."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np

from streamkm.cluster.kmeans import KMeans
from streamkm.cluster.passes import Passes
from streamkm.cluster.rows import as_rows
from streamkm.cluster.rundir import EMBEDDING
from streamkm.data.digest import sampled
from streamkm.data.output import open_output
from streamkm.data.store import discard
from streamkm.errors import StoreError, StoreExistsError
from streamkm.kernels.embedding import Embedding
from streamkm.tasks import spectral as tasks
from streamkm.typing import U8

ENDINGS: Final = (".zarr", ".npy")


@contextmanager
def place_for(kept: str | Path | None, run_dir: str | Path | None) -> Iterator[Path]:
    """Say where the embedding lies: where it is kept, else in the run, else for this call.

    What is not kept is removed when the block ends without an error, and from
    outside a run, in any case.
    """
    if kept is not None:
        yield Path(kept).absolute()  # workers run in folders of their own
    elif run_dir is not None:
        path = Path(run_dir, EMBEDDING).absolute()
        yield path
        discard(path)
    else:
        folder = Path(tempfile.mkdtemp(prefix="streamkm-"))
        try:
            yield folder / EMBEDDING
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def refuse_taken(path: str | Path | None) -> None:
    """Refuse a name that is taken before hours of work."""
    if path is not None and Path(path).exists():
        raise StoreExistsError(f"{path} exists; choose another name for the embedding")


def write_embedding(
    passes: Passes, embedding: Embedding, path: Path, memory_limit: int | str | None
) -> None:
    """Embed all rows and write them to a Zarr array or a .npy file, float32."""
    rows = passes.release()
    if hasattr(rows, "evenly"):
        rows = rows.evenly()  # no two tasks may write to one chunk
    n_components = embedding.projection.shape[1]
    values = embedding.landmarks.points.size + embedding.projection.size
    writer = Passes(rows, None, passes.executor, memory_limit, values, n_components)
    writer.history = passes.history
    first = writer.groups[0]
    block_rows = getattr(first, "block_rows", first.n_rows)
    shape = (rows.shape[0], n_components)
    with open_output(path, shape, "f4", block_rows, overwrite=True) as (target, _):
        context = tasks.EmbedContext(writer.source, embedding, target)
        writer.run(tasks.embed, context, stage="embed", title="embedding the rows")
    writer.note()


def passes_over(
    path: Path,
    digest: U8,
    passes: Passes,
    model: KMeans,
    memory_limit: int | str | None,
    is_resumed: bool,
) -> Passes:
    """Return the means of a model to pass over an embedding; they join the same history.

    Resumed, the first look at it is in the history already.

    Raises
    ------
    StoreError
        If the path holds other rows than this run wrote there.
    """
    passes.release()
    rows = as_rows(path)
    if not np.array_equal(digest_of(path), digest):
        raise StoreError(f"{path} does not hold this run's embedding; choose another name")
    model.check_parameters()
    values = model.model_values(rows)
    held = model.held_bytes(rows)
    over = Passes(rows, passes.weights, passes.executor, memory_limit, values, held_bytes=held)
    over.history = [] if is_resumed else passes.history
    model.look(over)
    over.history = passes.history
    return over


def digest_of(path: Path) -> U8:
    """Return the digest of an embedding as numbers, for a checkpoint."""
    return np.frombuffer(bytes.fromhex(sampled(as_rows(path))), np.uint8)
