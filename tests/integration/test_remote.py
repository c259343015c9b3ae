"""Zarr and Parquet by URL: an S3 server and a plain web server, both on loopback."""

from __future__ import annotations

import functools
import gc
import http.server
import io
import logging
import os
import re
import socket
import sys
import threading
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr

import streamkm
from streamkm import KMeans
from streamkm.cli import main
from streamkm.conversion.inputs import identity_of
from streamkm.errors import MissingExtraError, SourceError, StoreError, UnreachableError

ROWS = np.random.default_rng(0).normal(size=(900, 4))

# What the libraries below leave to be closed by the end of the process.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(scope="module", autouse=True)
def _sessions_end_here():
    """Else they end in the middle of some later test, which then fails for them."""
    yield
    if used := sys.modules.get("fsspec.implementations.http"):
        for fs in list(used.HTTPFileSystem._cache.values()):
            fs.close_session(fs.loop, fs._session)
        used.HTTPFileSystem.clear_instance_cache()
    gc.collect()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One of everything, on disk."""
    here = tmp_path_factory.mktemp("served")
    streamkm.convert(ROWS, here / "ours.zarr", chunk_rows=200, target=np.arange(900))
    for version in (2, 3):
        array = zarr.create_array(
            here / f"v{version}.zarr", shape=ROWS.shape, chunks=(200, 4), dtype="f8",
            zarr_format=version,
        )  # fmt: skip
        array[:] = ROWS
    (here / "parts").mkdir()
    for i, part in enumerate(np.array_split(ROWS, 3)):
        table = pa.table({name: part[:, j] for j, name in enumerate("abcd")})
        pq.write_table(table, here / "parts" / f"{i}.parquet", row_group_size=90)
    return here


class WithRanges(http.server.SimpleHTTPRequestHandler):
    """A web server that gives parts of files, as real ones do."""

    def log_message(self, *_):
        pass

    def send_head(self):
        path = Path(self.translate_path(self.path))
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not asked or not path.is_file():
            return super().send_head()
        whole, start = path.read_bytes(), int(asked[1])
        body = whole[start : int(asked[2]) + 1 if asked[2] else None]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{start + len(body) - 1}/{len(whole)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return io.BytesIO(body)


def serve(handler, folder):
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(scope="module")
def web(folder):
    pytest.importorskip("aiohttp")
    server = serve(WithRanges, folder)
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def s3(folder):
    """A bucket, and the environment that finds it."""
    s3fs = pytest.importorskip("s3fs")
    moto = pytest.importorskip("moto.server")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    # What an earlier server of this process held is still there.
    urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        s3fs.S3FileSystem.clear_instance_cache()
        files = s3fs.S3FileSystem()
        files.mkdir("bucket")
        files.put(f"{folder}/", "bucket/", recursive=True)
        yield "s3://bucket"
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@pytest.fixture(params=["web", "s3"])
def base(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("name", ["ours.zarr", "v2.zarr", "v3.zarr", "parts/*.parquet"])
def test_what_is_behind_a_url_becomes_a_store(base, name):
    made = streamkm.convert(f"{base}/{name}", "x.zarr", chunk_rows=128)
    np.testing.assert_array_equal(made.read(0, 900), ROWS)
    assert made.spec.source == Path(name).name
    assert (made.labels is not None) == (name == "ours.zarr")


def test_columns_of_a_file_and_a_folder(base):
    url = f"{base}/parts/1.parquet:c,a"
    assert streamkm.open_source(url).read(5, 7).tolist() == ROWS[305:307][:, [2, 0]].tolist()
    assert streamkm.open_source(f"parquet:{base}/parts/").shape == (900, 4)
    assert streamkm.open_source(f"{base}/v3.zarr").read(899, 900).tolist() == ROWS[899:].tolist()


def test_a_model_is_fitted_and_used_where_the_store_is(base, folder):
    expected = KMeans(3, random_state=0).fit(folder / "ours.zarr")
    model = KMeans(3, random_state=0).fit(f"{base}/ours.zarr")
    assert model.cluster_centers_.tobytes() == expected.cluster_centers_.tobytes()
    assert model.history_[-1]["bytes_decoded"] in (0, ROWS.nbytes)
    model.predict(f"{base}/ours.zarr", out="labels.npy")
    np.testing.assert_array_equal(np.load("labels.npy"), expected.predict(ROWS))
    foreign = KMeans(3, random_state=0).fit(f"{base}/v2.zarr")
    assert foreign.inertia_ == pytest.approx(expected.inertia_)


def test_the_command_line_takes_urls(base, capsys):
    fit = ["fit", "kmeans", f"{base}/ours.zarr", "m.zarr", "-k", "3", "--random-state", "0"]
    assert main(fit) == 0
    assert main(["predict", "m.zarr", f"{base}/ours.zarr", "l.npy"]) == 0
    assert main(["score", "m.zarr", f"{base}/ours.zarr"]) == 0
    capsys.readouterr()


def test_what_is_not_there_is_said(base):
    for name, says in (
        ("nothing.zarr", "no Zarr array or group there"),
        ("nothing.parquet", "no such file"),
        ("parts/x*.parquet", "no file there ends in"),
        ("x.csv", "only Zarr and Parquet are read"),
        ("parts/1.parquet:e", "no column e"),
    ):
        with pytest.raises(SourceError, match=says):
            streamkm.convert(f"{base}/{name}", "x.zarr")
    with pytest.raises(StoreError, match="no such file or store"):
        streamkm.open_dataset(f"{base}/nothing.zarr")


def test_another_file_of_the_name_is_another_source(base, s3):
    names = ("ours.zarr", "parts/1.parquet", "v2.zarr")
    stamps = [identity_of(f"{base}/{name}", None)["files"] for name in names]
    assert stamps == [identity_of(f"{base}/{name}", None)["files"] for name in names]
    assert len(set(stamps)) == 3


@pytest.fixture
def closed():
    """Address of a port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize("name", ["x.zarr", "x.parquet"])
