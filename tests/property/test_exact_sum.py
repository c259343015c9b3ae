"""The laws of order-free sums. The oracle is math.fsum: exactly rounded."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamkm.kernels.binned_sum import BinnedSum, add_column
from streamkm.kernels.exact_sum import ExactSum, float_grid, integer_grid
from streamkm.kernels.open_sum import FLUSH_ROWS, OpenSum, add_labeled, move_rows, sum_rows

heavy_tails = st.builds(
    lambda mantissa, exponent: mantissa * 10.0**exponent,
    st.floats(1.0, 10.0) | st.floats(-10.0, -1.0) | st.just(0.0),
    st.integers(-30, 30),
)
values = st.lists(heavy_tails, min_size=1, max_size=60)


def column(numbers: list[float]) -> np.ndarray:
    return np.array(numbers, np.float64)[:, None]


def grid_of(numbers: list[float]) -> np.ndarray:
    return float_grid(np.array([max(abs(x) for x in numbers)]))


@given(values, st.randoms(use_true_random=False))
def test_any_permutation_gives_the_same_limbs(numbers, random):
    grid = grid_of(numbers)
    shuffled = list(numbers)
    random.shuffle(shuffled)
    a, b = sum_rows(column(numbers), grid), sum_rows(column(shuffled), grid)
    assert a.limbs.tobytes() == b.limbs.tobytes()


@given(values, st.lists(st.integers(0, 60), max_size=6))
def test_any_grouping_gives_the_same_limbs(numbers, cuts):
    grid = grid_of(numbers)
    edges = [0, *sorted(min(cut, len(numbers)) for cut in cuts), len(numbers)]
    parts = [
        sum_rows(column(numbers[a:b]), grid)
        for a, b in zip(edges, edges[1:], strict=False)
        if a < b
    ]
    whole = sum_rows(column(numbers), grid)
    assert ExactSum.merge_all(parts).limbs.tobytes() == whole.limbs.tobytes()


@given(values, values)
def test_adding_and_taking_back_changes_nothing(numbers, others):
    grid = grid_of(numbers + others)
    before, extra = sum_rows(column(numbers), grid), sum_rows(column(others), grid)
    after = ExactSum.merge_all([before, extra]) - extra
    assert after.limbs.tobytes() == before.limbs.tobytes()


@given(values)
def test_the_error_is_bounded_by_the_largest_value(numbers):
    total = sum_rows(column(numbers), grid_of(numbers)).value()[0]
    exact = math.fsum(numbers)
    largest = max(abs(x) for x in numbers)
    assert abs(total - exact) <= len(numbers) * largest * 2.0**-60 + abs(exact) * 2.0**-51


def on_grid(number: float, exponents: list[int]) -> list[int]:
    """Multiples of each unit: rounded to even to the first, what is left of it to the second."""
    high = round(Fraction(number) / Fraction(2) ** exponents[0])
    rest = Fraction(number) - high * Fraction(2) ** exponents[0]
    return [high, round(rest / Fraction(2) ** exponents[1])]


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_rows_of_any_width_are_added_and_moved_number_by_number(n_features, n_rows, seed):
    rng = np.random.default_rng(seed)
    rows = rng.standard_t(2, (n_rows, n_features)) * 10.0 ** rng.integers(-4, 4, n_features)
    grid = float_grid(np.abs(rows).max(axis=0))
    old, new = rng.integers(-1, 3, (2, n_rows)).astype(np.int32)
    total = ExactSum.zeros((3, n_features), grid)
    add_labeled(total, rows, old)
    for labels in (old, new):
        if labels is new:
            moving = OpenSum(total, n_spare=1)
            move_rows(rows, n_rows, new, old, moving.arrays)
            moving.close()
        for k in range(3):
            for j in range(n_features):
                parts = [on_grid(float(x), grid[:, j].tolist()) for x in rows[labels == k, j]]
                high, low = (sum(part[limb] for part in parts) for limb in (0, 1))
                assert total.limbs[:, k, j].tolist() == [high + (low >> 38), low % 2**38]


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=50))
def test_integers_are_summed_exactly(numbers):
    total = sum_rows(column([float(x) for x in numbers]), integer_grid(1))
    assert int(total.limbs[0, 0]) == sum(numbers)


@given(values, st.randoms(use_true_random=False), st.lists(st.integers(1, 20), max_size=5))
def test_a_binned_sum_depends_on_the_values_alone(numbers, random, sizes):
    whole = BinnedSum.zeros(1)
    add_column(whole, np.array(numbers))
    shuffled = list(numbers)
    random.shuffle(shuffled)
    parts = []
    for size in [*sizes, len(numbers)]:
        part, shuffled = shuffled[:size], shuffled[size:]
        one = BinnedSum.zeros(1)
        if part:
            add_column(one, np.array(part))
        parts.append(one)
    merged = BinnedSum.merge_all(parts)
    assert merged.limbs.tobytes() == whole.limbs.tobytes()
    assert merged.top.tobytes() == whole.top.tobytes()


@given(values)
def test_a_binned_sum_is_close_to_the_exact_one(numbers):
    total = BinnedSum.zeros(1)
    for number in numbers:  # one by one: the grid rises as larger values come
        add_column(total, np.array([number]))
    largest = max(abs(x) for x in numbers)
    exact = math.fsum(numbers)
    bound = len(numbers) * largest * 2.0**-58 + abs(exact) * 2.0**-51
    assert abs(total.value()[0] - exact) <= bound


def test_many_flushes_lose_nothing(rng):
    rows = rng.normal(size=(5 * FLUSH_ROWS + 17, 2)) * [1.0, 1e-9]
    total = sum_rows(rows, float_grid(np.abs(rows).max(axis=0)))
    for j in range(2):
        assert math.isclose(total.value()[j], math.fsum(rows[:, j]), rel_tol=1e-14)


def test_plain_sums_would_fail_the_permutation_law(rng):
    """The data of this file is hard enough to tell order-free sums from others."""
    numbers = rng.lognormal(0.0, 3.0, 10_000)
    assert np.cumsum(numbers)[-1] != np.cumsum(numbers[::-1])[-1]


def test_counts_pass_two_to_the_forty_without_overflow():
    """Merging large limbs carries; the value stays that of exact fractions."""
    grid = float_grid(np.array([1.0]))
    one = sum_rows(np.array([[1.0 - 2.0**-40]]), grid)
    total = one
    for _ in range(40):
        total = ExactSum.merge_all([total, total])
    exact = Fraction(2) ** 40 * (1 - Fraction(1, 2**40))
    assert total.value()[0] == float(exact)


def test_rows_with_a_negative_label_are_left_out():
    grid = float_grid(np.array([4.0]))
    total = ExactSum.zeros((1, 1), grid)
    add_labeled(total, column([1.0, 2.0, 4.0]), np.array([0, -1, 0], np.int32))
    assert total.value()[0, 0] == 5.0
