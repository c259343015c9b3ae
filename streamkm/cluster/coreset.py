"""Coresets as values that users keep: saved, added, clustered for any K."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from streamkm.cluster.names import refuse_other_names
from streamkm.data.dataset import Dataset
from streamkm.data.spec import CORESET_KEY
from streamkm.data.weighted import write_weighted
from streamkm.errors import SourceError, StoreError
from streamkm.kernels.coreset_tree import CoresetPlan, joined
from streamkm.kernels.moments import MomentsAccumulator, first_shift
from streamkm.typing import F64, Rows

ADDED: Final = 62  # level of sums of coresets, among the keys of the tree


@dataclass(frozen=True, slots=True)
class Coreset:
    """A few weighted rows that stand for many: any centers cost nearly the same on both.

    Parameters
    ----------
    rows
        Shape (n, n_features), rows of the data in its own dtype.
    weights
        How much each stands for, shape (n,), positive.
    n_rows
        Rows that were read.
    plan
        How it was made.
    sample_shape, source, feature_names
        Of the data: shape of one sample, its name, those of its features.

    Examples
    --------
    >>> import numpy as np, streamkm
    >>> X = np.random.default_rng(0).normal(size=(5000, 3))
    >>> monday = streamkm.make_coreset(X[:3000], n_clusters=4, random_state=0)
    >>> tuesday = streamkm.make_coreset(X[3000:], n_clusters=4, random_state=0)
    >>> both = monday + tuesday
    >>> both.n_rows, len(both.rows), round(both.weights.sum())
    (5000, 800, 5000)
    """

    rows: Rows = field(repr=False)
    weights: F64 = field(repr=False)
    n_rows: int
    plan: CoresetPlan
    sample_shape: tuple[int, ...] = ()
    source: str = "coreset"
    feature_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not len(self.rows):
            raise SourceError("all sample weights are zero")

    def __add__(self, other: Coreset) -> Coreset:
        """Return the coreset of both data sets together, as large as the larger one."""
        ours, theirs = (f"{one.rows.shape[1]} x {one.rows.dtype}" for one in (self, other))
        if ours != theirs:
            raise SourceError(f"coresets of {ours} and {theirs} features cannot be added")
        refuse_other_names("a coreset to be added", self.feature_names, other.feature_names)
        if self.plan.view != other.plan.view:
            raise SourceError(
                "coresets of rows that were scaled in different ways cannot be added; make both "
                "with one number as scale, or without scaling"
            )
        plan = self.plan if self.plan.size >= other.plan.size else other.plan
        n_rows = self.n_rows + other.n_rows
        pair = joined([(self.rows, self.weights), (other.rows, other.weights)])
        rows, weights = plan.reduce(*pair, ADDED, n_rows % (1 << 31))
        return replace(self, rows=rows, weights=weights, n_rows=n_rows, plan=plan)

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Save as a small store with weights, which `fit` takes like any other.

        Raises
        ------
        StoreExistsError
            If the path is taken and `overwrite` is False.
        """
        moments = MomentsAccumulator(first_shift(self.rows[:256]))
        moments.add(self.rows, None, 0)
        facts = {
            "moments": moments.result().summary().to_json(),
            "sample_shape": self.sample_shape,
            "source": self.source,
            "feature_names": self.feature_names,
            CORESET_KEY: {"n_rows": self.n_rows, **self.plan.to_json()},
        }
        write_weighted(path, self.rows, self.weights, facts, overwrite=overwrite)

    @classmethod
    def open(cls, path: str | Path) -> Coreset:
        """Read a coreset that was saved.

        Raises
        ------
        StoreError
            If the store holds none.
        """
        store = Dataset(path)
        facts: Any = store.group.attrs.get(CORESET_KEY)
        weights = store.sample_weight
        if not isinstance(facts, dict) or weights is None:
            raise StoreError(f"{path}: a store, but not of a coreset")
        n_rows, spec = store.shape[0], store.spec
        plan = CoresetPlan.from_json(facts, spec.n_features)
        rows, masses = store.read(0, n_rows), np.asarray(weights.read(0, n_rows))
        known = spec.sample_shape, spec.source, spec.feature_names
        return cls(rows, masses, facts["n_rows"], plan, *known)
