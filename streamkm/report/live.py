"""The report of a running fit as a page that renews itself, for this machine alone."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from streamkm.cluster.runview import RunView, view_run
from streamkm.errors import StreamKMError
from streamkm.report.html import Html, join, tag
from streamkm.report.pace import pace_of, state_of
from streamkm.report.page import body_of, frame, page, title_of
from streamkm.report.said import facts
from streamkm.report.subject import open_subject
from streamkm.report.tables import figures_list
from streamkm.report.words import duration

HOST: Final = "127.0.0.1"
PATIENCE: Final = 10.0  # pictures may take a tenth of one core
MOST_PATIENCE_S: Final = 30.0


class LiveReport(ThreadingHTTPServer):
    """Serves a run's report on the loopback interface.

    Parameters
    ----------
    run
        The run directory.
    port
        0 for one that is free.

    Raises
    ------
    StoreError
        If the folder holds no run.
    """

    daemon_threads = True

    def __init__(self, run: str | Path, port: int = 0) -> None:
        self.run = run
        self._lock = threading.Lock()
        self._frame, self._version, self._due = Html(""), "", 0.0
        self._title = title_of(open_subject(run))
        super().__init__((HOST, port), _Answer)

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_address[1]}/"

    def answer(self, path: str) -> tuple[str, str] | None:
        """Return the type and the text of what lies under a path, None where nothing does."""
        if path == "/":
            announced = tag("p", id="announced", class_="unseen", role="status")
            # Whole at once: the pictures take seconds, and come with the first news.
            soon = tag("p", "The pictures are being drawn.", class_="note")
            place = tag("main", _place(""), soon, id="content", tabindex=-1)
            body = body_of(join(tag("header", tag("h1", self._title)), place), announced)
            return "text/html", page(self._title, body, is_live=True)
        view = view_run(self.run)
        if path == "/frame":
            return "text/html", self._renewed(view)
        if path == "/state":
            version = _version_of(view)
            if time.monotonic() < self._due and not view.is_finished:
                version = self._version
            state = {
                "version": version,
                "kind": state_of(view, pace_of(view)).kind,
                "is_last": view.is_finished,
                "status": status(view),
            }
            return "application/json", json.dumps(state)
        return None

    def _renewed(self, view: RunView) -> Html:
        """Return all that is seen, drawn again where passes have ended since."""
        with self._lock:
            version, begin = _version_of(view), time.monotonic()
            if version != self._version:
                self._frame = frame(open_subject(self.run), None, _place(version))
                self._version, end = version, time.monotonic()
                self._due = end + min(PATIENCE * (end - begin), MOST_PATIENCE_S)
            return self._frame


class _Answer(BaseHTTPRequestHandler):
    server: LiveReport

    def do_GET(self) -> None:
        """Answer; only to names of this machine, so that no other site's page can ask."""
        host = (self.headers.get("Host") or "").rpartition(":")[0]
        try:
            found = self.server.answer(self.path) if host in (HOST, "localhost") else None
        except StreamKMError as error:
            self.send_error(503, str(error))
            return
        if found is None:
            self.send_error(404)
            return
        kind, text = found
        content = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: a page asks every second."""


@contextmanager
def served(run: str | Path, port: int = 0) -> Iterator[LiveReport]:
    """Serve a run's report while the block runs.

    Raises
    ------
    StreamKMError
        If the port is taken.
    """
    try:
        server = LiveReport(run, port)
    except (OSError, OverflowError) as error:
        raise StreamKMError(
            f"port {port} cannot be opened ({error}); 0 takes a free one"
        ) from error
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def status(view: RunView) -> Html:
    """Return how the fit is doing, as it stands above the sections."""
    pace = pace_of(view)
    state = state_of(view, pace)
    progress = view.progress
    bar = None
    if progress is not None and pace.pass_share is not None:
        left = "" if not pace.pass_left_s else f", {duration(pace.pass_left_s)} left"
        bar = tag(
            "p",
            tag("label", f"{progress['title']} ", for_="pass"),
            tag("progress", id="pass", max=1, value=f"{pace.pass_share:.4f}"),
            f" {pace.pass_share:.0%}{left}",
            class_="pass",
        )
    return tag(
        "div",
        tag("p", tag("strong", state.kind, class_=state.kind), f" {state.advice}"),
        bar,
        figures_list(facts(view, pace)),
        class_="now",
    )


def _place(version: str) -> Html:
    """Return where the state is shown; it says which version of the page it stands on."""
    return tag("div", id="status", data_version=version)


def _version_of(view: RunView) -> str:
    return f"{len(view.history)}{' finished' if view.is_finished else ''}"
