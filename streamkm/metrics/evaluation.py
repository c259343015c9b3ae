"""Judging fitted models on rows of any size: a pass for the members, one for everything else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from streamkm.cluster.base import Clusterer
from streamkm.errors import SourceError
from streamkm.kernels.contingency import Contingency
from streamkm.metrics.means import with_means
from streamkm.metrics.reading import Running, reading, space_of
from streamkm.metrics.scores import Scores, scores_of
from streamkm.runtime.base import Executor
from streamkm.tasks import judge as tasks
from streamkm.tasks.judge import JudgeContext

ROW_VALUES: Final = 1  # with what every pass holds of a row, thrice: distances, silhouettes, codes


def evaluate(
    model: Clusterer | str | Path,
    X: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    executor: str | Executor | None = None,
    memory_limit: int | str | None = None,
    run_dir: str | Path | None = None,
    checkpoint_every_s: float = 300.0,
) -> Scores:
    """Judge a fitted model on rows: every measure, in one or two passes.

    Parameters
    ----------
    model
        Fitted, or the path of a saved one.
    X
        Rows, as for `KMeans.fit`.
    y
        Known classes, shape (n_samples,): whole numbers, also negative, of at most
        65 536 different values; an array, or the path of a column. By default
        those of the store, where it has labels.
    sample_weight
        Weights, shape (n_samples,), not negative. By default those of the
        store, where it has an array `sample_weight`. They count in what a fit
        minimizes (inertia, mean distance, explained variance); all other
        measures count every row once.
    executor, memory_limit
        As for `KMeans`; by default those of the model.
    run_dir
        Folder in which passes that last long leave what they found: killed, the same
        call goes on from there.
    checkpoint_every_s
        Seconds after which they do.

    Returns
    -------
    scores
        A measure that is not defined here is None, and `undefined` says why.

    Raises
    ------
    SourceError
        If the rows, labels or weights do not fit the model or each other.
    StoreError
        If `run_dir` holds another run; says what differs.

    Notes
    -----
    O(n_samples * n_features * n_clusters) time. One pass over the store that the
    model was fitted to, where the fit ended with a closing pass; else another
    comes before it for the members' means, and for data that is not a store
    one for its range. The bits of the result do not depend on the executor, the
    chunks, the memory limit, or the passes.

    Distances are Euclidean, in the space that the model measures in: for
    `metric="cosine"` between rows of unit length, for `SpectralClustering` in
    the embedding. The silhouette alone takes them squared, which is what sums over
    clusters can give: `sklearn.metrics.silhouette_score(X, labels,
    metric="sqeuclidean")` is the same number; its default metric gives
    another, mostly smaller.

    References
    ----------
    See the page "Metrics" of the documentation, measure by measure.

    Examples
    --------
    >>> import numpy as np
    >>> from streamkm import KMeans
    >>> from streamkm.metrics import evaluate
    >>> X = np.array([[1.0, 2.0], [1.0, 4.0], [10.0, 2.0], [10.0, 4.0]])
    >>> scores = evaluate(KMeans(n_clusters=2, random_state=0).fit(X), X, y=[5, 5, 5, -1])
    >>> scores.inertia, scores.mean_distance, round(scores.silhouette, 4)
    (4.0, 1.0, 0.9518)
    >>> scores.labels.majority_accuracy
    0.75
    """
    options: Any = {
        "executor": executor, "memory_limit": memory_limit, "run_dir": run_dir,
        "checkpoint_every_s": checkpoint_every_s,
    }  # fmt: skip
    return evaluate_all([model], X, y, sample_weight, **options)[0]


def evaluate_all(
    models: Sequence[Clusterer | str | Path],
    X: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    executor: str | Executor | None = None,
    memory_limit: int | str | None = None,
    run_dir: str | Path | None = None,
    checkpoint_every_s: float = 300.0,
) -> list[Scores]:
    """Judge several models on the same rows, in the same passes.

    Parameters
    ----------
    models
        Fitted, or paths of saved ones; of any algorithm and number of clusters.
    X, y, sample_weight, executor, memory_limit, run_dir, checkpoint_every_s
        As for `evaluate`.

    Returns
    -------
    scores
        One for each model, with the bits that `evaluate` gives it alone.
    """
    if not len(models):
        return []
    running = Running(executor, memory_limit, run_dir, checkpoint_every_s)
    with reading(models, X, (y, sample_weight), running, row_values=ROW_VALUES) as current:
        subjects = with_means(current)
        passes = current.passes
        context = JudgeContext(passes.source, current.weights, subjects, current.classes)
        parts = passes.run(
            tasks.judge, context, stage="judge", title="judging", n_models=len(subjects)
        )
        passes.note()
    history = tuple(passes.history)
    scores = []
    for model, subject, part in zip(current.models, subjects, parts, strict=True):
        assert subject.means is not None
        if not np.array_equal(part.counts, subject.means.counts):
            raise SourceError("the rows are not those of the pass before, or of the fit")
        if part.moments is not None and not part.total("weight") > 0.0:
            raise SourceError("all sample weights are zero")
        scores.append(scores_of(part, subject.means, history, current.classes, space_of(model)))
    return scores


def contingency(
    model: Clusterer | str | Path,
    X: Any,
    y: Any = None,
    *,
    executor: str | Executor | None = None,
    memory_limit: int | str | None = None,
    run_dir: str | Path | None = None,
    checkpoint_every_s: float = 300.0,
) -> Contingency:
    """Count rows by cluster and class, in one pass: what `fit_map` wants.

    Parameters
    ----------
    model, X, y, executor, memory_limit, run_dir, checkpoint_every_s
        As for `evaluate`.

    Raises
    ------
    SourceError
        If there are no labels.
    """
    running = Running(executor, memory_limit, run_dir, checkpoint_every_s)
    with reading([model], X, (y, None), running) as current:
        if current.classes is None:
            raise SourceError("there are no labels: neither y, nor in the store")
        subjects = (current.subject(current.models[0]),)
        context = JudgeContext(current.passes.source, None, subjects, current.classes)
        run = current.passes.run
        (table,) = run(tasks.tabulate, context, stage="tabulate", title="counting classes")
        current.passes.note()
    found: Contingency = table
    return found
