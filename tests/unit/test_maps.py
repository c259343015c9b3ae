"""What class a cluster stands for: by hand, and by trying every map."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from streamkm.errors import SourceError
from streamkm.metrics import Contingency, accuracy, fit_map


def test_the_hungarian_map_is_the_best_of_all_one_to_one_maps(rng):
    for _ in range(30):
        n_clusters, n_classes = rng.integers(1, 6, 2)
        table = rng.integers(0, 9, (n_clusters, n_classes)) + np.eye(
            n_clusters, n_classes, dtype=int
        )
        side = max(n_clusters, n_classes)
        whole = np.zeros((side, side), int)
        whole[:n_clusters, :n_classes] = table
        best = max(whole[range(side), list(p)].sum() for p in permutations(range(side)))
        counted = Contingency(np.arange(n_classes) * 3 - 4, table)
        found = fit_map(counted, "hungarian")
        assert accuracy(counted, found) == pytest.approx(best / table.sum())
        known = found.classes[found.is_known]
        assert len(np.unique(known)) == len(known)


def test_a_majority_map_fitted_here_and_applied_there():
    train = Contingency(np.array([-5, 2]), np.array([[3, 3], [0, 9], [0, 0]]))
    found = fit_map(train)
    assert found.to_json() == [-5, 2, None]  # ties to the lowest; no rows, no class
    test = Contingency(np.array([2, 7]), np.array([[1, 1], [4, 0], [9, 0]]))  # no -5 here
    assert accuracy(test, found) == 4 / 15
    assert accuracy(train, found) == 12 / 15


def test_maps_are_refused_that_fit_nothing():
    table = Contingency(np.array([0, 1]), np.array([[1, 2]]))
    with pytest.raises(SourceError, match="majority, hungarian"):
        fit_map(table, "best")
    with pytest.raises(SourceError, match="of other models"):
        accuracy(table, fit_map(Contingency(np.array([0]), np.array([[1], [2]]))))
