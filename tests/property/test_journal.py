"""A pass that was killed in its middle goes on: to the same bits, and over the rest alone."""

from __future__ import annotations

import random
from pathlib import Path
from shutil import rmtree
from zipfile import BadZipFile

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import streamkm
from streamkm import KMeans
from streamkm.cluster import ALGORITHMS
from streamkm.cluster.journal import digest_of, mark_of, without
from streamkm.cluster.parts import KINDS, pack, unpack
from streamkm.cluster.rundir import RunDir
from streamkm.data.cache import CachedSource
from streamkm.data.layout import Group
from streamkm.errors import BadRowsError, SourceError, StoreError
from streamkm.metrics import evaluate
from streamkm.runtime.dask_cluster import DistributedExecutor
from streamkm.runtime.events import GroupDone, PassStarted
from streamkm.runtime.serial import SerialExecutor
from streamkm.sweeping import sweep as sweep_module
from streamkm.tasks.base import PassResult, PassStats
from streamkm.tasks.fit import FitContext
from tests.helpers import Killed, heavy_tailed

ALWAYS = 1e-9  # seconds: every leg is written
KNOWN = {row.name: row.load() for row in ALGORITHMS}


@pytest.fixture
def killed(stopped):
    """Return what fits until a certain part is written, and says how many parts there were."""
    return lambda model, X, moment, **more: stopped(lambda: model.fit(X, **more), moment)


def parameters_of(name):
    wanted = {"n_clusters": 12, "n_init": 2, "random_state": 5, "tol": 0.0, "max_iter": 6,
              "refine_passes": 3, "n_landmarks": 40, "batch_size": 500, "batches": "nested",
              "init_size": 900}  # fmt: skip
    known = KNOWN[name]().get_params()
    return {key: value for key, value in wanted.items() if key in known}


def bits(model):
    arrays = (model.cluster_centers_, model.cluster_sizes_, np.array(model.inertia_))
    return [array.tobytes() for array in arrays], model.n_iter_


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", KNOWN)
def test_a_pass_killed_anywhere_goes_on_to_the_same_bits(name, weighted, killed):
    rows = heavy_tailed(6000, 5)
    streamkm.convert(rows, "x.zarr", chunk_rows=150)
    more = {"sample_weight": np.arange(6000) % 7} if weighted else {}
    settings = parameters_of(name)
    whole = KNOWN[name](**settings, executor="serial").fit("x.zarr", **more)

    def make(executor, limit=None):
        circumstances = {"run_dir": "run", "checkpoint_every_s": ALWAYS}
        return KNOWN[name](**settings, **circumstances, executor=executor, memory_limit=limit)

    n_parts = killed(make("threads"), "x.zarr", None, **more)
    moments = random.Random(name).sample(range(1, n_parts + 1), 3)
    for moment, other in zip(moments, ("serial", "threads", "serial"), strict=True):
        for file in Path("run").iterdir():
            file.unlink()
        assert killed(make("threads"), "x.zarr", moment, **more) == moment
        assert [*Path("run").glob("pass-*.npz"), *Path("run").glob("look-*.npz")]
        killed(make(other, "700 MiB"), "x.zarr", 1, **more)  # and once more, elsewhere
        model = make(other, "700 MiB").fit("x.zarr", **more)
        assert bits(model) == bits(whole)
        assert not list(Path("run").glob("pass-*.npz"))


def test_a_fit_that_held_rows_goes_on_to_the_same_bits(tight, killed, rng):
    middles = rng.uniform(-6, 6, (8, 6))
    rows = middles[rng.integers(8, size=6000)] + 2.0 * rng.normal(size=(6000, 6))
    streamkm.convert(rows, "x.zarr", chunk_rows=500)
    settings = {"n_clusters": 8, "init": rng.uniform(-6, 6, (8, 6)), "tol": 0}
    whole = KMeans(**settings, algorithm="lloyd", executor="serial").fit("x.zarr")
    tight(0.3)

    def model():
        running = {"run_dir": "run", "checkpoint_every_s": ALWAYS}
        return KMeans(**settings, **running, executor="threads")

    n_parts = killed(model(), "x.zarr", None)
    assert n_parts > 8
    for moment in (1, 5, n_parts):
        rmtree("run")
        assert killed(model(), "x.zarr", moment) == moment
        found = model().fit("x.zarr")
        assert bits(found) == bits(whole)
    assert min(record["n_rows"] for record in found.history_) < 6000  # some were held


