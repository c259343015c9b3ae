from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkm.errors import MemoryLimitError
from streamkm.runtime.memory import (
    COPIES,
    MIB,
    RESERVED_BYTES,
    MemoryPlan,
    format_bytes,
    parse_bytes,
    plan_memory,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1GiB", 1 << 30),
        ("512 MiB", 512 << 20),
        ("2GB", 2 * 10**9),
        ("1.5k", 1536),
        (77, 77),
        ("1e6", 10**6),
    ],
)
def test_sizes_are_read(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "many", "-1", "0", "1 parsec", "1..2 GiB", "nan"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(MemoryLimitError, match="is not a size"):
        parse_bytes(text)


def test_sizes_are_written():
    assert [format_bytes(x) for x in (5, 2048, 3 << 29)] == ["5 B", "2.0 KiB", "1.5 GiB"]


@given(
    st.integers(512, 16_384), st.integers(1, 16), st.integers(1, 1 << 28), st.integers(0, 1 << 28)
)
def test_a_plan_stays_under_its_limit_or_says_what_would_do(limit_mib, n_workers, unit, task):
    def plan(limit):
        return plan_memory(limit, n_workers, 1, unit_bytes=unit, task_bytes=task)

    try:
        found = plan(limit_mib * MIB)
    except MemoryLimitError as error:
        size = re.search(r"memory_limit=(\S+) or more", str(error))
        assert size is not None
        assert plan(size[1]).n_workers >= 1
        return
    spent = found.n_workers * (task + COPIES * found.block_bytes) + found.cache_bytes
    assert RESERVED_BYTES + spent <= limit_mib * MIB


def test_blocks_of_small_data_leave_the_rest_to_the_cache():
    """5 MiB under 600 MiB: blocks planned for gigabytes had left no room to keep them."""
    known = {"unit_bytes": 1 << 20, "task_bytes": 4 << 20}
    plan = plan_memory("600MiB", 2, 1, **known, data_bytes=5 << 20)
    assert plan.block_bytes == 5 << 20
    assert plan.cache_bytes > 5 << 20
    assert plan.n_workers == 2


def test_a_cache_is_cut_by_what_the_limit_is_over_what_is_liked():
    plan = MemoryPlan(limit_bytes=1000, n_workers=2, block_bytes=10, cache_bytes=300)
    assert [plan.cache_under(liked) for liked in (None, 1200, 1000, 900, 700, 1)] == [
        300, 300, 300, 200, 0, 0,
    ]  # fmt: skip
