from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkm.data.layout import (
    MAX_GROUPS,
    TASK_PRODUCTS,
    block_rows_for,
    deal,
    default_chunk_rows,
    plan_groups,
    shared_block_rows,
)


@given(st.integers(1, 10**12), st.integers(1, 10**5), st.integers(1, 10**7), st.booleans())
def test_groups_cover_every_row_once(n_rows, row_bytes, block_rows, is_sequential):
    block_rows = max(min(block_rows, n_rows), n_rows // 10**6, 1)
    groups = plan_groups(n_rows, row_bytes, block_rows, is_sequential=is_sequential)
    assert groups[0].start == 0
    assert groups[-1].stop == n_rows
    assert all(a.stop == b.start for a, b in zip(groups, groups[1:], strict=False))
    assert all(group.start % block_rows == 0 and group.n_rows > 0 for group in groups)
    assert len(groups) <= (1 if is_sequential else MAX_GROUPS)


@pytest.mark.parametrize(
    ("gib", "n_groups"), [(1, 32), (24, 48), (64, 128), (100, 128), (160, 160), (4000, 1024)]
)
def test_groups_are_half_a_gib_and_of_much_data_a_whole_one(gib, n_groups):
    assert len(plan_groups(gib << 20, 1 << 10, 1 << 10)) == n_groups


@given(st.integers(1, 500), st.integers(1, 60))
def test_blocks_cover_their_group(n_rows, block_rows):
    for group in plan_groups(n_rows, 8, block_rows):
        rows = [i for block in group.blocks() for i in range(block.start, block.stop)]
        assert rows == list(range(group.start, group.stop))


@given(st.integers(1, 10**9), st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 1 << 26))
def test_blocks_are_whole_units_where_they_fit(n_rows, row_bytes, unit_rows, block_bytes):
    rows = block_rows_for(n_rows, row_bytes, unit_rows, block_bytes)
    assert 1 <= rows <= n_rows
    assert rows * row_bytes <= max(block_bytes, row_bytes, unit_rows * row_bytes)
    if (
        rows < n_rows
        and unit_rows * row_bytes <= block_bytes
        and unit_rows < block_bytes // row_bytes
    ):
        assert rows % unit_rows == 0


@given(st.integers(1, 10**10), st.integers(1, 10**8))
def test_a_chunk_is_about_sixteen_mebibytes_at_most(n_rows, row_bytes):
    rows = default_chunk_rows(n_rows, row_bytes)
    assert 1 <= rows <= n_rows
    assert rows == 1 or rows * row_bytes <= 16 << 20
    assert rows <= 1 << 19  # of each row more is held than its bytes


@given(st.integers(1, 10**9), st.integers(1, 10**7), st.integers(1, 64))
def test_rows_in_memory_are_cut_into_a_few_blocks_a_worker(n_rows, row_products, n_workers):
    rows = shared_block_rows(n_rows, row_products, n_workers)
    n_blocks = -(-n_rows // rows)
    assert 1 <= n_blocks <= 4 * n_workers
    assert n_blocks == 1 or n_rows * row_products >= n_blocks * TASK_PRODUCTS


@given(st.integers(1, 500), st.integers(1, 60), st.data())
def test_hands_take_every_row_once_whoever_is_first(n_rows, block_rows, data):
    groups = plan_groups(n_rows, 8, block_rows)
    hands = deal(groups, data.draw(st.integers(1, 5)))
    taking = [hand.blocks() for hand in hands]
    rows = []
    while taking:
        which = data.draw(st.integers(0, len(taking) - 1))
        block = next(taking[which], None)
        if block is None:
            del taking[which]
        else:
            rows += range(block.start, block.stop)
    assert sorted(rows) == list(range(n_rows))
    assert sum(hand.n_rows for hand in hands) == n_rows