def test_workers_go_on_with_what_threads_began_and_the_reverse(client, killed):
    streamkm.convert(heavy_tailed(20_000, 5), "x.zarr", chunk_rows=500)
    path = str(Path("x.zarr").absolute())
    settings = {**parameters_of("kmeans"), "init": "random", "checkpoint_every_s": ALWAYS}
    whole = KMeans(**settings, executor="serial").fit(path)
    cluster = DistributedExecutor(client=client)
    for number, (first, then) in enumerate([("threads", cluster), (cluster, "threads")]):
        run = f"run{number}"
        assert killed(KMeans(**settings, executor=first, run_dir=run), path, 14) == 14
        model = KMeans(**settings, executor=then, run_dir=run).fit(path)
        assert bits(model) == bits(whole)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", KNOWN)
def test_a_score_killed_anywhere_goes_on_to_the_same_bits(name, stopped, rng):
    """The passes for range, means and measures; weighted, with classes, of a raw file."""
    rows = heavy_tailed(6000, 5)
    np.save("x.npy", rows)
    columns = rng.integers(-2, 3, 6000), np.arange(6000.0) % 7
    model = KNOWN[name](**parameters_of(name)).fit(rows)

    def score(executor, **more):
        if more:
            more["checkpoint_every_s"] = ALWAYS
        return evaluate(model, "x.npy", *columns, executor=executor, **more)

    whole = score("serial").to_json()
    n_parts = stopped(lambda: score("threads", run_dir="run"), None)
    assert n_parts > 3
    for moment in random.Random(name).sample(range(1, n_parts + 1), 3):
        assert stopped(lambda: score("threads", run_dir="run"), moment) == moment
        stopped(lambda: score("serial", run_dir="run", memory_limit="700 MiB"), 1)
        assert score("threads", run_dir="run").to_json() == whole
        assert not list(Path("run").glob("pass-*.npz"))
    with pytest.raises(StoreError, match="the data differ"):
        evaluate(model, 2 * rows, *columns, run_dir="run")


def test_means_that_were_found_are_not_found_again(stopped):
    np.save("x.npy", heavy_tailed(6000, 5))
    model = KMeans(**parameters_of("kmeans")).fit("x.npy")
    running = {"executor": "serial", "run_dir": "run", "checkpoint_every_s": ALWAYS}
    n_parts = stopped(lambda: evaluate(model, "x.npy", **running), None)
    stopped(lambda: evaluate(model, "x.npy", **running), n_parts)
    history = evaluate(model, "x.npy", **running).history
    assert [record["stage"] for record in history] == ["extent", "members", "judge"]
    heard = []
    listening = SerialExecutor()
    listening.listener = heard.append
    stopped(lambda: evaluate(model, "x.npy", **running), n_parts)
    evaluate(model, "x.npy", **{**running, "executor": listening})
    done = [event.n_rows for event in heard if isinstance(event, GroupDone)]
    assert done == [6000] * 3  # at once: nothing was left of any pass


