"""Public data by name: mirrors, checksums, what breaks off, and archives that mean harm."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.server
import io
import json
import socket
import struct
import tarfile
import threading
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

import streamkm
from streamkm.cli import main
from streamkm.conversion.fetch import cache_folder
from streamkm.data import catalog as catalog_module
from streamkm.data import download as download_module
from streamkm.data.catalog import CATALOG
from streamkm.data.download import download
from streamkm.data.named import NamedDataset, RemoteFile, Split
from streamkm.data.unpack import unpack
from streamkm.errors import SourceError, StorageError, StoreExistsError
from streamkm.sources import SOURCES

RNG = np.random.default_rng(0)
CONTENT = RNG.bytes(3_000_000)
SHA = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
SIZE = len(CONTENT)


@dataclass
class Host:
    """A web server on loopback that does as it is told.

    `breaks` are the numbers of body bytes after which the next answers end.
    """

    files: dict[str, bytes]
    has_range: bool = True
    breaks: list[int] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    base: str = ""

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        name, wanted = request.path.strip("/"), request.headers.get("Range")
        self.asked.append((name, wanted))
        if name not in self.files:
            request.send_error(404)
            return
        content, start = self.files[name], 0
        if wanted and self.has_range:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                request.send_error(416)
                return
            request.send_response(206)
            last = len(content) - 1
            request.send_header("Content-Range", f"bytes {start}-{last}/{len(content)}")
        else:
            request.send_response(200)
        body = content[start:]
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        with contextlib.suppress(ConnectionError):
            request.wfile.write(body[: self.breaks.pop(0)] if self.breaks else body)


@contextlib.contextmanager
def serving(host):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            host.answer(self)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        host.base = f"http://127.0.0.1:{server.server_port}/"
        yield host
        server.shutdown()
        thread.join()


@pytest.fixture
def host():
    with serving(Host({"data": CONTENT})) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr(download_module, "PAUSE_S", 0.0)
    monkeypatch.setattr(download_module, "PIECE_BYTES", 1 << 16)


def dead_url():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}/data"


def remote(*urls, checksum=SHA, size=SIZE):
    return RemoteFile("data.bin", urls, size, checksum)


def test_a_file_comes_once_and_is_then_there(host):
    seen = []
    found = download(remote(host.base + "data"), Path("cache"), lambda *told: seen.append(told))
    assert found.path.read_bytes() == CONTENT
    assert found.is_verified
    assert seen[-1] == ("data.bin", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)
    download(remote(host.base + "data"), Path("cache"))
    assert len(host.asked) == 1
    assert [path.name for path in Path("cache").iterdir()] == ["data.bin"]


@pytest.mark.parametrize("has_range", [True, False])
def test_what_breaks_off_goes_on(host, has_range):
    host.has_range = has_range
    host.breaks = [1_000_000, 500_000]
    found = download(remote(host.base + "data"), Path("cache"))
    assert found.path.read_bytes() == CONTENT
    offsets = [None, "bytes=1000000-", "bytes=1500000-" if has_range else "bytes=500000-"]
    assert [asked for _, asked in host.asked] == offsets


def test_a_later_call_goes_on_from_an_earlier_one(host):
    host.breaks = [700_000] + [0] * 10
    with pytest.raises(SourceError, match="700000 bytes are kept"):
        download(remote(host.base + "data"), Path("cache"))
    host.breaks = []
    host.asked.clear()
    assert download(remote(host.base + "data"), Path("cache")).path.read_bytes() == CONTENT
    assert host.asked == [("data", "bytes=700000-")]


def test_all_that_was_left_to_do_is_the_name(host):
    Path("data.bin.part").write_bytes(CONTENT)
    assert download(remote(host.base + "data"), Path()).path.read_bytes() == CONTENT
    assert not host.asked


def test_a_part_of_something_else_is_begun_anew(host):
    for wrong in (b"x" * 1_000_000, b"x" * 4_000_000, b"x" * len(CONTENT)):
        Path("data.bin").unlink(missing_ok=True)
        Path("data.bin.part").write_bytes(wrong)
        assert download(remote(host.base + "data"), Path()).path.read_bytes() == CONTENT


def test_a_dead_mirror_and_a_missing_file_give_way_to_the_next(host):
    file = remote(dead_url(), host.base + "moved", host.base + "data")
    assert download(file, Path("cache")).path.read_bytes() == CONTENT
    assert [name for name, _ in host.asked] == ["moved", "data"]


def test_a_wrong_checksum_is_refused_and_the_next_mirror_tried(host):
    host.files["bad"] = b"\0" * len(CONTENT)
    host.files["short"] = CONTENT[:100]
    bad = remote(host.base + "bad", host.base + "short")
    with pytest.raises(SourceError, match=r"checksum is not sha256.*has 100 bytes, expected"):
        download(bad, Path("cache"))
    assert not list(Path("cache").iterdir())
    file = remote(host.base + "bad", host.base + "short", host.base + "data")
    assert download(file, Path("cache")).path.read_bytes() == CONTENT


def test_a_file_that_was_damaged_later_is_fetched_again(host):
    Path("data.bin").write_bytes(CONTENT[:-1] + b"?")
    assert download(remote(host.base + "data"), Path()).path.read_bytes() == CONTENT


def test_without_a_known_checksum_the_found_one_is_told(host):
    found = download(remote(host.base + "data", checksum=None, size=None), Path("cache"))
    assert (found.is_verified, f"sha256:{found.sha256}") == (False, SHA)
    md5 = "md5:" + hashlib.md5(CONTENT).hexdigest()
    assert download(remote(host.base + "data", checksum=md5), Path("other")).is_verified


def test_no_mirror_at_all_is_one_clear_error():
    with pytest.raises(SourceError, match=r"data\.bin cannot be downloaded .*refused"):
        download(remote(dead_url()), Path("cache"))
    with pytest.raises(SourceError, match="only http, https and ftp"):
        download(remote("file:///etc/passwd"), Path("cache"))


def test_a_disk_that_is_too_small_is_told_before(host, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(download_module.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(StorageError, match="3000000 bytes are missing, the disk has 1000 free"):
        download(remote(host.base + "data"), Path("cache"))
    Path("file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        download(remote(host.base + "data"), Path("file"))


class Ftp(threading.Thread):
    """The few words of FTP that a download needs; the first transfer ends early."""

    def __init__(self, content: bytes, first: int):
        super().__init__()
        self.content, self.first, self.offsets = content, first, []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"ftp://127.0.0.1:{self.socket.getsockname()[1]}/data"

    def run(self):
        for limit in (self.first, len(self.content)):
            control, _ = self.socket.accept()
            with control, control.makefile("rw", newline="\r\n") as lines:
                self.talk(lines, limit)
        self.socket.close()

    def talk(self, lines, limit):
        def say(text):
            lines.write(text + "\n")
            lines.flush()

        offset = 0
        say("220 ready")
        for line in lines:
            word, _, rest = line.strip().partition(" ")
            if word == "EPSV":
                passive = socket.create_server(("127.0.0.1", 0))
                say(f"229 entering (|||{passive.getsockname()[1]}|)")
            elif word == "PASV":
                passive = socket.create_server(("127.0.0.1", 0))
                port = passive.getsockname()[1]
                say(f"227 entering (127,0,0,1,{port >> 8},{port & 255})")
            elif word == "REST":
                offset = int(rest)
                say("350 ok")
            elif word == "RETR":
                self.offsets.append(offset)
                say("150 here it comes")
                data, _ = passive.accept()
                with passive, data:
                    data.sendall(self.content[offset:][:limit])
                say("226 done")
            else:
                answers = {"USER": "331 who", "SIZE": f"213 {len(self.content)}", "QUIT": "221 bye"}
                say(answers.get(word, "200 ok" if word == "TYPE" else "230 in"))
                if word == "QUIT":
                    return


def test_ftp_goes_on_too():
    server = Ftp(CONTENT, 1_200_000)
    server.start()
    assert download(remote(server.url), Path("cache")).path.read_bytes() == CONTENT
    server.join()
    assert server.offsets == [0, 1_200_000]


def archive_of(kind, entries):
    """Write entries (name, bytes or the target of a link) as an archive."""
    path = Path(f"files.{kind}")
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in entries:
                info = zipfile.ZipInfo(name)
                if isinstance(content, str):
                    info.external_attr = 0o120777 << 16
                packed.writestr(info, content)
        return path
    with tarfile.open(path, "w:gz") as tape:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                tape.addfile(info)
            else:
                info.size = len(content)
                tape.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_only_the_member_that_was_named_comes_out(kind):
    entries = [("../evil", b"1"), ("/tmp/evil", b"2"), ("a/link", "/etc/passwd"), ("a/x", b"good")]
    archive = archive_of(kind, entries)
    Path("out").mkdir()
    unpack(archive, "a/x", Path("out/x"))
    assert Path("out/x").read_bytes() == b"good"
    with pytest.raises(SourceError, match="no plain file"):
        unpack(archive, "a/link", Path("out/link"))
    with pytest.raises(SourceError, match="holds no a/y"):
        unpack(archive, "a/y", Path("out/y"))
    assert [path.name for path in Path("out").iterdir()] == ["x"]
    assert not Path("evil").exists()


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_a_damaged_archive_leaves_nothing(kind):
    archive = archive_of(kind, [("a/x", RNG.bytes(200_000))])
    archive.write_bytes(archive.read_bytes()[:90_000])
    with pytest.raises(SourceError, match="damaged or truncated"):
        unpack(archive, "a/x", Path("x"))
    assert not list(Path().glob("x*"))


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(head + array.tobytes())


@pytest.fixture
def tiny(host, monkeypatch):
    """A catalog of two: IDX files as they are, and the same in an archive."""
    images, labels = RNG.integers(0, 256, (30, 4, 4), np.uint8), np.arange(30, dtype=np.uint8) % 3
    names = ("tiny-images-idx3-ubyte.gz", "tiny-labels-idx1-ubyte.gz")
    host.files |= dict(zip(names, (idx(images), idx(labels)), strict=True))
    members = [(f"gzip/{name}", host.files[name]) for name in names]
    host.files["tiny.zip"] = archive_of("zip", members).read_bytes()

    def file(name):
        content = host.files[name]
        digest = hashlib.sha256(content).hexdigest()
        return RemoteFile(name, (host.base + name,), len(content), f"sha256:{digest}")

    opens = f"{{folder}}/{names[0]}"
    terms = ("Tiny", "noise", "4 x 4", 16)
    plain = Split("train", 30, tuple(file(name) for name in names), opens)
    packed = Split("all", 30, (file("tiny.zip"),), opens, tuple(name for name, _ in members))
    rows = (
        NamedDataset("tiny", *terms, (plain,), "CC0", "Nobody, 2020", "http://x"),
        NamedDataset("packed", *terms, (packed,), "CC0", "Nobody, 2020", "http://x"),
    )
    monkeypatch.setattr(catalog_module, "CATALOG", rows)
    monkeypatch.setenv("STREAMKM_CACHE", str(Path("cache").absolute()))
    return images.reshape(30, 16), labels


@pytest.mark.parametrize("name", ["tiny", "packed"])
def test_fetch_goes_straight_into_a_store(name, tiny):
    store = streamkm.fetch(name, "x.zarr")
    np.testing.assert_array_equal(store.read(0, 30), tiny[0])
    np.testing.assert_array_equal(store.labels.read(0, 30), tiny[1])
    assert store.spec.sample_shape == (4, 4)
    with pytest.raises(StoreExistsError):
        streamkm.fetch(name, "x.zarr")
    streamkm.fetch(name, "x.zarr", overwrite=True, keep=False)
    assert not list(cache_folder().iterdir())


def test_the_command_downloads_and_converts(tiny, capsys):
    assert main(["fetch", "packed", "x.zarr", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["rows"], facts["labels"], facts["split"]) == (30, True, "all")
    assert main(["fetch", "tiny", "--download-only", "--cache", "c", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["source"] == "c/tiny/tiny-images-idx3-ubyte.gz"
    assert facts["tiny-images-idx3-ubyte.gz"].startswith("sha256:")
    assert main(["fetch", "tiny"]) == 1
    assert "--download-only" in capsys.readouterr().err
    assert main(["fetch", "tiny", "y.zarr", "--split", "test"]) == 1
    assert "it has train" in capsys.readouterr().err


def test_the_commands_say_what_there_is_and_under_what_terms(capsys):
    assert main(["datasets"]) == 0
    out = capsys.readouterr().out
    for row in CATALOG:
        assert row.name in out
    assert main(["datasets", "cifar10"]) == 0
    assert "Krizhevsky" in capsys.readouterr().out
    assert main(["datasets", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(CATALOG)
    assert main(["datasets", "imagenet"]) == 1
    assert "known are mnist" in capsys.readouterr().err


def test_the_catalog_is_whole():
    known = {row.name for row in SOURCES}
    for row in CATALOG:
        assert row.licence
        assert row.citation
        for split in row.splits:
            prefix = split.opens.partition(":")[0]
            assert prefix in known or split.opens.startswith("{folder}/")
            for file in split.files:
                kind, _, digest = file.checksum.partition(":")
                assert len(digest) == {"sha256": 64, "md5": 32}[kind]
                assert int(digest, 16)
                assert file.size_bytes


@pytest.mark.real_data
def test_the_checksums_of_mnist_are_those_of_its_files(data_dir):
    for split in catalog_module.find_dataset("mnist").splits:
        for file in split.files:
            content = (data_dir / "mnist" / file.name).read_bytes()
            if len(content) == file.size_bytes:  # one of them was packed anew
                assert hashlib.sha256(content).hexdigest() == file.checksum.partition(":")[2]
