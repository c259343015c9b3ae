"""Text tables: what parts values, which line is wrong, and never a row out of its place."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkm.errors import SourceError
from streamkm.sources import open_column, open_source
from tests.contract.written import csv_text


@pytest.fixture(autouse=True)
def _small_units(monkeypatch):
    monkeypatch.setattr("streamkm.sources.delimited.UNIT_BYTES", 40)
    monkeypatch.setattr("streamkm.sources.csv_scan.PIECE_BYTES", 64)


def rows_of(text, name="x.csv", columns=""):
    Path(name).write_text(text, newline="")
    source = open_source(name + columns)
    return source.read(0, source.shape[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,2\n3,4\n", [[1, 2], [3, 4]]),
        ("a,b\n1,2\n3,4", [[1, 2], [3, 4]]),
        ("a;b\r\n1;2\r\n\r\n3;4\r\n", [[1, 2], [3, 4]]),
        ("a|b\n1|2.5\n", [[1, 2.5]]),
        ("\ufeffa,b\n1,2\n", [[1, 2]]),
        ("# a b\n 1   2\n 3\t 4\n", [[1, 2], [3, 4]]),
        ("1.5\n2.5\n", [[1.5], [2.5]]),
        ('"first\nname",b\n1,2\n', [[1, 2]]),
        ("a,b\n1e3,-inf\n", [[1000, -np.inf]]),
        ("a,b\ntrue,1\nfalse,0\n", [[1, 1], [0, 0]]),
        (",x\n0,7\n1,8\n", [[7], [8]]),  # an index that pandas wrote
        ("a,b\n1,\n,NA\nnan,4\n", [[1, np.nan], [np.nan, np.nan], [np.nan, 4]]),
    ],
)
def test_how_a_table_is_written_is_found_out(text, expected):
    np.testing.assert_array_equal(rows_of(text), expected)


@pytest.mark.parametrize(
    ("text", "dtype"),
    [
        ("a,b\n1,2\n", "i8"),
        ("a,b\n1,2.0\n", "f8"),
        ("a,b\n1,\n2,3\n", "f8"),
        ("a,b\ntrue,false\n", "?"),
        ("a\n1\n99999999999999999999\n", "f8"),
        ("a\n" + "1\n" * 100 + "2.5\n", "f8"),  # found in a later piece
    ],
)
def test_numbers_keep_their_type(text, dtype):
    assert rows_of(text).dtype == np.dtype(dtype)


nasty = st.text(st.sampled_from(list('ab1 ,;"\n\r|')), max_size=6)
numbers = st.one_of(st.integers(-1000, 1000), st.floats(allow_nan=False, width=32))


@given(st.lists(st.tuples(numbers, nasty, numbers), min_size=1, max_size=30), st.booleans())
def test_text_of_any_kind_between_numbers_moves_no_row(rows, is_gzip):
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_STRINGS if hasattr(csv, "QUOTE_STRINGS") else 2)
    writer.writerow(["first", "said, or not", "last"])
    writer.writerows(rows)
    name = "x.csv.gz" if is_gzip else "x.csv"
    raw = text.getvalue().encode()
    Path(name).write_bytes(gzip.compress(raw) if is_gzip else raw)
    source = open_source(f"{name}:last,first")
    expected = np.array([[last, first] for first, _, last in rows], float)
    np.testing.assert_array_equal(source.read(0, len(rows)), expected)
    for start in range(0, len(rows), 7):
        part = source.read(start, min(start + 3, len(rows)))
        np.testing.assert_array_equal(part, expected[start : start + 3])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n3\n", r"x.csv, line 3: 1 values \(3\), where the first line has 2"),
        ("a,b\n" + "1,2\n" * 50 + "1,2,3\n", "x.csv, line 52: 3 values"),
        ('a,b\n"1\n",2\n\n3,4,5\n', "line 5: 3 values"),
        ("a,b\n1,2\n1,x\n", r"not numbers: b \(line 3: 'x'\); .* behind a colon: x.csv:a$"),
        ("a,b\n" + "1,2\n" * 50 + "1,2x\n", r"b \(line 52: '2x'\)"),
        ("a,b,c\n1,x,2016-01-01\n", r"b \(line 2: 'x'\), c \(line 2: '2016-01-01'\)"),
        ("a,b\n" + "true,1\n" * 50 + "7,1\n", r"numbers: a \(line \d\d: 'true'\)"),
        ("a,b\n1,\n2,\n", "b .no value at all"),
        ("a;b\n1,5;2,25\n3;-4,5\n", r"decimal commas are not read: a \(line 2: '1,5'\), b"),
        ("1,5;2,25\n3,0;-4,5\n", r"decimal commas are not read: .*decimal=','"),
        ("a,b\nx,y\n", "there is no column of numbers"),
        ("a,a\n1,2\n", "a is there more than once"),
        ("a,b\n", "holds no rows"),
        ("", "empty"),
        ("\n\n", "holds no rows"),
        ('a,b\n1,"2\n3,4\n', "line"),
        ('a,b\n1,x"\n3,y\n5,z"\n', "quote"),
        ("a\0b", "not text"),
    ],
)
def test_what_is_wrong_is_told_by_line(text, says):
    with pytest.raises(SourceError, match=says) as caught:
        rows_of(text)
    assert "x.csv" in str(caught.value)


def test_names_with_commas_are_quoted_in_the_advice():
    with pytest.raises(SourceError, match=r"'x.csv:\"a, m\",b'$"):
        rows_of('"a, m",b,c\n1,2,x\n')


@pytest.mark.parametrize(
    ("mark", "says"),
    [(b"\x1f\x8b\x08", "gzip"), ("1,2\n".encode("utf-16"), "UTF-16"), (b"PK\3", "zip")],
)
def test_other_kinds_of_files_are_called_by_their_names(mark, says):
    Path("x.csv").write_bytes(mark)
    with pytest.raises(SourceError, match=says):
        open_source("x.csv")


def test_a_truncated_gzip_names_file_and_line(monkeypatch):
    for module in ("csv_dialect", "csv_index"):
        monkeypatch.setattr(f"streamkm.sources.{module}.HEAD_BYTES", 512)
    whole = gzip.compress(csv_text(np.random.default_rng(0).normal(size=(999, 3))).encode())
    Path("x.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match=r"x.csv.gz: damaged or truncated behind line \d\d"):
        open_source("x.csv.gz")


def test_columns_are_chosen_left_out_and_missed():
    text = "a,b,c\n1,2,3\n4,5,6\n"
    assert rows_of(text, columns=":c,a").tolist() == [[3, 1], [6, 4]]
    assert rows_of(text, columns=":-b").tolist() == [[1, 3], [4, 6]]
    assert open_column("x.csv:b").read(0, 2).tolist() == [2, 5]
    with pytest.raises(SourceError, match="no column d; it holds a, b, c"):
        open_source("x.csv:a,d")
    with pytest.raises(SourceError, match="one value a row"):
        open_column("x.csv")


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ("a,c\n1,2\n", "b.csv has the columns a, c, a.csv has a, b"),
        ("a,b,c\n1,2,3\n", "b.csv has the columns a, b, c, a.csv has a, b"),
        ("1,2\n", "b.csv has the columns 0, 1, a.csv has a, b"),
        ("a,b\n1,x\n", r"b.csv: .*b \(line 2: 'x'\)"),
    ],
)
def test_files_of_one_glob_must_agree(other, says):
    Path("a.csv").write_text("a,b\n1,2\n")
    Path("b.csv").write_text(other)
    with pytest.raises(SourceError, match=says):
        open_source("*.csv")


def test_files_of_one_glob_may_differ_in_what_does_not_matter():
    Path("a.csv").write_text("a,b\n1,2\n")
    Path("b.csv").write_text("b;a;c\n0.5;7;x\n")
    Path("c.csv").write_text("a,b\n")
    source = open_source("*.csv:a,b")
    assert source.read(0, 2).tolist() == [[1, 2], [7, 0.5]]
    assert source.dtype == np.float64
    with pytest.raises(SourceError, match=r"d\*.csv: no file"):
        open_source("d*.csv")


def test_a_file_that_changed_is_not_read_out_of_place():
    Path("x.csv").write_text("a,b\n" + "11,22\n" * 40)
    source = open_source("x.csv")
    Path("x.csv").write_text("a,b\n" + "1,2\n" * 60)
    with pytest.raises(SourceError, match=r"x\.csv: has changed"):
        source.read(0, 40)
