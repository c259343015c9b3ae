"""What reading the rows again tells of a model: a few passes, in bounded memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from streamkm.cluster.base import Clusterer
from streamkm.cluster.rows import as_rows, facts_of
from streamkm.data.digest import fingerprint
from streamkm.metrics.evaluation import evaluate
from streamkm.metrics.members import FoundRows, nearest_rows
from streamkm.metrics.projection import Projection, project
from streamkm.metrics.scores import Scores
from streamkm.plots.centers import center_titles
from streamkm.plots.confusion import cluster_order
from streamkm.typing import I64, Json

KINDS: Final[tuple[Literal["nearest", "typical", "farthest"], ...]] = (
    "nearest", "typical", "farthest",
)  # fmt: skip
MOST_MEMBERS: Final = 5  # of a cluster and kind
MOST_SHOWN: Final = 800  # of all clusters and a kind
MOST_VALUES: Final = 1 << 24  # numbers of them in memory


@dataclass(frozen=True, slots=True)
class Findings:
    """What a model makes of rows.

    Parameters
    ----------
    about
        The rows: source, n_rows, n_features, dtype, sample_shape.
    location
        Where they were opened.
    is_fitted_to
        Whether the model was fitted to these very rows.
    scores
        Every measure.
    members
        A few rows of every cluster, by kind; empty where they would not fit.
    projection
        A sample on the principal axes.
    """

    about: Json
    location: str
    is_fitted_to: bool
    scores: Scores
    members: Mapping[str, FoundRows]
    projection: Projection

    @property
    def order(self) -> I64:
        """Clusters as pictures have them: by majority class, then by size; else by number."""
        found = self.scores.contingency
        n_clusters = len(self.scores.clusters.sizes)
        return np.arange(n_clusters) if found is None else cluster_order(found.table)

    @property
    def titles(self) -> list[str]:
        """One a cluster, in their order."""
        found = self.scores.contingency
        table, names = (None, None) if found is None else (found.table, self.scores.class_names)
        titles = center_titles(self.scores.clusters.sizes, table, names)
        return [titles[k] for k in self.order]

    @property
    def titled(self) -> str:
        """What the titles say, and how they are ordered."""
        if self.scores.contingency is None:
            return "number and rows of each, by number"
        return "number, majority class and rows of each, by class, then by size"


def findings_of(
    model: Clusterer, store: str | Path, target: str | None, options: Mapping[str, Any]
) -> Findings:
    """Read the rows and judge the model on them.

    Parameters
    ----------
    model
        Fitted.
    store
        The rows, whatever `fit` takes by path.
    target
        Their labels, where they are not in the store.
    options
        executor and memory_limit.
    """
    rows = as_rows(str(store))
    scores = evaluate(model, str(store), target, **options)
    n_clusters, n_values = len(scores.clusters.sizes), len(model.cluster_sizes_) * rows.shape[1]
    most = min(MOST_MEMBERS, max(MOST_SHOWN // n_clusters, 1), MOST_VALUES // n_values)
    members: dict[str, FoundRows] = {
        kind: nearest_rows(model, str(store), most, kind=kind, with_rows=True, **options)
        for kind in (KINDS if most else ())
    }
    return Findings(
        about=facts_of(rows),
        location=str(store),
        is_fitted_to=fingerprint(rows) == model.fingerprint_,
        scores=scores,
        members=members,
        projection=project(model, str(store), **options),
    )
