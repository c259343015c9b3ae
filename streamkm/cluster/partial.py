"""`partial_fit` of mini-batch k-means: one step for each call, on rows as they come."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np

from streamkm.cluster.arguments import weights_of
from streamkm.cluster.base import Clusterer
from streamkm.cluster.checks import check_rows
from streamkm.cluster.exchange import Exchange
from streamkm.cluster.forgetting import fade_of, forget_jumps, swapped
from streamkm.cluster.init import Seeding, make_starts
from streamkm.cluster.lloyd import Closed
from streamkm.cluster.passes import Passes
from streamkm.cluster.rows import pick, shipped
from streamkm.cluster.steps import Steps, reassign, updated
from streamkm.runtime.base import Executor
from streamkm.sources.array import MemorySource
from streamkm.tasks import fit as tasks
from streamkm.typing import F64, I64, ColumnSource, RowSource


class PartialFit(Exchange, Clusterer):
    """The step-by-step half of `MiniBatchKMeans`: what its centers weigh between steps."""

    can_renumber = True
    stored = ("n_steps", "weight_sums", "n_since_reassignment")
    _start: Any
    learning_rate: str
    reassignment_ratio: float
    compute_labels: bool
    half_life: float | None
    time_unit: str

    n_steps_: int
    weight_sums_: F64
    n_since_reassignment_: int

    @classmethod
    def from_centers(cls, centers: Any, **parameters: Any) -> Self:
        """Return a fitted model with given centers, as `KMeans.from_centers`.

        `partial_fit` goes on from them: a center weighs as many rows as its
        cluster is known to have.
        """
        model = super().from_centers(centers, **parameters)
        model.weight_sums_ = model.cluster_sizes_.astype(np.float64)
        model.n_steps_ = model.n_since_reassignment_ = 0
        return model

    def renumber(self, model: Closed, order: I64) -> Closed:
        """Return a finished model with cluster `order[i]` as cluster `i`."""
        moved, extra = super().renumber(model, order), dict(model.state.extra)
        if "weight_sums" in extra:
            extra["weight_sums"] = extra["weight_sums"][order]
        return replace(moved, state=replace(moved.state, extra=extra))

    def keep(self, passes: Passes, model: Closed) -> None:
        """Set the attributes of the fitted model."""
        super().keep(passes, model)
        state = model.state
        self.weight_sums_ = np.asarray(state.extra.get("weight_sums", state.counts), np.float64)
        self.n_steps_, self.n_since_reassignment_ = state.n_iter, 0

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Take in one batch.

        Parameters
        ----------
        X
            Rows of the batch, as for `fit`.
        y
            Ignored.
        sample_weight
            Weights, shape (n_samples,), not negative.

        Returns
        -------
        self
            After one more step; `labels_` and `inertia_` are the batch's.

        Raises
        ------
        SourceError
            If the first batch has fewer rows than there are clusters, or the
            model is new and `scale` needs the moments of all rows.
        """
        self.check_parameters()
        is_first = not hasattr(self, "weight_sums_")
        rows = self._rows(X, reset=is_first)
        self.scaling.refuse_beyond(rows.shape[1])
        n_rows = rows.shape[0]
        if is_first:
            check_rows(self, n_rows)
        weights = weights_of(rows, sample_weight)
        if is_first:
            self.seed_ = self._seed()
            self.sample_shape_ = () if self.columns is not None else rows.info.sample_shape
            self.fingerprint_, self.history_ = "", []
        with self._running() as executor:
            model = self._take_in(rows, weights, executor, is_first=is_first)
        self.cluster_centers_, self.cluster_sizes_ = model.centers, model.counts
        self.weight_sums_ = model.weight_sums
        self.n_steps_ = self.n_iter_ = model.n_steps
        self.n_since_reassignment_ = model.since_reassignment
        if self.compute_labels and isinstance(rows, MemorySource):
            self.labels_, sq_dist = self.labeler_.assign(rows.array)
            self.inertia_ = float(
                (sq_dist * weights.read(0, n_rows)).sum() if weights else sq_dist.sum()
            )
        return self

    def _take_in(
        self, rows: RowSource, weights: ColumnSource | None, executor: Executor, *, is_first: bool
    ) -> Steps:
        with shipped(rows, weights, executor) as (source, mass):
            values, scaling = self.n_clusters * rows.shape[1], self.scaling
            view = scaling.view(rows.shape[1]) if is_first else self.frame_.view
            passes = Passes(
                source, mass, executor, self.memory_limit, values, scaling=scaling, view=view
            )
            data = passes.look(2 * self.n_clusters)
            self.frame_ = data.frame
            if is_first:
                seeding = Seeding(passes, self.n_clusters, self.seed_, range(1))
                model = Steps.start(make_starts(self._start, seeding)[0])
            else:
                model = self._model()
            spread = data.summary.spread_grid(model.centers)
            context = data.context([model.centers], spread=spread)
            result = passes.work(tasks.step, passes.groups, context)
        part, distances = result.parts
        self.inertia_ = float(distances.value().sum())
        fade = fade_of(self.half_life, self.time_unit, rows.shape[0])
        if self.half_life is not None and not is_first:
            model = forget_jumps(model, part, distances.value()[:, 0])
        after = updated(model, part, self.learning_rate, fade)
        if self.half_life is None:
            ratio, seed = self.reassignment_ratio, self.seed_
            after = reassign(
                after, ratio, rows.shape[0], seed, lambda p: data.as_centers(pick(rows, p))
            )
        else:
            batch = data.seen(rows.read(0, rows.shape[0]))
            masses = weights.read(0, len(batch)) if weights else None
            after = swapped(after, batch, masses, self.seed_)
        return replace(after, centers=data.projected(after.centers, model.centers))

    def _model(self) -> Steps:
        return Steps(
            self.cluster_centers_,
            self.weight_sums_,
            self.cluster_sizes_,
            self.n_steps_,
            self.n_since_reassignment_,
        )