@pytest.mark.parametrize("kind", ["http", "s3"])
def test_a_server_out_of_reach_is_one_line(kind, name, closed, capsys, monkeypatch):
    package = pytest.importorskip("s3fs" if kind == "s3" else "aiohttp")
    if kind == "s3":
        package.S3FileSystem.clear_instance_cache()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{closed}")
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "testing")
    url = f"http://{closed}/{name}" if kind == "http" else f"s3://elsewhere/{name}"
    assert main(["convert", url, "x.zarr"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"streamkm: {url}" in said
    assert "cannot be read (Cannot connect" in said or "cannot be read (Could not connect" in said
    assert not Path("x.zarr").exists()
    if kind == "s3":
        package.S3FileSystem.clear_instance_cache()


def test_a_server_that_never_answers_is_given_up(monkeypatch):
    pytest.importorskip("aiohttp")
    monkeypatch.setattr("streamkm.remote.READ_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x.zarr"
        with pytest.raises(UnreachableError, match="imeout"):
            streamkm.convert(url, "x.zarr")


def test_a_server_of_whole_files_is_called_so(folder, monkeypatch):
    pytest.importorskip("aiohttp")
    pq.write_table(
        pa.table({"a": np.random.default_rng(0).normal(size=99_999)}), folder / "x.parquet"
    )
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    server = serve(http.server.SimpleHTTPRequestHandler, folder)
    url = f"http://127.0.0.1:{server.server_address[1]}"
    with pytest.raises(UnreachableError, match="only gives whole files"):
        streamkm.open_source(f"{url}/x.parquet").read(0, 99)
    assert streamkm.open_dataset(f"{url}/ours.zarr").shape == (900, 4)
    server.shutdown()
    server.server_close()


def test_a_server_that_goes_away_is_not_called_damage(folder):
    pytest.importorskip("aiohttp")
    server = serve(WithRanges, folder)
    store = streamkm.open_dataset(f"http://127.0.0.1:{server.server_address[1]}/ours.zarr")
    store.read(0, 10)
    server.shutdown()
    server.server_close()
    with pytest.raises(UnreachableError, match=r"X/c/4/0: cannot be read"):
        store.read(800, 900)


def test_packages_that_are_missing_are_named(monkeypatch):
    from fsspec.registry import _registry, known_implementations

    missing = {"class": "nowhere.Files", "err": "Please install gcsfs to access Google Storage"}
    monkeypatch.setitem(known_implementations, "gs", missing)
    monkeypatch.delitem(_registry, "gs", raising=False)
    with pytest.raises(MissingExtraError, match=r'gcsfs.*pip install "streamkm\[remote\]"'):
        streamkm.convert("gs://bucket/x.zarr", "x.zarr")
    with pytest.raises(SourceError, match="s3://, gs:// and https:// are known"):
        streamkm.convert("nope://bucket/x.zarr", "x.zarr")


def test_the_users_settings_come_first(monkeypatch):
    import fsspec.config

    from streamkm.remote import options_of

    pytest.importorskip("aiohttp")
    monkeypatch.setitem(fsspec.config.conf, "http", {"client_kwargs": {"trust_env": True}})
    assert options_of("http://x/y") == {"client_kwargs": {"trust_env": True}}
    assert options_of("s3://x/y")["config_kwargs"]["connect_timeout"] == 10
    assert options_of("memory://x") == {}
    assert "AWS_ENDPOINT_URL" in (streamkm.remote.__doc__ or "") or os.name == "nt"
