"""The sizes that we read from a footer are those that pyarrow reads from it."""

from __future__ import annotations

import io

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given

from streamkm.sources.parquet_thrift import ChunkFacts, read_chunk_facts

KINDS = {
    "float": pa.float32(),
    "int": pa.int64(),
    "bool": pa.bool_(),
    "text": pa.string(),
    "lists": pa.list_(pa.float64()),
    "pairs": pa.struct([("a", pa.int8()), ("b", pa.list_(pa.string()))]),
    "times": pa.timestamp("us"),
}


def some_value(kind, rng):
    numbers = {"float": 0.5, "int": 7, "bool": True, "text": "é" * 9, "times": 12}
    if rng.random() < 0.2:
        return None
    if kind == "lists":
        return [1.5] * int(rng.integers(0, 3))
    return {"a": 1, "b": ["x"]} if kind == "pairs" else numbers[kind]


@given(
    kinds=st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=20),
    n_rows=st.integers(0, 60),
    group_rows=st.integers(1, 40),
    compression=st.sampled_from(["none", "snappy", "zstd"]),
    has_statistics=st.booleans(),
    has_index=st.booleans(),
    version=st.sampled_from(["1.0", "2.0"]),
    seed=st.integers(0, 9),
)
def test_sizes_and_missing_values_are_those_that_pyarrow_reads(
    kinds, n_rows, group_rows, compression, has_statistics, has_index, version, seed
):
    rng = np.random.default_rng(seed)
    columns = [pa.array([some_value(k, rng) for _ in range(n_rows)], KINDS[k]) for k in kinds]
    table = pa.table(columns, [f"c{i}" for i in range(len(kinds))])
    file = io.BytesIO()
    pq.write_table(
        table.replace_schema_metadata({"note": "n" * 300}), file, row_group_size=group_rows,
        compression=compression, write_statistics=has_statistics, write_page_index=has_index,
        data_page_version=version,
    )  # fmt: skip
    meta = pq.ParquetFile(file).metadata
    leaves = range(meta.num_columns - 1, -1, -1)
    expected = [
        [meta.row_group(g).column(leaf) for leaf in leaves] for g in range(meta.num_row_groups)
    ]
    found = read_chunk_facts(file, leaves)
    assert [
        [(chunk.stored_bytes, chunk.decoded_bytes, chunk.n_nulls) for chunk in group]
        for group in found
    ] == [
        [
            (c.total_compressed_size, c.total_uncompressed_size,
             c.statistics.null_count if c.is_stats_set else None)
            for c in group
        ]
        for group in expected
    ]  # fmt: skip


@given(footer=st.binary(max_size=200), lie=st.integers(-4, 4))
def test_any_bytes_are_sizes_or_an_error(footer, lie):
    length = max(len(footer) + lie, 0).to_bytes(4, "little")
    try:
        found = read_chunk_facts(io.BytesIO(b"PAR1" + footer + length + b"PAR1"), [0])
    except ValueError:
        return
    assert all(isinstance(chunk.stored_bytes, int) for group in found for chunk in group)


@pytest.mark.parametrize(
    "items",
    [
        b"\x19\xf5" + b"\xff" * 9 + b"\x01",  # integers
        b"\x19\xf7" + b"\xff" * 9 + b"\x01",  # doubles
        b"\x19\xf1" + b"\xff" * 9 + b"\x01",  # truths
        b"\x19\xfc" + b"\xff" * 9 + b"\x01",  # structs
        b"\x1b" + b"\xff" * 9 + b"\x01" + b"\x33",  # a map of bytes
        b"\x18" + b"\xff" * 9 + b"\x01",  # text
        b"\x15" + b"\xff" * 30,  # one number without an end
        b"\x1c" * 100_000,  # structs in structs
    ],
)
def test_a_length_that_is_a_lie_ends_with_the_bytes(items):
    with pytest.raises(ValueError, match=r"."):
        read_chunk_facts(file_of(items), [0])


def footer_of(sizes):
    """A list of one row group, of a list of one column, of a struct of these fields."""
    return b"\x49\x1c" + b"\x19\x1c" + b"\x3c" + sizes + b"\x00" + b"\x00\x00\x00"


def file_of(footer):
    return io.BytesIO(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")


def test_a_footer_by_hand():
    sizes = b"\x66\x80\x02" + b"\x16\x04" + b"\x5c" + b"\x36\x06" + b"\x00"
    assert read_chunk_facts(file_of(footer_of(sizes)), [0]) == [[ChunkFacts(2, 128, 3)]]


@pytest.mark.parametrize(
    "sizes",
    [
        b"\x66\x02" + b"\x16\x04" + b"\x5c" + b"\x39\x16\x06" + b"\x00",  # a list of nulls
        b"\x66\x02" + b"\x16\x04" + b"\x5c" + b"\x36\x01" + b"\x00",  # -1 of them
        b"\x66\x02" + b"\x16\x03",  # -2 bytes
        b"\x66\x02" + b"\x1c\x00",  # a struct of bytes
        b"\x66\x02",  # no bytes
    ],
)
def test_a_size_that_is_no_number_is_an_error(sizes):
    with pytest.raises(ValueError, match="size"):
        read_chunk_facts(file_of(footer_of(sizes)), [0])