@pytest.mark.parametrize("algorithm", ["kmeans", "minibatch"])
def test_a_sweep_killed_anywhere_goes_on_to_the_same_bits(algorithm, stopped):
    np.save("x.npy", heavy_tailed(6000, 5))
    settings = parameters_of(algorithm)
    del settings["n_clusters"], settings["random_state"]
    numbers, shared = [5, 12], {**settings, "algorithm": algorithm, "random_state": 5}

    def swept(executor, **more):
        return streamkm.sweep("x.npy", numbers, repeats=2, executor=executor, **shared, **more)

    whole = swept("serial")
    circumstances = {"run_dir": "run", "checkpoint_every_s": ALWAYS}
    n_parts = stopped(lambda: swept("threads", **circumstances), None)
    moments = random.Random(algorithm).sample(range(1, n_parts + 1), 4)
    for moment, other in zip(moments, ("serial", "threads") * 2, strict=True):
        rmtree("run")
        assert stopped(lambda: swept("threads", **circumstances), moment) >= moment
        assert list(Path("run").rglob("*.npz"))
        stopped(lambda other=other: swept(other, **circumstances), 1)
        found = swept(other, **circumstances)
        assert [bits(m) for m in found.models] == [bits(m) for m in whole.models]
        assert found.table == whole.table
        assert not list(Path("run").rglob("pass-*.npz"))


def test_legs_of_a_sweep_are_shared(stopped):
    """Each block is read once for all models, in legs too."""
    streamkm.convert(heavy_tailed(6000, 5), "x.zarr", chunk_rows=150)
    settings = {"init": "random", "tol": 0.0, "max_iter": 6, "algorithm": "lloyd", "n_init": 1}

    def fit_all(folder, every_s):
        models = [
            KMeans(k, random_state=0, run_dir=folder / str(k), checkpoint_every_s=every_s,
                   **settings)
            for k in (3, 7, 12)
        ]  # fmt: skip
        sweep_module.fit_all(models, "x.zarr", None, SerialExecutor(), "512 MiB")

    reads = []
    source_read = streamkm.Dataset.read
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            streamkm.Dataset, "read",
            lambda self, start, stop: reads.append(stop - start) or source_read(self, start, stop),
        )  # fmt: skip
        patch.setattr(CachedSource, "read", lambda self, *edges: self.source.read(*edges))
        fit_all(Path("short"), 300.0)
        alone = sum(reads)
        reads.clear()
        assert stopped(lambda: fit_all(Path("long"), ALWAYS), None) > 100  # parts
    assert sum(reads) <= 1.05 * alone


def test_a_coreset_killed_anywhere_goes_on_to_the_same_bits(monkeypatch):
    monkeypatch.setattr("streamkm.cluster.coreset_pass.PART_GROUPS", 2)
    monkeypatch.setattr("streamkm.cluster.coreset_pass.WORKER_GROUPS", 0)
    monkeypatch.setattr("streamkm.cluster.coreset_pass.LONG_S", 0.0)
    streamkm.convert(heavy_tailed(6000, 5), "x.zarr", chunk_rows=50)
    asked = {"n_clusters": 3, "coreset_size": 50, "sample_weight": np.arange(6000.0) % 7}
    whole = streamkm.make_coreset("x.zarr", **asked, random_state=1, executor="serial")
    save = RunDir.save
    for moment, other in ((1, "threads"), (4, "serial"), (9, "threads")):
        n_saved = 0

        def saved(self, states, history, moment=moment):
            nonlocal n_saved
            save(self, states, history)
            n_saved += 1
            if n_saved == moment:
                raise Killed

        run = f"run{moment}"
        with monkeypatch.context() as patch:
            patch.setattr(RunDir, "save", saved)
            with pytest.raises(Killed):
                streamkm.make_coreset("x.zarr", **asked, random_state=1, run_dir=run)
        made = streamkm.make_coreset("x.zarr", **asked, run_dir=run, executor=other)
        assert made.plan == whole.plan
        assert made.rows.tobytes() == whole.rows.tobytes()
        assert made.weights.tobytes() == whole.weights.tobytes()
        history = (Path(run) / "history.jsonl").read_text().splitlines()
        assert len(history) == 15  # each part once
        with pytest.raises(StoreError, match="holds another run: size is 50 there, 60 here"):
            streamkm.make_coreset(
                "x.zarr", **{**asked, "coreset_size": 60}, random_state=1, run_dir=run
            )
        with pytest.raises(StoreError, match="holds a coreset, not a fit"):
            streamkm.resume(run)


