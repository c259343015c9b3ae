"""Which new cluster is which old one: so that an id keeps its cluster from fit to fit."""

from __future__ import annotations

import numpy as np

from streamkm.kernels.seeding import distances
from streamkm.typing import F64, I64


def match(new: F64, old: F64) -> I64:
    """Return the order of the new clusters in which ids mean what they meant.

    Parameters
    ----------
    new
        Centers of a new fit, shape (n_new, n_features).
    old
        Centers whose ids are to be kept, shape (n_old, n_features).

    Returns
    -------
    order
        Shape (n_new,), a permutation: new cluster `order[i]` gets the id `i`.
        As many pairs as can be are matched, with the least sum of squared
        distances. A pair keeps the old id where it is below `n_new`; the other
        new clusters take the free ids in ascending order.

    Notes
    -----
    O(n_new * n_old) memory and, in the worst case, cubic time: a second for a
    thousand clusters.

    References
    ----------
    Kuhn, "The Hungarian method for the assignment problem", Naval Research
    Logistics Quarterly 2, 1955, in scipy's version for rectangular costs.
    """
    from scipy.optimize import linear_sum_assignment

    n_new = len(new)
    pairs = zip(*linear_sum_assignment(distances(old, new)), strict=True)
    kept = {int(there): int(here) for here, there in pairs if there < n_new}
    others = iter(sorted(set(range(n_new)) - set(kept.values())))
    return np.array([kept[i] if i in kept else next(others) for i in range(n_new)], np.int64)
