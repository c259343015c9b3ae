"""What every measure is called, in which group it is shown, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

FIT: Final = "fit"
SEPARATION: Final = "separation"
LABELS: Final = "against labels"


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure: a row of `MEASURES`.

    Parameters
    ----------
    name
        Its name in `Scores.measures`, in JSON and as a column.
    group
        "fit", "separation" or "against labels".
    title
        What people call it.
    better
        Which way is better.
    across_k
        Whether it compares models of different numbers of clusters; the others
        get better with more clusters, whatever the data.
    """

    name: str
    group: str
    title: str
    better: Literal["lower", "higher"]
    across_k: bool


MEASURES: Final = (
    Measure("inertia", FIT, "inertia", "lower", False),
    Measure("mean_squared_distance", FIT, "mean squared distance", "lower", False),
    Measure("mean_distance", FIT, "mean distance (J_clust)", "lower", False),
    Measure("explained_variance", FIT, "explained variance", "higher", False),
    Measure("silhouette", SEPARATION, "silhouette (squared distances)", "higher", True),
    Measure("simplified_silhouette", SEPARATION, "simplified silhouette", "higher", True),
    Measure("calinski_harabasz", SEPARATION, "Calinski-Harabasz", "higher", True),
    Measure("davies_bouldin", SEPARATION, "Davies-Bouldin", "lower", True),
    Measure("majority_accuracy", LABELS, "accuracy by majority (purity)", "higher", False),
    Measure("hungarian_accuracy", LABELS, "accuracy, one cluster a class", "higher", False),
    Measure("homogeneity", LABELS, "homogeneity", "higher", False),
    Measure("completeness", LABELS, "completeness", "higher", False),
    Measure("v_measure", LABELS, "V-measure (NMI)", "higher", False),
    Measure("adjusted_rand", LABELS, "adjusted Rand index", "higher", True),
    Measure("normalized_mutual_info", LABELS, "normalized mutual information", "higher", False),
    Measure("adjusted_mutual_info", LABELS, "adjusted mutual information", "higher", True),
)

# What people are shown: normalized mutual information is the V-measure, the same number.
SHOWN: Final = tuple(m for m in MEASURES if m.name != "normalized_mutual_info")
TITLES: Final = {measure.name: measure.title for measure in MEASURES}
