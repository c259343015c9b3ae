"""Parquet and Arrow files: types, missing values, lists, row groups, and what is refused."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkm.data.layout import plan_groups
from streamkm.errors import SourceError
from streamkm.sources import open_column, open_source
from tests.contract.written import write_ipc

KINDS = ["parquet", "arrow"]


def write(table, kind, name="x", rows=4, **how):
    if kind == "parquet":
        pq.write_table(table, f"{name}.parquet", row_group_size=rows, **how)
    else:
        write_ipc(Path(f"{name}.{kind}"), table, rows=rows, **how)
    return f"{name}.{kind}"


def read(locator):
    source = open_source(locator)
    return source.read(0, source.shape[0])


whole = st.sampled_from(["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
types = st.one_of(whole, st.sampled_from(["float", "double", "bool"]))
columns = st.lists(st.tuples(types, st.booleans()), min_size=1, max_size=4)


@given(columns, st.sampled_from(KINDS))
def test_the_type_is_the_smallest_that_holds_all_columns(columns, kind):
    values = [0, 1, 1, 0, 1]
    table = pa.table(
        {
            str(i): pa.array([None if n and v else v for v in values]).cast(name)
            for i, (name, n) in enumerate(columns)
        }
    )
    expected = []
    for column, (_, has_nulls) in zip(table.columns, columns, strict=True):
        dtype = np.dtype(column.type.to_pandas_dtype())
        is_plain = dtype.kind == "f" or not has_nulls
        expected.append(dtype if is_plain else np.result_type(dtype, np.float32))
    source = open_source(write(table, kind))
    assert source.dtype == np.result_type(*expected)
    frame = table.to_pandas().astype(float).to_numpy()
    np.testing.assert_array_equal(source.read(0, 5).astype(float), frame)


def test_missing_values_are_found_without_statistics():
    table = pa.table({"a": pa.array([1, 2, None, 4, 5]), "b": [1, 2, 3, 4, 5]})
    for statistics in (True, False):
        source = open_source(write(table, "parquet", write_statistics=statistics))
        assert source.dtype == np.float64
    assert open_source("x.parquet:b").dtype == np.int64


@pytest.mark.parametrize("kind", KINDS)
def test_lists_are_several_features(kind):
    lists = [[1, 2], [3, 4], None, [5, None], [6, 7]]
    table = pa.table(
        {
            "fixed": pa.array(lists, pa.list_(pa.float32(), 2)),
            "free": pa.array(lists, pa.list_(pa.int16())),
            "large": pa.array([[i] for i in range(5)], pa.large_list(pa.int8())),
        }
    )
    found = read(write(table, kind))
    expected = np.array([[1, 2], [3, 4], [np.nan] * 2, [5, np.nan], [6, 7]])
    np.testing.assert_array_equal(found, np.column_stack([expected, expected, np.arange(5)]))
    assert found.dtype == np.float32


@pytest.mark.parametrize("kind", KINDS)
def test_lists_of_several_lengths_name_their_column(kind):
    table = pa.table({"words": [[1.0, 2.0]] * 9 + [[1.0]]})
    with pytest.raises(SourceError, match=r"x.*column words.*length"):
        read(write(table, kind))


@pytest.mark.parametrize("kind", KINDS)
def test_text_is_refused_by_name(kind):
    table = pa.table(
        {
            "a, b": [1.0, 2.0],
            "name": ["x", "y"],
            "day": pa.array([1, 2], pa.date32()),
            "words": [["x"], ["y"]],
            "c": [1, 2],
        }
    )
    locator = write(table, kind)
    with pytest.raises(SourceError) as caught:
        open_source(locator)
    message = str(caught.value)
    assert "name (string), day (date32[day]), words (list<" in message
    assert message.endswith(f"'{Path(locator).name}:\"a, b\",c'")
    assert read(f'{locator}:c,"a, b"').tolist() == [[1, 1], [2, 2]]
    assert read(f"{locator}:-name,day,words".replace(",", ",-")).shape == (2, 2)
    assert open_column(f"{locator}:c").read(0, 2).tolist() == [1, 2]


@pytest.mark.parametrize("kind", KINDS)
def test_decimals_are_numbers_and_an_index_is_no_column(kind):
    frame = pd.DataFrame({"a": [Decimal("1.25"), Decimal("2.50")]}, index=[7, 8])
    assert read(write(pa.Table.from_pandas(frame), kind)).tolist() == [[1.25], [2.5]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"a": [1.0], "b": [1]}, "column a is float64 in y.* and int64 in x"),
        ({"a": [1], "c": [1]}, "y.*: no column b; it holds a, c"),
        ({"a": [1], "b": [1], "c": [1]}, "y.* has the columns a, b, c, x.* has a, b"),
        ({"a": [1], "b": ["x"]}, r"y.*: columns that are not numbers: b \(string\)"),
    ],
)
def test_files_of_one_glob_must_agree(kind, other, says):
    write(pa.table({"a": [1], "b": [2]}), kind)
    write(pa.table(other), kind, "y")
    with pytest.raises(SourceError, match=says):
        open_source(f"*.{kind}")


@pytest.mark.parametrize("kind", KINDS)
def test_missing_values_in_one_file_make_floats_of_all(kind):
    write(pa.table({"a": [1, 2], "b": [3, 4]}), kind)
    write(pa.table({"b": [5, None], "a": [7, 8]}), kind, "y")
    write(pa.table({"b": pa.array([], pa.int64()), "a": pa.array([], pa.int64())}), kind, "z")
    found = read(f"*.{kind}")
    np.testing.assert_array_equal(found, [[1, 3], [2, 4], [7, 5], [8, np.nan]])


def test_tasks_begin_where_row_groups_do(monkeypatch):
    monkeypatch.setattr("streamkm.sources.parquet.UNIT_BYTES", 64)
    table = pa.table({"a": np.arange(1000.0)})
    pq.write_table(table, "x-0.parquet", row_group_size=300)
    pq.write_table(table, "x-1.parquet", row_group_size=1000)
    info = open_source("x-*.parquet").info
    assert info.parts == (0, 300, 600, 900, 1000)
    groups = plan_groups(2000, 8, 50, is_sequential=True, parts=info.parts)
    assert [group.start for group in groups] == [0, 300, 600, 900, 1000]
    assert groups[-1].stop == 2000
    assert len(plan_groups(2000, 8, 700, is_sequential=True, parts=info.parts)) == 3


def test_a_task_reads_a_row_group_once(monkeypatch):
    from streamkm.sources import parquet

    monkeypatch.setattr(parquet, "UNIT_BYTES", 64)
    opened = []
    plain = parquet.open_parquet
    monkeypatch.setattr(parquet, "open_parquet", lambda *a, **k: opened.append(a) or plain(*a, **k))
    pq.write_table(pa.table({"a": np.arange(1000.0), "b": np.arange(1000)}), "x.parquet")
    source, labels = open_source("x.parquet:a"), open_column("x.parquet:b")
    for start in range(0, 1000, 90):
        stop = min(start + 90, 1000)
        np.testing.assert_array_equal(source.read(start, stop)[:, 0], np.arange(start, stop))
        np.testing.assert_array_equal(labels.read(start, stop), np.arange(start, stop))
    assert len(opened) == 2


@pytest.mark.parametrize(
    ("write_it", "says"),
    [
        (lambda t: pa.OSFile("x.arrow", "wb"), "empty"),
        (lambda t: Path("x.arrow").write_bytes(b"FEA1" + bytes(99)), "Feather version 1"),
        (lambda t: Path("x.arrow").write_bytes(b"no table at all, but text"), "damaged"),
    ],
)
def test_other_kinds_of_arrow_files_are_called_by_their_names(write_it, says):
    made = write_it(pa.table({"a": [1.0]}))
    if isinstance(made, pa.NativeFile):
        made.close()
    with pytest.raises(SourceError, match=f"x.arrow: .*{says}"):
        open_source("x.arrow")


def test_an_arrow_stream_says_how_to_write_a_file():
    table = pa.table({"a": [1.0]})
    with pa.OSFile("x.arrow", "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)
    with pytest.raises(SourceError, match="new_file"):
        open_source("x.arrow")


def test_damage_inside_a_parquet_file_is_one_error():
    pq.write_table(pa.table({"a": np.random.default_rng(0).normal(size=5000)}), "x.parquet")
    raw = bytearray(Path("x.parquet").read_bytes())
    raw[4:900] = bytes(896)
    Path("x.parquet").write_bytes(raw)
    with pytest.raises(SourceError, match=r"x\.parquet"):
        read("x.parquet")


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_what_is_not_compressed_is_mapped_piece_by_piece(compression, monkeypatch):
    monkeypatch.setattr("streamkm.sources.arrow_ipc.UNIT_BYTES", 160)
    table = pa.table({"a": np.arange(100.0), "s": ["x"] * 100, "b": np.arange(100.0)})
    source = open_source(write(table, "arrow", rows=70, compression=compression) + ":b,a")
    assert source.info.natural_rows == (10 if compression is None else 70)
    before = pa.total_allocated_bytes()
    batch = source.parts[0].load(0, ("b", "a"))
    assert (pa.total_allocated_bytes() > before) == (compression is not None)
    assert batch.num_rows == source.info.natural_rows
    del batch
    assert source.read(65, 75).tolist() == [[i, i] for i in range(65, 75)]