def test_a_coreset_of_rows_that_were_cut_anew_does_not_go_on(monkeypatch):
    """The fingerprint of a file is of its rows: it may lie in other chunks."""
    monkeypatch.setattr("streamkm.cluster.coreset_pass.PART_GROUPS", 2)
    monkeypatch.setattr("streamkm.cluster.coreset_pass.WORKER_GROUPS", 0)
    monkeypatch.setattr("streamkm.cluster.coreset_pass.LONG_S", 0.0)
    rows = heavy_tailed(6000, 5)
    asked = {"n_clusters": 3, "coreset_size": 50, "random_state": 1, "run_dir": "run"}

    def write(chunk_rows):
        Path("x.h5").unlink(missing_ok=True)
        with h5py.File("x.h5", "w") as file:
            file.create_dataset("X", data=rows, chunks=(chunk_rows, 5), compression="lzf")

    def stop(*_):
        raise Killed

    write(100)
    with monkeypatch.context() as patch:
        save = RunDir.save
        patch.setattr(RunDir, "save", lambda *words: (save(*words), stop()))
        with pytest.raises(Killed):
            streamkm.make_coreset("x.h5", **asked)
    write(1500)
    with pytest.raises(StoreError, match="cut in other places"):
        streamkm.make_coreset("x.h5", **asked)
    write(100)
    made = streamkm.make_coreset("x.h5", **asked)
    whole = streamkm.make_coreset("x.h5", **{**asked, "run_dir": None})
    assert made.rows.tobytes() == whole.rows.tobytes()


def test_a_score_of_labels_that_were_mended_begins_anew(stopped):
    """Of one value that no sample of the file looks at."""
    rows = heavy_tailed(6000, 5)
    streamkm.convert(rows, "x.zarr", chunk_rows=150)
    labels = np.arange(6000) % 3
    np.save("y.npy", labels)
    model = KMeans(**parameters_of("kmeans")).fit("x.zarr")

    def score(run_dir=None):
        return evaluate(model, "x.zarr", "y.npy", run_dir=run_dir, checkpoint_every_s=ALWAYS)

    n_parts = stopped(lambda: score("run"), None)
    stopped(lambda: score("run"), n_parts - 1)
    labels[47] = 7
    np.save("y.npy", labels)
    with pytest.raises(StoreError, match="the labels differ"):
        score("run")
    for bad in (0, -1.0, float("nan")):
        with pytest.raises(SourceError, match="checkpoint_every_s must be positive"):
            evaluate(model, "x.zarr", checkpoint_every_s=bad)


def test_a_row_that_was_mended_is_looked_at_again():
    rows = heavy_tailed(6000, 5)
    settings = {**parameters_of("kmeans"), "run_dir": "run", "checkpoint_every_s": ALWAYS}
    rows[47, 3] = np.nan
    np.save("x.npy", rows)
    with pytest.raises(BadRowsError, match="rows 47"):
        KMeans(**settings).fit("x.npy")
    assert not list(Path("run").glob("look-*.npz"))
    rows[47, 3] = 1.0
    np.save("x.npy", rows)
    whole = KMeans(**parameters_of("kmeans")).fit(rows)
    assert bits(KMeans(**settings).fit("x.npy")) == bits(whole)


def test_a_folder_of_another_run_is_left_as_it_is(killed):
    np.save("x.npy", heavy_tailed(6000, 5))
    settings = {**parameters_of("kmeans"), "run_dir": "run", "checkpoint_every_s": ALWAYS}
    n_parts = killed(KMeans(**settings), "x.npy", None)
    rmtree("run")
    killed(KMeans(**settings), "x.npy", n_parts - 3)
    before = {file.name: file.read_bytes() for file in Path("run").iterdir()}
    np.save("other.npy", heavy_tailed(6000, 4))
    model = KMeans(**parameters_of("kmeans")).fit("x.npy")
    for act in (
        lambda: KMeans(**settings).fit("other.npy"),
        lambda: evaluate(model, "x.npy", run_dir="run"),
        lambda: streamkm.make_coreset("x.npy", 3, run_dir="run"),
        lambda: KMeans(**{**settings, "random_state": None, "n_clusters": 3}).fit("x.npy"),
    ):
        with pytest.raises(StoreError, match="holds another run"):
            act()
        assert {file.name: file.read_bytes() for file in Path("run").iterdir()} == before
    evaluate(model, "x.npy", run_dir="score")
    with pytest.raises(StoreError, match="holds another run"):
        KMeans(3, run_dir="score").fit("x.npy")


