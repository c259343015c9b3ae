from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkm.kernels.hashing import permute, uniform_rows
from streamkm.keyed import SHUFFLE, generator, row_key


@given(st.integers(1, 3000), st.integers(0, 100))
def test_permute_is_a_permutation(n_rows, seed):
    targets = permute(row_key(seed, SHUFFLE), n_rows, 0, n_rows)
    assert sorted(targets.tolist()) == list(range(n_rows))


@given(st.integers(1, 2000), st.data())
def test_a_part_of_a_permutation_is_the_same_as_in_the_whole(n_rows, data):
    start = data.draw(st.integers(0, n_rows - 1))
    key = row_key(7, SHUFFLE)
    whole = permute(key, n_rows, 0, n_rows)
    np.testing.assert_array_equal(permute(key, n_rows, start, n_rows), whole[start:])


def test_a_permutation_mixes():
    """Neighbours end up far apart, and no row is likely to stay."""
    targets = permute(row_key(0, SHUFFLE), 100_000, 0, 100_000)
    assert abs(np.corrcoef(np.arange(100_000), targets)[0, 1]) < 0.02
    assert (targets == np.arange(100_000)).sum() < 10
    assert np.median(np.abs(np.diff(targets))) > 20_000


def test_uniform_rows_are_uniform_and_keyed():
    values = uniform_rows(row_key(0, 1), 0, 200_000)
    counts = np.histogram(values, bins=20, range=(0.0, 1.0))[0]
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 50.0  # chi-square, 19 degrees
    np.testing.assert_array_equal(uniform_rows(row_key(0, 1), 500, 600), values[500:600])
    assert (uniform_rows(row_key(1, 1), 0, 10) != values[:10]).all()


@pytest.mark.parametrize("keys", [(1,), (1, 2), (2, 1)])
def test_generators_repeat_and_differ_by_key(keys):
    assert generator(3, *keys).random() == generator(3, *keys).random()
    assert generator(3, *keys).random() != generator(3, 9, 9).random()
