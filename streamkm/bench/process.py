"""The parent's end of a contestant's process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

from streamkm.bench.task import Task
from streamkm.errors import StreamKMError
from streamkm.typing import Json

# Settings that hold some contestants back and not others: all have the libraries' own
# defaults, and all cores. Wrong values of the first two slow NumPy's products down.
DROPPED: Final = (
    "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS",
    "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "NUMBA_NUM_THREADS",
)  # fmt: skip
# The package is found where this process found it, installed or not; another one does not
# come before it, and installed packages do not come before Python's own.
SERVE: Final = """
import sys
if sys.argv[1] not in sys.path:
    sys.path.insert(0, sys.argv[1])
from streamkm.bench.worker import main
main()
"""
CLOSE_S: Final = 10


class ContestantError(Exception):
    """A contestant cannot go on; says why."""


class Process:
    """A contestant that waits for commands.

    Parameters
    ----------
    task
        What it is to do.
    """

    def __init__(self, task: Task) -> None:
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - until `close`
        environment = {k: v for k, v in os.environ.items() if k not in DROPPED}
        words = [sys.executable, "-c", SERVE, str(Path(__file__).parents[2])]
        self._process = subprocess.Popen(  # noqa: S603 - its own session: an interrupt is ours
            words, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
            start_new_session=True,
        )  # fmt: skip
        self._say(task.to_json())

    def wait(self) -> None:
        """Wait until it has loaded its rows.

        Raises
        ------
        StreamKMError
            If streamkm refuses the task: that is the user's to mend.
        ContestantError
            If a contestant fails in any other way.
        """
        self._answer()

    def fit(self, max_iter: int, **options: Any) -> Json:
        """Fit once, and return what it took; raises as `wait` does."""
        self._say(json.dumps({"max_iter": max_iter, **options}))
        return self._answer()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # the answer says why
            print(line, file=self._process.stdin, flush=True)

    def _answer(self) -> Json:
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        if not answer:
            raise ContestantError(self._last_words())
        found: Json = json.loads(answer)
        if "error" in found:
            kind = StreamKMError if found["is_ours"] else ContestantError
            raise kind(found["error"])
        return found

    def _last_words(self) -> str:
        """Say why a process ended without an answer."""
        status = self._process.wait()
        if status == -signal.SIGKILL:
            return "killed: the machine's memory was too small for it"
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return f"ended with status {status}" + (f": {said[-1]}" if said else "")

    def close(self) -> None:
        """End the process; it has closed its cluster by then, unless it hangs."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(CLOSE_S)
        except subprocess.TimeoutExpired:
            self._kill()
        self._process.stdout.close()
        self._errors.close()

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:  # nobody waits for the fit that runs
            self._kill()
        self.close()