def test_a_sweep_without_a_seed_goes_on_and_is_judged_by_others():
    np.save("x.npy", heavy_tailed(6000, 5))
    settings = {"n_clusters": [3, 5], "repeats": 2, "run_dir": "run", "max_iter": 4}
    first = streamkm.sweep("x.npy", **settings)
    again = streamkm.sweep("x.npy", **settings, y=np.arange(6000) % 3)
    assert [bits(m) for m in again.models] == [bits(m) for m in first.models]
    assert "majority_accuracy" in again.table[0]
    more = streamkm.sweep("x.npy", **{**settings, "n_clusters": [3, 4, 5]})
    assert [bits(m) for m in more.models[:2]] == [bits(m) for m in first.models[:2]]


def test_the_look_at_a_file_is_not_taken_again(killed, stopped, rng):
    """Rows that are no store are gone through once to learn their moments: that too goes on."""
    np.save("x.npy", heavy_tailed(6000, 5))
    settings = {**parameters_of("kmeans"), "scale": "standard"}
    whole = KMeans(**settings, executor="serial").fit("x.npy")

    def model(executor):
        return KMeans(**settings, executor=executor, run_dir="run", checkpoint_every_s=ALWAYS)

    n_parts = killed(model("threads"), "x.npy", None)
    rmtree("run")
    assert killed(model("threads"), "x.npy", 2) == 2
    assert not Path("run/run.json").exists()
    assert len(list(Path("run").glob("look-*.npz"))) == 2
    killed(model("threads"), "x.npy", n_parts - 3)
    assert list(Path("run").glob("look-*.npz"))
    heard = []
    listening = SerialExecutor()
    listening.listener = heard.append
    assert bits(model(listening).fit("x.npy")) == bits(whole)
    assert heard[:2] == [PassStarted("survey", "looking at the rows", 6000), GroupDone(6000)]
    assert not list(Path("run").glob("look-*.npz"))
    killed(model("threads"), "x.npy", 2)
    np.save("x.npy", rng.normal(size=(6000, 5)).astype("f4"))
    with pytest.raises(StoreError, match="the data differ"):
        model("threads").fit("x.npy")


def test_a_look_at_other_rows_is_not_believed(killed, rng):
    np.save("x.npy", heavy_tailed(6000, 5))
    settings = {**parameters_of("kmeans"), "run_dir": "run", "checkpoint_every_s": ALWAYS}
    killed(KMeans(**settings), "x.npy", 2)
    other = rng.normal(size=(6000, 5)).astype("f4")
    whole = KMeans(**parameters_of("kmeans")).fit(other)
    np.save("x.npy", other)
    assert bits(KMeans(**settings).fit("x.npy")) == bits(whole)


def test_what_was_done_is_not_gone_through_again(killed, monkeypatch):
    streamkm.convert(heavy_tailed(6000, 5), "x.zarr", chunk_rows=150)
    settings = {**parameters_of("kmeans"), "init": "random", "checkpoint_every_s": ALWAYS}
    whole = KMeans(**settings, executor=SerialExecutor()).fit("x.zarr")
    heard, done = [], []
    killed(KMeans(**settings, executor="serial", run_dir="run"), "x.zarr", 20)

    map_merge = SerialExecutor.map_merge

    def counted(self, fn, groups, context):
        done.append(sum(group.n_rows for group in groups))
        return map_merge(self, fn, groups, context)

    monkeypatch.setattr(SerialExecutor, "map_merge", counted)
    listening = SerialExecutor()
    listening.listener = heard.append
    model = KMeans(**settings, executor=listening, run_dir="run").fit("x.zarr")
    assert isinstance(heard[0], PassStarted)
    assert isinstance(heard[1], GroupDone)
    first = heard[1].n_rows
    assert 0 < first < 6000
    assert bits(model) == bits(whole)
    assert sum(done) % 6000 == 6000 - first
    assert [r["n_rows"] for r in model.history_] == [6000] * len(whole.history_)


