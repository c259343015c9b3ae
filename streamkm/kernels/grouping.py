"""Centers in groups of neighbors, as many as one panel or a few of them hold."""

from __future__ import annotations

import numpy as np

from streamkm.typing import F64, I64


def order_neighbors(centers: F64, width: int) -> I64:
    """Return an order in which every `width` centers that follow each other lie together.

    Parameters
    ----------
    centers
        Shape (n_clusters, n_features), finite.
    width
        Centers of a group.

    Returns
    -------
    order
        A permutation, shape (n_clusters,): halves, cut where a multiple of
        `width` allows, across the direction in which they spread the most.
    """
    order = np.arange(len(centers))
    stack = [(0, len(centers))]
    while stack:
        start, stop = stack.pop()
        n_groups = -(-(stop - start) // width)
        if n_groups < 2:
            continue
        part = order[start:stop]
        deviations = centers[part] - centers[part].mean(axis=0)
        order[start:stop] = part[np.argsort(_spread(deviations), kind="stable")]
        middle = start + n_groups // 2 * width
        stack += [(start, middle), (middle, stop)]
    return order


def _spread(deviations: F64) -> F64:
    """Return where rows lie along their first principal axis, roughly: by a few power steps."""
    axis = deviations[np.argmax((deviations**2).sum(axis=1))]
    for _ in range(8):
        axis = (deviations @ axis) @ deviations
        length = np.sqrt(axis @ axis)
        if length == 0.0:
            break
        axis = axis / length
    return np.asarray(deviations @ axis)
