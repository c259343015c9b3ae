"""Damage files on purpose and read them: `python -m tests.fuzz.hostile --seconds 600 READER`.

Whatever a file holds, reading it is a result or one of streamkm's own errors, in
seconds, in memory in proportion to the file, with nothing written elsewhere and
nothing unpickled. A case is a reader and a seed; `--case SEED` shows one again.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

READERS: Final = (
    "idx", "cifar", "cifar100", "npy", "npz", "csv", "parquet", "arrow", "hdf5", "zarr", "images",
    "vecs", "store", "model", "run", "unpack",
)  # fmt: skip
ROOT: Final = Path(__file__).parents[2]
DEAD_S: Final = 60.0  # the child's own alarm rings far earlier, if Python still runs there
MOST_TEMPLATES: Final = 12
FIRST_S: Final = 600.0  # valid files are made, and kernels compiled


class Reading:
    """A child process that reads cases; started again when it dies."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._n_cases: Counter[str] = Counter()  # of this process
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by __exit__
        self._folder = tempfile.TemporaryDirectory()  # a killed child leaves its files there

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._stop()
        self._said.close()
        self._folder.cleanup()

    def run(self, reader: str, seed: int) -> dict[str, Any]:
        """Run one case."""
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(f"{reader} {seed}\n")
            process.stdin.flush()
        except BrokenPipeError:
            return self._dead(reader, seed, "crash")
        self._n_cases[reader] += 1
        limit_s = DEAD_S if self._n_cases[reader] > MOST_TEMPLATES else FIRST_S
        if not select.select([process.stdout], [], [], limit_s)[0]:
            process.send_signal(signal.SIGABRT)  # faulthandler says where it stands
            return self._dead(reader, seed, f"no end in {DEAD_S:g} s, in native code")
        line = process.stdout.readline()
        if not line:
            return self._dead(reader, seed, "crash")
        found: dict[str, Any] = json.loads(line)
        return found

    def _start(self) -> subprocess.Popen[str]:
        self._n_cases.clear()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            cwd=ROOT,
            env={**os.environ, "TMPDIR": self._folder.name},
        )
        return self._process

    def _stop(self) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        return process.returncode

    def _dead(self, reader: str, seed: int, why: str) -> dict[str, Any]:
        """Say how the child died, and which lines of Python it died in."""
        status = self._stop()
        self._said.seek(0)
        said = self._said.read()[-4000:]
        self._said.seek(0)
        self._said.truncate()
        lines = [line.strip() for line in said.splitlines() if line.strip().startswith("File")]
        trace = said[said.rfind("Fatal Python error") :] if "Fatal Python error" in said else said
        return {
            "reader": reader, "seed": seed, "what": "failure", "error": f"{why} (status {status})",
            "where": " < ".join(lines[:3]) or said[-300:], "trace": trace,
        }  # fmt: skip


@dataclass
class Tally:
    """What came of many cases of one reader."""

    reader: str
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    failures: dict[tuple[str, str], tuple[int, dict[str, Any]]] = field(default_factory=dict)

    def add(self, found: dict[str, Any]) -> None:
        """Count a case; failures of one place and kind are one."""
        kind = found["what"] if found["what"] == "read" else found["error"].partition(":")[0]
        self.counts["failure" if found["what"] == "failure" else kind] += 1
        if found["what"] == "failure":
            key = kind.partition(" (")[0] if found["where"] else found["error"], found["where"]
            n_times, first = self.failures.get(key, (0, found))
            self.failures[key] = n_times + 1, first

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {n}" for kind, n in self.counts.most_common())
        n_cases = sum(self.counts.values())
        lines = [f"{self.reader}: {self.seconds:.0f} s, {n_cases} cases: {kinds}"]
        for n_times, first in self.failures.values():
            lines.append(
                f"  {n_times} x {first['error']}\n      {first['where']}  --case {first['seed']}"
            )
        return "\n".join(lines)


def fuzz(reader: str, seconds: float, first_seed: int = 0, most: int = sys.maxsize) -> Tally:
    """Run cases of a reader for some time."""
    tally, begin = Tally(reader), time.monotonic()
    with Reading() as reading:
        seed = first_seed
        while time.monotonic() - begin < seconds and seed < first_seed + most:
            tally.add(reading.run(reader, seed))
            seed += 1
    tally.seconds = time.monotonic() - begin
    return tally


def main() -> None:
    """Fuzz readers by hand."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.hostile", description=__doc__)
    parser.add_argument("readers", nargs="+", choices=[*READERS, "all"], metavar="READER")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each reader")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--case", type=int, help="show one case again, in a process of its own")
    words = parser.parse_args()
    readers = READERS if "all" in words.readers else words.readers
    if words.case is not None:
        command = [sys.executable, "-m", "tests.fuzz.child", readers[0], str(words.case)]
        sys.exit(subprocess.run(command, cwd=ROOT, check=False).returncode)
    for reader in readers:
        print(fuzz(reader, words.seconds, words.first_seed), flush=True)


if __name__ == "__main__":
    main()
