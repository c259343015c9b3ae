"""Features have names: rows under other names, or in another order, get no labels."""

from __future__ import annotations

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import streamkm
from streamkm import KMeans, MiniBatchKMeans, StreamKM
from streamkm.cli import main
from streamkm.data.dataset import Dataset
from streamkm.errors import SourceError
from streamkm.metrics.evaluation import evaluate

COLUMNS = ["age", "visits", "spend (EUR)"]


@pytest.fixture
def frame(rng):
    centers = rng.uniform(0, 100, (3, 3))
    return pd.DataFrame(
        centers[rng.integers(3, size=300)] + rng.normal(size=(300, 3)), columns=COLUMNS
    )


@pytest.fixture
def turned(frame):
    return frame[["age", "spend (EUR)", "visits"]]


@pytest.fixture
def model(frame):
    frame.to_csv("rows.csv", index=False)
    streamkm.convert("rows.csv", "rows.zarr")
    return KMeans(3, random_state=0).fit("rows.zarr")


def test_a_store_and_a_model_keep_the_names(model, capsys):
    assert Dataset("rows.zarr").spec.feature_names == tuple(COLUMNS)
    model.save("model.zarr")
    assert streamkm.load_model("model.zarr").feature_names_in_.tolist() == COLUMNS
    for path in ("rows.zarr", "model.zarr"):
        assert main(["info", path]) == 0
        assert "age, visits, spend (EUR)" in capsys.readouterr().out


def test_another_order_is_refused_with_the_way_out(model, turned, capsys):
    turned.to_csv("turned.csv", index=False)
    model.save("model.zarr")
    assert main(["predict", "model.zarr", "turned.csv", "labels.csv"]) == 1
    said = capsys.readouterr().err
    assert "turned.csv has the columns age, spend (EUR), visits" in said
    assert "fitted to age, visits, spend (EUR), in this order" in said
    assert "'turned.csv:age,visits,spend (EUR)'" in said
    words = ["predict", "model.zarr", "turned.csv:age,visits,spend (EUR)", "labels.npy"]
    assert main(words) == 0
    expected = model.predict("rows.csv", out="expected.npy")
    np.testing.assert_array_equal(np.load("labels.npy"), np.load(expected))
    for command in (["score"], ["plot", "-o", "pictures"], ["nearest"]):
        assert main([command[0], "model.zarr", "turned.csv", *command[1:]]) == 1
        assert "in this order" in capsys.readouterr().err


def test_every_kind_of_rows_is_looked_at(model, frame, turned):
    streamkm.convert(turned, "turned.zarr")
    store, table = Dataset("turned.zarr"), pa.table(turned)
    for rows in (store, table, dd.from_pandas(turned, npartitions=2)):
        with pytest.raises(SourceError, match="in this order"):
            model.score(rows)
    with pytest.raises(SourceError, match="--columns 'age,visits,spend"):
        model.score(store)
    with pytest.raises(ValueError, match="same order"):  # scikit-learn's own words
        model.score(turned)
    with pytest.raises(SourceError, match="in this order"):
        evaluate(model, turned)
    for rows in (pa.table(frame), dd.from_pandas(frame, npartitions=2), frame):
        again = KMeans(3, random_state=0).fit(rows)
        assert again.feature_names_in_.tolist() == COLUMNS
        assert model.score(rows) == pytest.approx(-model.inertia_)


def test_other_names_and_a_column_too_many_are_refused(model, frame):
    frame.rename(columns={"age": "years"}).to_csv("other.csv", index=False)
    frame.assign(more=1.0).to_csv("more.csv", index=False)
    with pytest.raises(SourceError, match=r"years, visits.*fitted to age, visits"):
        model.predict("other.csv", out="labels.npy")
    with pytest.raises(SourceError, match=r"more\.csv:age,visits,spend"):
        model.predict("more.csv", out="labels.npy")


def test_rows_without_names_pass(model, frame):
    np.save("rows.npy", frame.to_numpy())
    frame.to_csv("plain.csv", index=False, header=False)
    for rows in ("rows.npy", "plain.csv"):
        assert model.score(rows) == pytest.approx(-model.inertia_)
    plain = KMeans(3, random_state=0).fit("plain.csv")
    assert not hasattr(plain, "feature_names_in_")
    assert plain.score("rows.csv") == pytest.approx(-model.inertia_)
    assert not hasattr(model.fit("plain.csv"), "feature_names_in_")


@pytest.mark.parametrize("cls", [MiniBatchKMeans, StreamKM])
def test_a_stream_keeps_its_columns(cls, model, turned):
    turned.to_csv("turned.csv", index=False)
    stream = cls(3, random_state=0).partial_fit("rows.csv")
    with pytest.raises(SourceError, match="in this order"):
        stream.partial_fit("turned.csv")


def test_a_start_and_numbers_of_other_columns_are_refused(model, turned):
    turned.to_csv("turned.csv", index=False)
    model.save("model.zarr")
    with pytest.raises(SourceError, match="like has the columns age, visits"):
        KMeans(3, random_state=0).fit("turned.csv", like="model.zarr")
    with pytest.raises(SourceError, match="init has the columns age, visits"):
        KMeans(3, init="model.zarr").fit("turned.csv")
    warm = KMeans(3, init="model.zarr").fit("rows.csv", like=model)
    assert KMeans.from_centers(warm).feature_names_in_.tolist() == COLUMNS


def test_a_store_does_not_grow_by_other_columns(model, frame, turned):
    with pytest.raises(SourceError, match=r"columns: age, visits.* there, age, spend"):
        streamkm.convert(turned, "rows.zarr", append=True)
    streamkm.convert(frame, "rows.zarr", append=True)
    streamkm.convert(frame.to_numpy(), "rows.zarr", append=True)
    assert Dataset("rows.zarr").spec.feature_names == tuple(COLUMNS)


def test_a_coreset_keeps_the_names(model, turned):
    small = streamkm.make_coreset("rows.zarr", 3, random_state=0)
    small.save("small.zarr")
    assert streamkm.Coreset.open("small.zarr").feature_names == tuple(COLUMNS)
    assert KMeans(3, random_state=0).fit("small.zarr").feature_names_in_.tolist() == COLUMNS
    with pytest.raises(SourceError, match="columns"):
        small + streamkm.make_coreset(turned, 3, random_state=0)