def test_rows_that_were_held_are_held_again(killed, tight, rng):
    """The active set begins anew after a pass that was done in two halves."""
    centers = rng.uniform(-6, 6, (8, 6))
    rows = centers[rng.integers(8, size=6000)] + 4.0 * rng.normal(size=(6000, 6))
    streamkm.convert(rows.astype("f4"), "x.zarr", chunk_rows=150)
    settings = {"n_clusters": 8, "random_state": 3, "init": "random", "tol": 0, "max_iter": 40}
    whole = KMeans(**settings, algorithm="lloyd", executor="serial").fit("x.zarr")
    tight(0.3)
    settings["checkpoint_every_s"] = ALWAYS
    model = KMeans(**settings, run_dir="all", executor="threads")
    n_parts = killed(model, "x.zarr", None)
    assert sum(record["n_rows"] < 6000 for record in model.history_) > 3
    for moment in random.Random(1).sample(range(2, n_parts), 5):
        run = f"run{moment}"
        model = KMeans(**settings, run_dir=run, executor="threads")
        assert killed(model, "x.zarr", moment) == moment
        assert bits(model.fit("x.zarr")) == bits(whole)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text", "of other centers"])
def test_a_damaged_part_is_done_again(damage, killed):
    streamkm.convert(heavy_tailed(6000, 5), "x.zarr", chunk_rows=150)
    settings = {**parameters_of("kmeans"), "init": "random", "checkpoint_every_s": ALWAYS}
    whole = KMeans(**settings, executor="serial").fit("x.zarr")
    killed(KMeans(**settings, executor="serial", run_dir="run"), "x.zarr", 14)
    parts = sorted(Path("run").glob("pass-*.npz"))
    content = parts[0].read_bytes()
    if damage == "of other centers":
        killed(KMeans(**{**settings, "random_state": 6}, run_dir="other"), "x.zarr", 14)
        new = sorted(Path("other").glob("pass-*.npz"))[0].read_bytes()
    else:
        flipped = bytes([*content[:500], content[500] ^ 64, *content[501:]])
        new = {"cut": content[:900], "flipped": flipped, "empty": b"", "text": b"hello"}[damage]
    assert new != content
    parts[0].write_bytes(new)
    others = [part.read_bytes() for part in parts[1:]]
    killed(KMeans(**settings, executor="serial", run_dir="run"), "x.zarr", 1)
    assert [part.read_bytes() for part in parts[1:]] == others
    model = KMeans(**settings, executor="serial", run_dir="run").fit("x.zarr")
    assert bits(model) == bits(whole)


def test_without_a_run_directory_or_in_short_passes_nothing_is_written(killed):
    streamkm.convert(heavy_tailed(6000, 5), "x.zarr", chunk_rows=150)
    settings = parameters_of("kmeans")
    assert killed(KMeans(**settings, checkpoint_every_s=ALWAYS), "x.zarr", None) == 0
    assert killed(KMeans(**settings, run_dir="run"), "x.zarr", None) == 0


