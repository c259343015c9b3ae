"""Fits for many numbers of clusters, and several seeds each, on shared passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from streamkm.cluster import find_algorithm
from streamkm.cluster.arguments import digest_of_weights, seed_of, weights_of
from streamkm.cluster.base import Clusterer
from streamkm.cluster.passes import Passes
from streamkm.cluster.rows import shipped
from streamkm.cluster.rundir import RunDir
from streamkm.data.digest import fingerprint, whole
from streamkm.errors import SourceError
from streamkm.metrics import Scores, accuracy, evaluate_all, fit_map
from streamkm.runtime import make_executor
from streamkm.runtime.base import Executor
from streamkm.sources.array import MemorySource
from streamkm.sweeping.choice import Choice, choices
from streamkm.sweeping.member import Member
from streamkm.sweeping.shared import Shared
from streamkm.sweeping.table import write_table
from streamkm.typing import Json, RowSource

SWEPT: Final = ("kmeans", "minibatch", "streamkm")


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a sweep found.

    Parameters
    ----------
    table
        One record a model: n_clusters, repeat, random_state, n_iter, passes,
        empty_clusters, and every measure by its name in `streamkm.metrics.MEASURES`.
    models
        The models, in the table's order.
    history
        One record a shared pass: how many models shared it, bytes, seconds.
    choices
        The number of clusters by the knee and by each criterion, with reasons.
    """

    table: list[Json]
    models: list[Clusterer] = field(repr=False)
    history: list[Json] = field(repr=False)
    choices: list[Choice]

    def best(self, n_clusters: int) -> Clusterer:
        """Return the model of so many clusters with the least inertia.

        Raises
        ------
        SourceError
            If the sweep had none.
        """
        found = [model for model in self.models if model.n_clusters == n_clusters]
        if not found:
            tried = sorted({model.n_clusters for model in self.models})
            raise SourceError(f"no model of {n_clusters} clusters; the sweep tried {tried}")
        return min(found, key=lambda model: model.inertia_)

    def write(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the table as .csv, .parquet or .json."""
        write_table(self.table, path, overwrite=overwrite)


def sweep(
    X: Any,
    n_clusters: Sequence[int],
    *,
    algorithm: str = "kmeans",
    repeats: int = 3,
    random_state: Any = None,
    y: Any = None,
    test: Any = None,
    sample_weight: Any = None,
    executor: str | Executor | None = None,
    memory_limit: int | str | None = None,
    run_dir: str | Path | None = None,
    **parameters: Any,
) -> Sweep:
    """Fit every number of clusters several times; the rows are read once for all of them.

    Parameters
    ----------
    X
        Rows, as for `KMeans.fit`.
    n_clusters
        The numbers of clusters.
    algorithm
        "kmeans", "minibatch" or "streamkm".
    repeats
        Models of each number, with the seeds random_state, random_state + 1, ...
    random_state
        The first seed; by default a fresh one.
    y
        Known classes, as for `streamkm.metrics.evaluate`; by default those of the
        store, where it has labels.
    test
        Rows with labels, in any form that has them: clusters stand for their
        majority classes among the rows of the fit, and `test_accuracy` is the
        share of these rows that it is right about.
    sample_weight
        Weights, as for `KMeans.fit`.
    executor, memory_limit
        As for `KMeans`; the limit is for all models together.
    run_dir
        Folder for the checkpoints of each model; the same call goes on from them.
    parameters
        Of the algorithm's estimator, the same for all models.

    Returns
    -------
    sweep
        Table, models, history, and which number each criterion chooses.

    Raises
    ------
    SourceError
        If a parameter is out of its range.

    Notes
    -----
    Each model has the bits that it has when it is fitted alone. In a pass every
    block is read once, and every model that is still running takes what it wants
    of it; the passes are as many as those of the slowest model. Where models cut
    the rows differently (StreamKM's leaves), up to a 50th is read twice.

    Examples
    --------
    >>> import streamkm
    >>> found = streamkm.sweep("blobs:2000x4?centers=5&seed=0", [3, 5, 7], random_state=0)
    >>> [row["n_clusters"] for row in found.table]
    [3, 3, 3, 5, 5, 5, 7, 7, 7]
    """
    if algorithm not in SWEPT:
        raise SourceError(f"algorithm must be one of {', '.join(SWEPT)}, got {algorithm!r}")
    if repeats < 1 or not len(n_clusters):
        raise SourceError("a sweep needs at least one number of clusters and one repeat")
    first = _first_seed(random_state, run_dir)
    kind = find_algorithm(algorithm).load()
    root = None if run_dir is None else Path(run_dir)
    models = [
        kind(k, random_state=first + i, run_dir=root and root / f"k{k}-{i}", **parameters)
        for k in sorted({int(k) for k in n_clusters})
        for i in range(repeats)
    ]
    runner = make_executor(executor)
    try:
        history = fit_all(models, X, sample_weight, runner, memory_limit)
        running: Any = {
            "executor": runner, "memory_limit": memory_limit,
            "checkpoint_every_s": models[0].checkpoint_every_s,
        }  # fmt: skip
        folder = root and root / _judging(models, y, test)
        judged = evaluate_all(models, X, y, sample_weight, run_dir=folder, **running)
        running["run_dir"] = folder and folder / "test"
        tested = None if test is None else _tested(models, judged, test, running)
    finally:
        if runner is not executor:
            runner.close()
    table = [
        _row(model, first) | scores.measures() for model, scores in zip(models, judged, strict=True)
    ]
    for row, share in zip(table, tested or (), strict=bool(tested)):
        row["test_accuracy"] = share
    return Sweep(table, models, [*history, *judged[0].history], choices(table))


def _first_seed(random_state: Any, run_dir: str | Path | None) -> int:
    """Return the first seed; fits that began without one go on with those they drew."""
    if random_state is None and run_dir is not None:
        for folder in sorted(Path(run_dir).glob("k*-0")):
            drawn = RunDir(folder).seed("random_state")
            if drawn is not None:
                return drawn
    return seed_of(random_state)


def _judging(models: Sequence[Clusterer], *judges: Any) -> str:
    """Return a name for the run that judges these models: they may be judged by others, too."""
    names = [(model.n_clusters, model.random_state) for model in models]
    by = [str(x) if isinstance(x, str | Path | None) else whole(np.asarray(x)) for x in judges]
    text = repr((names, by)).encode()
    return f"judging-{whole(np.frombuffer(text, np.uint8))[:8]}"


def fit_all(
    models: Sequence[Clusterer],
    X: Any,
    sample_weight: Any,
    executor: Executor,
    memory_limit: int | str | None,
) -> list[Json]:
    """Fit several models to the same rows on shared passes; return the passes' history."""
    rows, *_ = [model.begin(X) for model in models]
    weights = weights_of(rows, sample_weight)
    with shipped(rows, weights, executor) as (source, mass):
        executor.preflight(source if not isinstance(source, MemorySource) else None)
        passes = Passes(
            source, mass, executor, memory_limit, sum(model.model_values(rows) for model in models),
            held_bytes=_held_bytes(models, rows),
        )  # fmt: skip
        shared = Shared(passes)
        names = fingerprint(rows), digest_of_weights(weights)
        members = [Member(shared, model.scaling, len(models)) for model in models]
        shared.run(
            [_fit(m, member, rows, names) for m, member in zip(models, members, strict=True)]
        )
    return shared.history


def _tested(
    models: Sequence[Clusterer], judged: Sequence[Scores], test: Any, running: Any
) -> list[float]:
    """Return each model's accuracy on other rows, its classes those of the rows of the fit."""
    tables = [scores.contingency for scores in judged]
    others = [scores.contingency for scores in evaluate_all(models, test, **running)]
    shares = []
    for table, other in zip(tables, others, strict=True):
        if table is None or other is None:
            raise SourceError("a test needs labels: of the rows of the fit, and of its own")
        shares.append(accuracy(other, fit_map(table)))
    return shares


def _fit(
    model: Clusterer, member: Member, rows: RowSource, names: tuple[str, str]
) -> Callable[[], None]:
    return lambda: model.fit_on(member, rows, *names)


def _held_bytes(models: Sequence[Clusterer], rows: RowSource) -> int:
    """Return what the fits hold: one buffer for all, and what each has of its own."""
    shared = max(model.shared_bytes(rows) for model in models)
    return shared + sum(model.held_bytes(rows) - model.shared_bytes(rows) for model in models)


def _row(model: Clusterer, first: int) -> Json:
    return {
        "n_clusters": model.n_clusters,
        "repeat": model.seed_ - first,
        "random_state": model.seed_,
        "n_iter": model.n_iter_,
        "passes": len(model.history_),
        "empty_clusters": int(np.count_nonzero(model.cluster_sizes_ == 0)),
    }
