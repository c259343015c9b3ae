"""`streamkm report`: one page that needs nothing else, whatever it is about."""

from __future__ import annotations

import json
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import streamkm
from streamkm.cli import main
from streamkm.cluster import ALGORITHMS
from streamkm.report import write_report
from streamkm.report.html import VOID, join, tag
from streamkm.report.repeat import repeat_of
from streamkm.report.subject import open_subject

HOSTILE = "<script>alert(1)</script>&\"'"


class Page(HTMLParser):
    """What a page holds; asserts that elements are nested, ids unique, pictures described."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.tags = [], [], []
        self.feed(text)
        assert self.open == []
        assert len(set(self.ids)) == len(self.ids)
        assert {name for name, _ in self.tags} >= {"main", "nav", "header", "footer", "h1"}
        for name, values in self.tags:
            for key in ("aria-labelledby", "for"):
                assert values.get(key, self.ids[0]) in self.ids
            if name == "img":
                assert len(values["alt"]) > 20
            if name == "a":
                assert values["href"].removeprefix("#") in self.ids
            for key in ("src", "srcset"):
                assert values.get(key, "data:image/").startswith("data:image/")
        levels = [int(name[1]) for name, _ in self.tags if re.fullmatch(r"h\d", name)]
        assert levels[0] == 1
        assert all(b <= a + 1 for a, b in zip(levels[:-1], levels[1:], strict=True))

    def handle_starttag(self, name, attributes):
        values = dict(attributes)
        assert len(values) == len(attributes)
        assert not any(key.startswith("on") for key in values)
        self.tags.append((name, values))
        self.ids += [values["id"]] if "id" in values else []
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name


@pytest.fixture
def undrawn(monkeypatch):
    """Pages without pictures, which take seconds and are drawn by other tests."""

    def told(name, draw, alt, caption, **_):
        image = tag("img", src="data:image/svg+xml;base64,", alt=alt)
        return tag("figure", image, tag("figcaption", caption), id=name)

    for module in ("clusters", "course", "profiles"):
        monkeypatch.setattr(f"streamkm.report.{module}.picture", told)


def page_of(*arguments, **options):
    """Write a report, check it, and return its text."""
    out = write_report(*arguments, **options, overwrite=True)
    text = out.read_text()
    Page(text)
    return text


def table_of(text, name):
    """The cells of a table of the page, by row."""
    body = re.search(rf'<table id="{name}".*?</table>', text, re.S)[0]
    return [
        re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall("<tr>.*?</tr>", body)
    ]


@pytest.fixture
def store(rng):
    rows = np.concatenate([rng.integers(0, 20, (60, 16)) + 60 * i for i in range(4)])
    np.save("x.npy", rows.astype(np.uint8).reshape(-1, 4, 4))
    return streamkm.convert("x.npy", "x.zarr", target=np.repeat([3, 5, 7, 9], 60))


def test_text_is_escaped_and_markup_is_not():
    assert tag("a", HOSTILE, tag("b"), None, title=HOSTILE, hidden=True, lang=None) == (
        '<a title="&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#x27;" hidden>'
        "&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#x27;<b></b></a>"
    )
    assert join("<", tag("img")) == "&lt;<img>"


def test_a_model_with_its_rows(store):
    model = streamkm.KMeans(4, random_state=0).fit("x.zarr")
    model.save("m.zarr")
    text = page_of("m.zarr", "report.html", "x.zarr")
    assert "<h1>4 clusters of x.zarr</h1>" in text
    found = np.array(table_of(text, "cluster-table")[1:])
    assert found[:, 1].tolist() == ["60"] * 4
    assert sorted(found[:, 6].tolist()) == ["3", "5", "7", "9"]
    labels = model.predict(store.read(0, 240))
    nearest = np.array([int(cell) for cell in found[:, 8]])
    np.testing.assert_array_equal(labels[nearest], np.arange(4))
    distances = [
        np.sqrt(((store.read(0, 240)[labels == k] - center) ** 2).sum(axis=1)).mean()
        for k, center in enumerate(model.cluster_centers_)
    ]
    np.testing.assert_allclose(found[:, 3].astype(float), distances, rtol=1e-3)
    for picture in ("centers", "sizes", "members-picture", "map-picture", "confusion",
                    "convergence", "time"):  # fmt: skip
        assert f'<figure id="{picture}">' in text
    assert "accuracy by majority (purity)" in text
    passes = table_of(text, "passes")[1:]
    assert [int(row[0]) for row in passes] == [record["pass"] for record in model.history_]
    assert page_of("m.zarr", "again.html", "x.zarr") == text  # the same bytes


def test_a_model_alone_has_what_it_knows(undrawn, store):
    streamkm.KMeans(4, random_state=0).fit("x.zarr").save("m.zarr")
    text = page_of("m.zarr", "report.html")
    assert '<figure id="centers">' in text
    assert "members-picture" not in text
    assert "measures-table" not in text


def test_data_of_two_features_is_drawn_in_its_plane(rng):
    streamkm.convert(rng.normal(size=(200, 2)), "x.zarr")
    streamkm.KMeans(3, random_state=0).fit("x.zarr").save("m.zarr")
    text = page_of("m.zarr", "report.html", "x.zarr")
    assert "the regions of the clusters" in text
    assert '<figure id="centers">' not in text


@pytest.mark.parametrize(
    "words",
    [("--scale", "standard"), ("--columns", "0,5,3", "--scale", "2.5"), ("--metric", "cosine")],
)
def test_scaled_rows_and_directions_are_repeated_too(words, undrawn, store):
    fit = ["fit", "kmeans", "x.zarr", "m.zarr", "-k", "3", "--random-state", "0"]
    assert main([*fit, *words]) == 0
    text = page_of("m.zarr", "report.html", "x.zarr")
    assert ('<figure id="centers">' in text) == ("--columns" not in words)
    assert "the rows it was fitted to" in text
    command = repeat_of(open_subject("m.zarr")).text.replace("STORE", "x.zarr")
    first = streamkm.load_model("m.zarr").cluster_centers_
    assert main([*shlex.split(command)[1:], "--overwrite"]) == 0
    assert streamkm.load_model("m.zarr").cluster_centers_.tobytes() == first.tobytes()


def test_rows_that_it_was_not_fitted_to_are_said(undrawn, store, rng):
    streamkm.KMeans(4, random_state=0).fit("x.zarr").save("m.zarr")
    np.save("other.npy", rng.integers(0, 255, (50, 16)).astype(np.uint8))
    text = page_of("m.zarr", "report.html", "other.npy")
    assert "not the rows it was fitted to" in text
    assert "<h1>4 clusters of m.zarr</h1>" in text


@pytest.mark.parametrize("row", ALGORITHMS, ids=lambda row: row.name)
def test_every_algorithm_from_its_run_and_its_command_gives_the_same_bits(row, undrawn, store):
    words = ["-k", "4", "--random-state", "3", "--run", "run"]
    if row.name == "spectral":
        words += ["--n-landmarks", "40"]
    assert main(["fit", row.name, "x.zarr", "m.zarr", *words]) == 0
    text = page_of("run", "report.html", "x.zarr")
    command = re.search(r'<code id="command">(.*?)</code>', text)[1].replace("&#x27;", "'")
    first = streamkm.load_model("m.zarr")
    assert main([*shlex.split(command)[1:], "--overwrite"]) == 0
    again = streamkm.load_model("m.zarr")
    assert again.cluster_centers_.tobytes() == first.cluster_centers_.tobytes()
    assert again.history_[-1].get("inertia") == first.history_[-1].get("inertia")


def test_a_run_that_goes_on_shows_the_best_model_so_far(undrawn, store):
    class Stop(BaseException):
        pass

    passes = []

    def listen(event):
        if type(event).__name__ == "PassDone":
            passes.append(event.record)
            if len(passes) == 2:
                raise Stop

    executor = streamkm.runtime.make_executor("serial")
    executor.listener = listen
    with pytest.raises(Stop):
        streamkm.KMeans(5, n_init=3, random_state=1, tol=0, executor=executor, run_dir="run").fit(
            "x.zarr"
        )
    subject = open_subject("run")
    assert not subject.is_finished
    assert subject.inertia == min(passes[0]["inertia"])
    text = page_of("run", "report.html")
    assert "is looking for 5 clusters" in text
    assert '<figure id="centers">' in text
    assert len(table_of(text, "restarts")) == 4
    streamkm.resume("run")
    finished = open_subject("run")  # without a model: none was saved
    assert finished.is_finished
    assert finished.model is None
    assert "found 5 clusters" in page_of("run", "report.html")
    status = main(["report", "run", "x.zarr", "-o", "other.html"])
    assert status == 1
    assert not Path("other.html").exists()


def test_names_and_parameters_cannot_act_on_the_page(undrawn, rng):
    name = "x<img src=x onerror=alert(1)>&'\".npy".replace("/", "")
    np.save(name, rng.normal(size=(60, 4)))
    streamkm.KMeans(3, random_state=0, run_dir="run").fit(name)
    run = json.loads(Path("run/run.json").read_text())
    run["streamkm"]["parameters"]["init"] = HOSTILE
    run["streamkm"]["_about"]["dtype"] = HOSTILE
    Path("run/run.json").write_text(json.dumps(run))
    text = page_of("run", "report.html")
    assert "onerror=alert(1)&gt;" in text
    assert text.count("<script>") == 1
    assert "<img src=x" not in text


def test_four_hundred_clusters_of_color_images_stay_small(rng):
    smooth = rng.random((500, 3, 8, 8)).repeat(4, axis=2).repeat(4, axis=3)
    np.save("x.npy", (255 * smooth).astype(np.uint8))
    streamkm.convert("x.npy", "x.zarr")
    streamkm.KMeans(400, max_iter=2, random_state=0).fit("x.zarr").save("m.zarr")
    text = page_of("m.zarr", "report.html", "x.zarr")
    assert len(table_of(text, "cluster-table")) == 401
    assert '<figure id="centers">' in text
    assert len(text) < 5_000_000


def test_a_long_history_is_cut_in_the_middle(undrawn, rng):
    np.save("x.npy", rng.normal(size=(50, 2)))
    streamkm.KMeans(2, random_state=0, run_dir="run").fit("x.npy")
    record = json.loads(Path("run/history.jsonl").read_text().splitlines()[-2])
    lines = [json.dumps({**record, "pass": i + 1}) + "\n" for i in range(1000)]
    Path("run/history.jsonl").write_text("".join(lines))
    rows = table_of(page_of("run", "report.html"), "passes")[1:]
    assert [rows[0][0], rows[199][0], rows[200][0], rows[-1][0]] == ["1", "200", "801", "1,000"]


def test_rows_in_memory_are_repeated_in_python(rng):
    X = rng.normal(size=(60, 4))
    made = streamkm.KMeans(3, random_state=7, init=X[:3], tol=0.0, run_dir="run").fit(X)
    repeat = repeat_of(open_subject("run"))
    assert repeat.text == (
        "streamkm.KMeans(n_clusters=3, init='init.npy', tol=0.0, random_state=7).fit(X)"
    )
    assert len(repeat.notes) == 2
    assert made.n_iter_ == open_subject("run").n_iter


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("nothing",), "neither a run directory nor a model"),
        (("x.zarr",), "neither a run directory nor a model"),
        (("m.zarr", "-o", "taken.html"), "--overwrite"),
        (("m.zarr", "-o", "no/such/folder.html"), "cannot be written"),
    ],
)
def test_one_clear_line_where_it_cannot_be_done(words, text, undrawn, store, capsys):
    streamkm.KMeans(2, random_state=0).fit("x.zarr").save("m.zarr")
    Path("taken.html").write_text("mine")
    assert main(["report", *words]) == 1
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert text in err
    assert Path("taken.html").read_text() == "mine"
