"""What everything that looks at rows under fitted models shares: opening, planning, shipping."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from streamkm.cluster.arguments import weights_of
from streamkm.cluster.base import Clusterer
from streamkm.cluster.cutting import held_beside
from streamkm.cluster.journal import digest_of
from streamkm.cluster.model import load_model
from streamkm.cluster.names import refuse_other_rows
from streamkm.cluster.passes import Passes
from streamkm.cluster.progress import shown
from streamkm.cluster.rows import as_rows, facts_of, shipped
from streamkm.cluster.rundir import RunDir, taken
from streamkm.data.digest import fingerprint, of_column, stamp
from streamkm.errors import SourceError
from streamkm.runtime import make_executor
from streamkm.runtime.base import Executor
from streamkm.sources import open_column
from streamkm.sources.array import MemorySource
from streamkm.sources.columns import MemoryColumn
from streamkm.tasks.judge import Subject
from streamkm.typing import I64, ColumnSource, RowSource


@dataclass(frozen=True, slots=True)
class Reading:
    """Rows that are about to be passed over, under some models.

    Parameters
    ----------
    rows
        As they were opened.
    passes
        Over them.
    models
        Fitted.
    weights, classes
        One a row, or None.
    """

    rows: RowSource
    passes: Passes
    models: tuple[Clusterer, ...]
    weights: ColumnSource | None
    classes: ColumnSource | None

    def subject(self, model: Clusterer, **known: Any) -> Subject:
        """Return a model as the passes take it."""
        labeler = model.labeler_
        frame = labeler.at_points.frame
        return Subject(labeler, model.cluster_centers_, frame, **known)


@dataclass(frozen=True, slots=True)
class Running:
    """Who passes over the rows, under what limit; None for the model's own, or the default.

    A pass that lasts longer than `checkpoint_every_s` goes on after a kill where there
    is a run directory.
    """

    executor: str | Executor | None = None
    memory_limit: int | str | None = None
    run_dir: str | Path | None = None
    checkpoint_every_s: float = 300.0

    def __post_init__(self) -> None:
        if not self.checkpoint_every_s > 0:
            raise SourceError(f"checkpoint_every_s must be positive, got {self.checkpoint_every_s}")


@contextmanager
def reading(
    models: Sequence[Clusterer | str | Path],
    X: Any,
    columns: tuple[Any, Any],
    running: Running,
    *,
    row_values: int = 0,
    rows_kept: tuple[int, bool] = (0, False),
) -> Iterator[Reading]:
    """Open rows under models for the time of a call.

    Parameters
    ----------
    models
        Fitted, or the paths of saved ones.
    X
        Rows, as for `fit`.
    columns
        Labels and weights as `evaluate` takes them.
    running
        Who passes over them.
    row_values
        Numbers that a task holds for each row of a block.
    rows_kept
        Rows of each cluster that it keeps numbers of, and whether it keeps them too.

    Raises
    ------
    SourceError
        If a model has other features than the rows, or a column another length.
    """
    opened = tuple(map(model_of, models))
    rows = as_rows(X)
    for model in opened:
        refuse_other_rows(model, rows)
    classes, weights = classes_of(rows, columns[0]), weights_of(rows, columns[1])
    capacity, is_whole = rows_kept
    width = rows.shape[1] + 4 if is_whole else 4
    values = sum(
        model.n_values + 2 * model.cluster_centers_.size
        + min(capacity, rows.shape[0]) * width * len(model.cluster_centers_)
        for model in opened
    )  # fmt: skip
    chosen = running.executor if running.executor is not None else opened[0].executor
    limit = running.memory_limit if running.memory_limit is not None else opened[0].memory_limit
    executor = make_executor(chosen)
    try:
        with (
            taken(running.run_dir) as run,
            shipped(rows, weights, executor) as (source, mass),
            shipped(source, classes, executor) as (_, known),
        ):
            executor.preflight(None if isinstance(source, MemorySource) else source)
            held = held_beside(rows, sum(model.cluster_centers_.size for model in opened))
            passes = Passes(source, mass, executor, limit, values, row_values, held)
            current = Reading(rows, passes, opened, mass, known)
            if run is None:
                yield current
                return
            _begin(run, current, (weights, classes), running.checkpoint_every_s)
            with shown(passes.executor, run):
                yield current
            run.finish(passes.history, {})
    finally:
        if executor is not chosen:
            executor.close()


def _begin(
    run: RunDir, current: Reading, columns: tuple[ColumnSource | None, ...], every_s: float
) -> None:
    """Have a run directory keep what the passes find, or go on with what it has of them."""
    weights, classes = map(of_column, columns)
    identity = {
        "fingerprint": fingerprint(current.rows), "weights": weights, "classes": classes,
        "models": digest_of([model.labeler_ for model in current.models]),
    }  # fmt: skip
    n_clusters = sorted({len(model.cluster_centers_) for model in current.models})
    known = {"n_clusters": n_clusters[0]} if len(n_clusters) == 1 else {}
    run.begin(
        {"algorithm": "score", "parameters": known, **identity, "_about": facts_of(current.rows)}
    )
    run.load()  # nothing: but the history of a run before is no part of this one's
    about = " ".join([*identity.values(), stamp(current.rows)])
    current.passes.journal = run.journal(every_s, about)


def model_of(model: Any) -> Clusterer:
    """Return a fitted model, loaded where a path is given."""
    if isinstance(model, (str, Path)):
        return load_model(model)
    if not isinstance(model, Clusterer):
        raise SourceError(
            f"{type(model).__name__} is not a model of streamkm; "
            "KMeans.from_centers makes one of its centers"
        )
    check_is_fitted(model)
    return model


def space_of(model: Clusterer) -> str | None:
    """Return where a model measures distances, in words; None among the rows themselves."""
    return "the embedding" if model.embeds else None


def class_names_of(column: ColumnSource | None, classes: I64) -> tuple[str, ...]:
    """Return what classes are called: by the labels' own names, else by their numbers."""
    names = getattr(column, "class_names", ())
    return tuple(names[k] if 0 <= k < len(names) else str(k) for k in classes.tolist())


def classes_of(rows: RowSource, y: Any) -> ColumnSource | None:
    """Return the labels passed, else those of the rows' own source, else None."""
    if y is None:
        return rows.labels
    column = y
    if isinstance(y, (str, Path)):
        column = open_column(y)
    elif not (hasattr(y, "read") and hasattr(y, "shape")):
        column = MemoryColumn(np.asarray(y))
    if column.shape[0] != rows.shape[0]:
        raise SourceError(f"{column.shape[0]} labels for {rows.shape[0]} rows")
    found: ColumnSource = column
    return found
