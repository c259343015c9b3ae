"""What judging a model gives: every measure, by cluster where it is cheap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from streamkm.kernels.contingency import Contingency
from streamkm.kernels.judge import Judged
from streamkm.kernels.separation import Means
from streamkm.metrics.clusters import AgainstClasses, compare_with_classes
from streamkm.metrics.measures import MEASURES
from streamkm.metrics.reading import class_names_of
from streamkm.metrics.separation import calinski_harabasz, davies_bouldin
from streamkm.typing import F64, I64, ColumnSource, Json

ONE_CLUSTER = "needs two clusters with rows"
ALL_ALONE = "needs fewer clusters than rows"
NO_VARIANCE = "all rows are the same"


@dataclass(frozen=True, slots=True, eq=False)
class PerCluster:
    """Measures of every cluster, shape (n_clusters,) each; NaN where one has no rows.

    Parameters
    ----------
    sizes
        Rows.
    inertia, mean_distance
        Of its rows to its center, weighted.
    silhouette, simplified_silhouette
        Mean of its rows; the first of squared distances.
    davies_bouldin
        Its worst likeness to another cluster.
    majority_class, majority_share
        Its most frequent class and that one's share of its rows; None without labels.
    """

    sizes: I64
    inertia: F64
    mean_distance: F64
    silhouette: F64
    simplified_silhouette: F64
    davies_bouldin: F64
    majority_class: I64 | None = None
    majority_share: F64 | None = None

    def to_json(self) -> list[Json]:
        """Return one object a cluster."""
        names = [f.name for f in fields(self) if getattr(self, f.name) is not None]
        columns = [plain(getattr(self, name)) for name in names]
        found = []
        for k, row in enumerate(zip(*columns, strict=True)):
            values = dict(zip(names, row, strict=True))
            if "majority_class" in values and not values["sizes"]:
                values["majority_class"] = None
            found.append({"cluster": k, "rows": values.pop("sizes"), **values})
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """How good a clustering of some rows is.

    Parameters
    ----------
    n_rows, weight
        Rows, and their total weight.
    inertia
        Weighted sum of squared distances to the rows' own centers.
    mean_distance
        Weighted mean of their distances (not squared): J_clust.
    explained_variance
        1 - inertia / weighted sum of squared distances to the mean of all rows.
    calinski_harabasz, davies_bouldin, simplified_silhouette, silhouette
        Of rows and labels alone, every row counted once: the means are the
        members' own, not the model's centers. The silhouette is of squared
        distances, scikit-learn's `silhouette_score(X, labels,
        metric="sqeuclidean")`; its default metric gives another number, mostly
        smaller. The simplified one is of distances to means, not squared.
    clusters
        Measures by cluster.
    labels
        Measures against known classes, or None.
    contingency
        Rows by cluster and class, or None.
    class_names
        One a class of the contingency: its name, else its number.
    space
        Where distances are measured, in words; None among the rows themselves.
    undefined
        Why a measure that is None has no value here, by name.
    history
        The passes that it took, one record each.
    """

    n_rows: int
    weight: float
    inertia: float
    mean_distance: float
    explained_variance: float | None
    calinski_harabasz: float | None
    davies_bouldin: float | None
    simplified_silhouette: float | None
    silhouette: float | None
    clusters: PerCluster
    labels: AgainstClasses | None
    contingency: Contingency | None
    class_names: tuple[str, ...]
    space: str | None
    undefined: Mapping[str, str]
    history: tuple[Json, ...] = field(default=(), repr=False)

    @property
    def majority(self) -> list[str] | None:
        """Name of each cluster's most frequent class, as `majority_names`; None without labels."""
        return (
            None
            if self.contingency is None
            else majority_names(self.contingency.table, self.class_names)
        )

    @property
    def mean_squared_distance(self) -> float:
        """Inertia over total weight."""
        return self.inertia / self.weight

    def measures(self) -> dict[str, float | None]:
        """Return the measures by name, in the order of `MEASURES`; None where undefined."""
        found = {}
        for measure in MEASURES:
            home: Any = self if hasattr(self, measure.name) else self.labels
            if home is not None:
                found[measure.name] = getattr(home, measure.name)
        return found

    def to_json(self) -> Json:
        """Return all of it as plain numbers, None where undefined."""
        facts: Json = {"rows": self.n_rows, "weight": self.weight, **self.measures()}
        facts["undefined"] = dict(self.undefined)
        facts["space"] = self.space
        facts["cluster_sizes"] = self.clusters.sizes.tolist()
        facts["per_cluster"] = self.clusters.to_json()
        if self.contingency is not None:
            facts["classes"] = self.contingency.classes.tolist()
            facts["class_names"] = list(self.class_names)
            facts["contingency"] = self.contingency.table.tolist()
        return facts


def scores_of(
    judged: Judged, means: Means, history: tuple[Json, ...], labels: ColumnSource | None,
    space: str | None,
) -> Scores:  # fmt: skip
    """Finish what the passes have added up."""
    counts = judged.counts
    n_rows, n_found = int(counts.sum()), int(np.count_nonzero(counts))
    is_weighted = judged.moments is not None
    weight = judged.total("weight") if is_weighted else float(n_rows)
    inertia = judged.total("inertia")
    within = judged.total("within") if means.is_separable else float(means.spread.sum())
    if judged.moments is not None:
        total = float(judged.moments.summary().m2.sum())
    else:
        total = within + means.between
    why = ONE_CLUSTER if n_found < 2 else ALL_ALONE if n_found == n_rows else None
    undefined = {} if total > 0.0 else {"explained_variance": NO_VARIANCE}
    if why:
        names = ("silhouette", "simplified_silhouette", "calinski_harabasz", "davies_bouldin")
        undefined.update(dict.fromkeys(names, why))
    clusters = _per_cluster(judged, means)
    worst = clusters.davies_bouldin[counts > 0]
    return Scores(
        n_rows=n_rows,
        weight=weight,
        inertia=inertia,
        mean_distance=judged.total("distance") / weight,
        explained_variance=1.0 - inertia / total if total > 0.0 else None,
        calinski_harabasz=None
        if why
        else calinski_harabasz(means.between, within, n_found, n_rows),
        davies_bouldin=None if why else float(worst.mean()),
        simplified_silhouette=None if why else judged.total("simplified") / n_rows,
        silhouette=None if why else judged.total("silhouette") / n_rows,
        clusters=clusters,
        labels=None if judged.table is None else compare_with_classes(judged.table),
        contingency=judged.table,
        class_names=() if judged.table is None else class_names_of(labels, judged.table.classes),
        space=space,
        undefined=undefined,
        history=history,
    )


def _per_cluster(judged: Judged, means: Means) -> PerCluster:
    counts = judged.counts
    nothing = np.full(len(counts), np.nan)
    mass = judged.by_cluster("weight") if judged.moments is not None else counts
    with np.errstate(invalid="ignore", divide="ignore"):
        of_rows = {
            name: judged.by_cluster(name) / counts if means.is_separable else nothing
            for name in ("scatter", "silhouette", "simplified")
        }
        distance = judged.by_cluster("distance") / mass
        shares = None if judged.table is None else judged.table.table.max(axis=1) / counts
    table = judged.table
    return PerCluster(
        sizes=counts,
        inertia=np.where(counts > 0, judged.by_cluster("inertia"), np.nan),
        mean_distance=distance,
        silhouette=of_rows["silhouette"],
        simplified_silhouette=of_rows["simplified"],
        davies_bouldin=davies_bouldin(means, of_rows["scatter"]) if means.is_separable else nothing,
        majority_class=None if table is None else table.classes[table.table.argmax(axis=1)],
        majority_share=shares,
    )


def majority_names(table: I64, class_names: Sequence[str]) -> list[str]:
    """Return the name of each cluster's most frequent class, empty for one without rows."""
    return [class_names[row.argmax()] if row.any() else "" for row in table]


def plain(values: Any) -> list[Any]:
    """Return numbers as JSON has them: None for NaN."""
    return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124
