"""The process that reads damaged files: it may hang, eat memory or crash, and is watched for it.

It takes "READER SEED" lines and answers each with a line of JSON; between the two
lies one case. Native code that dies takes this process with it and no other.
"""

from __future__ import annotations

import faulthandler
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from typing import Any, Final

from streamkm.errors import MemoryLimitError, StreamKMError
from tests.fuzz.targets import TARGETS, Target, Tree, mutated, put

LIMIT_S: Final = 10.0  # of wall time, on a machine that others use too
CPU_S: Final = 5.0
RATIO: Final = 100  # times the file's size
ADDRESS_BYTES: Final = 1 << 30  # what a case may ask the system for, used or not
# What the restricted unpickler admits, and reading an array of a fixed dtype needs.
ADMITTED: Final = {"numpy", "numpy.core.multiarray", "numpy._core.multiarray", "_codecs"}
REFUSED: Final = {"os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect"}
WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class Hang(BaseException):
    """The case took too long; a BaseException, so that no reader catches it."""


class Watch:
    """Sees what Python code does behind a reader's back, by audit events."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.is_on = False
        self.seen: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.is_on:
            return
        if event == "pickle.find_class" and args[0] not in ADMITTED:
            self.seen.append(f"unpickled {args[0]}.{args[1]}")
        elif event in REFUSED:
            self.seen.append(f"{event} {args[:2]}")
        elif event == "open" and isinstance(args[0], str) and args[2] & WRITING:
            path = os.path.abspath(args[0])
            if not path.startswith(self.root) and not path.startswith(("/dev/", "/proc/")):
                self.seen.append(f"wrote {path}")


class Cases:
    """Runs cases; keeps the valid files of every target in memory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "case"
        self.trees: dict[tuple[str, int], tuple[Tree, str]] = {}
        self.watch = Watch(root)

    def run(self, reader: str, seed: int, *, is_loud: bool = False) -> dict[str, Any]:
        """Run one case; returns what came of it."""
        target = TARGETS[reader]
        rng = random.Random(f"{reader}:{seed}")
        tree, locator = self._template(target, seed % len(target.templates))
        tree = mutated(tree, rng)
        self._clear()
        put(tree, self.folder)
        if is_loud:
            print(locator, {name: len(data) for name, data in tree.items()}, file=sys.stderr)
        found = self._watched(target, locator, tree)
        if is_loud and "trace" in found:
            print(found.pop("trace"), file=sys.stderr)
        return {"reader": reader, "seed": seed, **found}

    def _template(self, target: Target, which: int) -> tuple[Tree, str]:
        """Return the valid files of a template; they must be readable."""
        key = target.name, which
        if key not in self.trees:
            self._clear()
            locator = target.templates[which]()
            files = [file for file in sorted(Path().rglob("*")) if file.is_file()]
            tree = {str(file): file.read_bytes() for file in files}
            target.read(locator)
            self.trees[key] = tree, locator
            _limit_address_space()
        return self.trees[key]

    def _clear(self) -> None:
        os.chdir(self.root)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        os.chdir(self.folder)

    def _watched(self, target: Target, locator: str, tree: Tree) -> dict[str, Any]:
        size = sum(map(len, tree.values()))
        before, cpu_s = _reset_peak(), time.process_time()
        self.watch.seen.clear()
        self.watch.is_on = True
        found = _outcome(target, locator)
        self.watch.is_on = False
        grown, cpu_s = _peak() - before, time.process_time() - cpu_s
        if found["what"] == "failure":
            return found
        if self.watch.seen:
            return _failure(self.watch.seen[0], "")
        if grown > target.spare_bytes + RATIO * size:
            return _failure(f"{grown >> 20} MiB for a file of {size} bytes", "memory")
        if cpu_s > CPU_S:
            return _failure(f"{cpu_s:.1f} s of computing", "slow")
        left = self._written(tree, may_change=target.writes)
        return _failure(left, "") if left else found

    def _written(self, tree: Tree, *, may_change: bool) -> str:
        """Say what is there that was not, or is no more as it was."""
        beside = {path.name for path in self.root.iterdir()} - {"case"}
        if beside:
            return f"wrote beside the folder: {beside}"
        files = {str(file): file for file in Path().rglob("*") if file.is_file()}
        gone_or_new = set(files) - set(tree) if may_change else set(files) ^ set(tree)
        if gone_or_new:
            return f"files came or went: {sorted(gone_or_new)[:5]}"
        changed = [name for name, file in files.items() if file.stat().st_size != len(tree[name])]
        return f"changed {changed}" if changed and not may_change else ""


def _outcome(target: Target, locator: str) -> dict[str, Any]:
    signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
    try:
        target.read(locator)
    except MemoryLimitError:
        return {"what": "refused", "error": "MemoryLimitError"}
    except StreamKMError as error:
        text = str(error)
        if "\n" in text.strip() or len(text) > 2000:
            return _failure(f"a message of {len(text)} characters, several lines", _place(error))
        return {"what": "refused", "error": type(error).__name__, "text": text[:200]}
    except Hang as error:
        return _failure(f"no end in {LIMIT_S:g} s", _place(error), traceback.format_exc())
    except (Exception, SystemExit) as error:  # noqa: BLE001 - that is what is looked for
        text = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
        return _failure(text, _place(error), traceback.format_exc())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return {"what": "read"}


def _failure(text: str, where: str, trace: str = "") -> dict[str, Any]:
    found = {"what": "failure", "error": text, "where": where}
    return {**found, "trace": trace[-3000:]} if trace else found


def _place(error: BaseException) -> str:
    """Where it came from: our innermost line, and the innermost of all."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/streamkm/" in frame.filename]
    places = [
        f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno}"
        for frame in (frames[-1], *ours[-1:])
    ]
    return " < ".join(dict.fromkeys(places))


def _status(key: str) -> int:
    with open("/proc/self/status") as stream:
        for line in stream:
            if line.startswith(key):
                return int(line.split()[1]) << 10
    raise KeyError(key)


def _reset_peak() -> int:
    with open("/proc/self/clear_refs", "w") as stream:
        stream.write("5")
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM")


def _limit_address_space() -> None:
    """Let what is far too large be refused by the system, whether it would be used or not."""
    resource.setrlimit(resource.RLIMIT_AS, (_status("VmSize") + ADDRESS_BYTES, -1))


def _small_units() -> None:
    """Let files of a few rows be read in several pieces, and by the readers of large ones."""
    from streamkm.sources import arrow_ipc, delimited, hdf5, parquet

    for module in (arrow_ipc, delimited, parquet):
        module.UNIT_BYTES = 200  # type: ignore[misc]
    hdf5.LARGE_CHUNK_BYTES = 1000  # type: ignore[misc]


def main(words: list[str]) -> None:
    """Answer lines from stdin; or run the one case of `READER SEED` and show it."""
    warnings.simplefilter("ignore")
    faulthandler.enable()

    def ring(signum: int, frame: Any) -> None:
        raise Hang

    signal.signal(signal.SIGALRM, ring)
    _small_units()
    root = Path(tempfile.mkdtemp(prefix="hostile-"))
    cases = Cases(root)
    if words:
        print(json.dumps(cases.run(words[0], int(words[1]), is_loud=True)))
    else:
        answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)  # what libraries print is no answer
        for line in sys.stdin:
            reader, seed = line.split()
            answers.write(json.dumps(cases.run(reader, int(seed))) + "\n")
            answers.flush()
    os.chdir("/")
    shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
