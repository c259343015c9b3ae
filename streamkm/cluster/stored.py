"""Whether the parts of a model that was loaded fit each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamkm.cluster.checks import check_whole
from streamkm.typing import I32

if TYPE_CHECKING:
    from streamkm.cluster.base import Clusterer

# What is as long as what, by one letter each: clusters (k), features that are looked at (f), values
# of a center (c), nodes of a tree (t), landmarks (m), rows of a coreset (r) as they came (n).
SHAPES: Final = {
    "cluster_centers": "kc",
    "cluster_sizes": "k",
    "weight_sums": "k",
    "tree_children": "t2",
    "tree_centers": "tf",
    "tree_inertia": "t",
    "tree_sizes": "t",
    "tree_labels": "t",
    "landmarks": "mf",
    "projection": "mc",
    "coreset_rows": "rn",
    "coreset_weights": "r",
}
WHOLE: Final = ("cluster_sizes", "tree_children", "tree_sizes", "tree_labels")


def check_stored(model: Clusterer) -> None:
    """Refuse values that do not fit each other: compiled code believes their shapes.

    Raises
    ------
    ValueError
        If there are some.
    """
    shift, scale = model.frame_.shift, model.frame_.scale
    n_used = model.frame_.view.width(model.n_features_in_)
    sizes = {"2": 2, "f": n_used, "n": model.n_features_in_}
    if not model.embeds:
        sizes["c"] = n_used
    _check_array("frame_shift", shift, "f", sizes)
    if not (np.isfinite(scale) and scale > 0.0):
        raise ValueError(f"frame_scale is {scale}")
    for name in ("cluster_centers", "cluster_sizes", *model.stored):
        value = getattr(model, f"{name}_")
        if name in SHAPES:
            _check_array(name, value, SHAPES[name], sizes)
        elif type(value) not in (int, float):
            raise ValueError(f"{name} is no number")
    known = model.members_
    if known is not None:
        _check_array("member_offsets", known.offsets, "kc", sizes)
        _check_array("member_spread", known.spread, "k", sizes)
    if "tree_children" in model.stored:
        _check_tree(model.tree_children_, model.tree_labels_, sizes["k"])
    if model.embeds:
        check_whole(model, "n_neighbors")  # rows are embedded by it


def _check_array(name: str, value: Any, letters: str, sizes: dict[str, int]) -> None:
    kind = "iu" if name in WHOLE else "iuf" if name == "coreset_rows" else "f"
    if not isinstance(value, np.ndarray) or value.dtype.kind not in kind:
        raise ValueError(f"{name} does not hold numbers of its kind")
    is_fitting = value.ndim == len(letters) and value.size > 0
    if is_fitting:
        is_fitting = all(
            sizes.setdefault(letter, size) == size
            for letter, size in zip(letters, value.shape, strict=True)
        )
    if not is_fitting:
        raise ValueError(f"{name} of shape {value.shape} does not fit the rest")
    if not np.isfinite(value).all():
        raise ValueError(f"{name} holds NaN or infinity")


def _check_tree(children: I32, labels: I32, n_clusters: int) -> None:
    """Require that every walk from the root ends at a leaf, which has a label."""
    first, second = children.T
    is_leaf = first < 0
    follows = (first > np.arange(len(first))) & (second == first + 1) & (second < len(first))
    has_label = (labels >= -1) & (labels < n_clusters)
    if not ((is_leaf | follows).all() and has_label.all()):
        raise ValueError("its tree of clusters is broken")
