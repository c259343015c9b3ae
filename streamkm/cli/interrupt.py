"""Ctrl-C and SIGTERM: a command that is stopped says how to go on."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import Any

INTERRUPTED = 130  # 128 + SIGINT, as shells say it
TERMINATED = 143  # 128 + SIGTERM
AGAIN_S = 0.05  # until a signal that cannot be heard now comes again
# Commands that go on by being given again with their --run, and from where.
GOES_ON_FROM = {
    "sweep": "the last pass of each fit",
    "score": "what long passes had found",
    "coreset": "its last checkpoint",
}


class Terminated(KeyboardInterrupt):
    """SIGTERM: what job schedulers send before they kill."""


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM end a block as Ctrl-C does; a second one ends the process at once.

    Neither comes while Numba is loading code: it crashes, or loses what was raised there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, _stop)}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        before[signal.SIGINT] = signal.signal(signal.SIGINT, _stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, _: Any) -> None:
    lock = sys.modules.get("numba.core.compiler_lock")
    if lock is not None and lock.global_compiler_lock.is_locked():  # by this thread
        threading.Timer(AGAIN_S, os.kill, (os.getpid(), number)).start()
        return
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise Terminated


def advice(words: Sequence[str]) -> str:
    """Say how the command that was stopped goes on.

    Parameters
    ----------
    words
        Of the command line.
    """
    command = words[0] if words else ""
    if command in ("convert", "predict", "transform"):
        return "the same command goes on where it stopped"
    if command not in ("fit", "resume", *GOES_ON_FROM):
        return "nothing is left half done: run it again"
    run = going_on(words)
    return run or "nothing of it was kept: with --run DIR it leaves checkpoints"


def going_on(words: Sequence[str]) -> str:
    """Say which command goes on with a run directory; nothing where the words name none."""
    from streamkm.cluster.rundir import RunDir  # NumPy's import is not every command's to pay

    command = words[0] if words else ""
    run = words[1] if command == "resume" and len(words) > 1 else _value_of("--run", words)
    if not run or command not in ("fit", "resume", *GOES_ON_FROM):
        return ""
    if command in GOES_ON_FROM:
        return f"the same command goes on from {GOES_ON_FROM[command]}"
    if RunDir(Path(run)).peek() is None:
        return "the same command begins it again: no pass had ended"
    return f"go on from its last pass with: streamkm resume {quote(run)}"


def _value_of(option: str, words: Sequence[str]) -> str:
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == option:
            return following
        if word.startswith(f"{option}="):
            return word.removeprefix(f"{option}=")
    return ""