@given(st.data())
def test_what_is_left_of_groups_is_what_was_not_done(data):
    edges = sorted(data.draw(st.sets(st.integers(0, 60), min_size=2, max_size=12)))
    groups = [Group(i, a, b, 5) for i, (a, b) in enumerate(zip(edges, edges[1:], strict=False))]
    cuts = sorted(data.draw(st.sets(st.integers(0, 60), max_size=8)))
    done = list(zip(cuts[::2], cuts[1::2], strict=False))
    left = [i for group in without(groups, done) for i in range(group.start, group.stop)]
    gone = {i for a, b in done for i in range(a, b)}
    assert left == [i for i in range(edges[0], edges[-1]) if i not in gone]
    whole = {(block.start, block.stop) for group in groups for block in group.blocks()}
    kept = {
        (block.start, block.stop) for group in without(groups, done) for block in group.blocks()
    }
    assert {(a, b) for a, b in whole if not gone & set(range(a, b))} <= kept


def test_every_kind_of_result_comes_back_as_it_was(killed, monkeypatch):
    seen = {}

    def keep(about, result):
        content = pack(about, result)
        again = unpack(content)
        assert again[0]["mark"] == about["mark"]
        assert [tuple(both) for both in again[0]["ranges"]] == about["ranges"]
        assert repr(again[1]) == repr(result)
        assert pack(about, again[1]) == content
        _collect(result, seen)
        return content

    monkeypatch.setattr("streamkm.cluster.journal.pack", keep)
    streamkm.convert(heavy_tailed(6000, 5), "x.zarr", chunk_rows=150)
    for name, init in (("kmeans", "k-means||"), ("bisecting", "random"), ("spectral", None)):
        parameters = parameters_of(name) | ({"init": init, "max_iter": 2} if init else {})
        model = KNOWN[name](
            **parameters, run_dir=name, checkpoint_every_s=ALWAYS, executor="serial"
        )
        killed(model, "x.zarr", None)
    np.save("x.npy", heavy_tailed(6000, 5))
    columns = np.zeros(6000, int), np.ones(6000)
    judged = KMeans(4, max_iter=2).fit("x.npy")
    evaluate(judged, "x.npy", *columns, run_dir="score", checkpoint_every_s=ALWAYS)
    assert set(seen) == set(KINDS)


def _collect(value, seen):
    if isinstance(value, tuple):
        for part in value:
            _collect(part, seen)
    elif type(value).__name__ in KINDS:
        seen[type(value).__name__] = True
        for name in value.__dataclass_fields__:
            _collect(getattr(value, name), seen)


def test_a_result_of_no_known_kind_is_refused():
    content = pack({}, PassResult((1.0,), PassStats()))
    assert unpack(content)[1] == PassResult((1.0,), PassStats())
    with pytest.raises(KeyError):
        pack({}, PassResult((Path(),), PassStats()))
    forged = content.replace(b'"kind": "PassStats"', b'"kind": "PassStatz"')
    with pytest.raises(BadZipFile, match="CRC"):
        unpack(forged)


@pytest.mark.parametrize("name", KNOWN)
def test_a_model_has_one_digest_in_memory_and_saved(name):
    model = KNOWN[name](**parameters_of(name)).fit(heavy_tailed(3000, 5))
    model.save("m.zarr")
    found = digest_of(model.labeler_)
    assert found == digest_of(streamkm.load_model("m.zarr").labeler_)
    other = KNOWN[name](**{**parameters_of(name), "random_state": 6}).fit(heavy_tailed(3000, 5))
    assert found != digest_of(other.labeler_)


def test_a_mark_is_of_what_is_computed_and_not_of_where():
    def context(centers, source):
        return FitContext(source, None, (centers,), frame=None, grids=None)

    centers = np.arange(6.0).reshape(3, 2)
    one = mark_of(test_a_mark_is_of_what_is_computed_and_not_of_where, context(centers, "a"))
    assert one == mark_of(
        test_a_mark_is_of_what_is_computed_and_not_of_where, context(centers.copy(), "b")
    )
    moved = centers.copy()
    moved[0, 0] = 1e-300
    others = [moved, centers.reshape(2, 3), centers.astype("f4")]
    marks = {
        mark_of(test_a_mark_is_of_what_is_computed_and_not_of_where, context(c, "a"))
        for c in others
    }
    assert len(marks | {one}) == 4
