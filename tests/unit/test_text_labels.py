"""Labels that are text become classes, numbered in the order of their names, which are kept."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import streamkm
from streamkm.cli import main
from streamkm.errors import SourceError
from streamkm.sources import open_column
from tests.contract.written import write_ipc

KINDS = ["csv", "csv.gz", "parquet", "arrow"]
NAMES = np.array(["rose", "oak", "fern, wood", "oak", "rose", "ash"])
SORTED = ("ash", "fern, wood", "oak", "rose")
CODES = [3, 2, 1, 2, 3, 0]


def write(kind, names=NAMES, name="x", column="kind"):
    numbers = np.arange(len(names)) / 2
    if kind.startswith("csv"):
        lines = [f"a,{column}", *(f'{a},"{n}"' for a, n in zip(numbers, names, strict=True))]
        raw = "\n".join(lines).encode()
        Path(f"{name}.{kind}").write_bytes(gzip.compress(raw) if kind.endswith("gz") else raw)
        return f"{name}.{kind}"
    values = pa.array(list(names))
    coded = values.dictionary_encode() if pa.types.is_string(values.type) else values
    table = pa.table({"a": numbers, column: coded})
    if kind == "parquet":
        pq.write_table(table, f"{name}.parquet", row_group_size=4)
    else:
        write_ipc(Path(f"{name}.arrow"), table, rows=6)
    return f"{name}.{kind}"


@pytest.mark.parametrize("kind", KINDS)
def test_texts_are_classes_and_no_features(kind, monkeypatch, capsys):
    monkeypatch.setattr("streamkm.sources.delimited.UNIT_BYTES", 20)
    path = write(kind)
    column = open_column(f"{path}:kind")
    assert (column.class_names, column.dtype) == (SORTED, np.int32)
    assert column.read(1, 5).tolist() == CODES[1:5]
    assert main(["convert", path, "x.zarr", "--target", f"{path}:kind"]) == 0
    store = streamkm.open_dataset("x.zarr")
    assert store.spec.class_names == SORTED
    assert store.labels.read(0, 6).tolist() == CODES
    assert store.read(0, 6).tolist() == [[i / 2] for i in range(6)]
    assert main(["info", "x.zarr"]) == 0
    assert "ash, fern, wood, oak, rose" in capsys.readouterr().out
    again = streamkm.convert(store, "y.zarr", shuffle=True)
    assert again.spec.class_names == SORTED


@pytest.mark.parametrize("kind", KINDS)
def test_files_share_their_classes(kind):
    write(kind, name="x-0")
    write(kind, ["elm", "ash"], name="x-1")
    column = open_column(f"x-*.{kind}:kind")
    assert column.class_names == ("ash", "elm", "fern, wood", "oak", "rose")
    assert column.read(4, 8).tolist() == [4, 0, 1, 0]


def test_numbers_among_texts_are_texts(monkeypatch):
    monkeypatch.setattr("streamkm.sources.delimited.UNIT_BYTES", 8)
    write("csv", [1, 2, 10, 10, "x", 2], name="x-0")
    write("csv", [1, 2, 3], name="x-1")
    column = open_column("x-*.csv:kind")
    assert column.class_names == ("1", "10", "2", "3", "x")
    assert column.read(0, 9).tolist() == [0, 2, 1, 1, 4, 2, 0, 2, 3]
    write("parquet", [1, 2, 3], name="y-0")
    write("parquet", ["a", "b"], name="y-1")
    with pytest.raises(SourceError, match=r"text in y-1\.parquet and int64 in y-0\.parquet"):
        open_column("y-*.parquet:kind")


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_without_a_label_is_refused(kind):
    path = write(kind, ["a", "", "b"])
    with pytest.raises(SourceError, match=r"x\..*: rows have no label in column kind"):
        open_column(f"{path}:kind")


def test_texts_that_are_all_different_are_no_classes(monkeypatch):
    monkeypatch.setattr("streamkm.sources.classes.MAX_CLASSES", 5)
    path = write("csv", [f"row {i}" for i in range(9)])
    with pytest.raises(SourceError, match="no classes"):
        open_column(f"{path}:kind")
    with pytest.raises(SourceError, match=r"one value a row|one column"):
        open_column(path)


def test_appended_labels_must_be_of_the_same_classes():
    write("csv", name="x")
    write("csv", NAMES[::-1], name="same")
    write("csv", ["oak", "elm"], name="other")
    streamkm.convert("x.csv", "x.zarr", target="x.csv:kind")
    grown = streamkm.convert("same.csv", "x.zarr", target="same.csv:kind", append=True)
    assert grown.labels.read(0, 12).tolist() == [*CODES, *CODES[::-1]]
    assert grown.spec.class_names == SORTED
    with pytest.raises(SourceError, match=r"classes: .*rose.* there, .*elm"):
        streamkm.convert("other.csv", "x.zarr", target="other.csv:kind", append=True)


def test_folders_of_images_name_their_classes():
    for name in ("cat", "dog"):
        Path("p", name).mkdir(parents=True)
        Image.fromarray(np.zeros((2, 2), np.uint8)).save(f"p/{name}/1.png")
    assert streamkm.convert("p", "x.zarr").spec.class_names == ("cat", "dog")
