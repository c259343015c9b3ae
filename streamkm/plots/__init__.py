"""Pictures, as matplotlib figures; nothing is shown, and no state of pyplot is touched.

=======================  ======================================================
`draw_centers`           centers as images, with class and size
`draw_profiles`          centers of tables, against the mean of all rows
`draw_members`           nearest, typical and farthest rows of each cluster
`draw_convergence`       inertia and center shift by iteration, every restart
`draw_measures`          measures against the number of clusters
`draw_confusion`         classes against clusters
`draw_sizes`             rows of each cluster
`draw_map`               a sample on its principal axes, with the centers
`draw_clusters_2d`       rows with two features, and the regions of the clusters
`draw_time`              where the time of every pass went
`draw_bench`             programs against each other: how many times as fast
`center_titles`          what to write over centers
`by_cluster`             rows of clusters, as `draw_members` takes them
`save_figure` `to_svg`   the same bytes whenever they are written
=======================  ======================================================
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamkm.plots.bench import draw_bench
    from streamkm.plots.centers import center_titles, draw_centers
    from streamkm.plots.clusters import draw_clusters_2d
    from streamkm.plots.confusion import draw_confusion
    from streamkm.plots.convergence import draw_convergence
    from streamkm.plots.files import save_figure, to_svg
    from streamkm.plots.map import draw_map
    from streamkm.plots.measures import draw_measures
    from streamkm.plots.members import by_cluster, draw_members
    from streamkm.plots.profiles import draw_profiles
    from streamkm.plots.sizes import draw_sizes
    from streamkm.plots.timing import draw_time

__all__ = [
    "by_cluster",
    "center_titles",
    "draw_bench",
    "draw_centers",
    "draw_clusters_2d",
    "draw_confusion",
    "draw_convergence",
    "draw_map",
    "draw_measures",
    "draw_members",
    "draw_profiles",
    "draw_sizes",
    "draw_time",
    "save_figure",
    "to_svg",
]

# matplotlib is loaded with the first picture.
_LAZY = {
    "by_cluster": "members",
    "center_titles": "centers",
    "draw_bench": "bench",
    "draw_centers": "centers",
    "draw_clusters_2d": "clusters",
    "draw_confusion": "confusion",
    "draw_convergence": "convergence",
    "draw_map": "map",
    "draw_measures": "measures",
    "draw_members": "members",
    "draw_profiles": "profiles",
    "draw_sizes": "sizes",
    "draw_time": "timing",
    "save_figure": "files",
    "to_svg": "files",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'streamkm.plots' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"streamkm.plots.{_LAZY[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
