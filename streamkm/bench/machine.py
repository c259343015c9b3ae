"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamkm.bench.contestants import PEERS, version_of

LIBRARIES: Final = ("numpy", "numba", "zarr", "dask", *PEERS)
VECTORS: Final = ("avx512f", "avx2", "avx")  # the widest is said


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine, and what is installed on it.

    Parameters
    ----------
    cpu, system
        In words.
    n_cores
        That this process may use.
    memory_bytes
        In all.
    load
        Processes that wanted to run in the last minute, before the contest;
        None where the system does not say.
    versions
        Of Python, streamkm, the libraries, and the peers that are installed.
    """

    cpu: str
    system: str
    n_cores: int
    memory_bytes: int
    load: float | None
    versions: dict[str, str]

    @property
    def is_busy(self) -> bool:
        """Whether other work was running."""
        return self.load is not None and self.load > 0.25 * self.n_cores


def this_machine(libraries: Sequence[str] = LIBRARIES) -> Machine:
    """Look at this machine."""
    import psutil

    affinity = getattr(os, "sched_getaffinity", None)
    known = {"Python": platform.python_version(), "streamkm": version_of("streamkm")}
    known |= {name: version_of(name) for name in libraries}
    return Machine(
        cpu=_cpu(),
        system=f"{platform.system()} {platform.machine()}",
        n_cores=len(affinity(0)) if affinity else os.cpu_count() or 1,
        memory_bytes=int(psutil.virtual_memory().total),
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        versions={name: version for name, version in known.items() if version is not None},
    )


def _cpu() -> str:
    """Return the model of the processor, as the system calls it."""
    if sys.platform == "darwin":
        import subprocess

        asked = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        found = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603
        return found.stdout.strip() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    said: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        said.setdefault(name.strip(), value.strip())
    if "model name" not in said:
        return platform.processor() or platform.machine()
    words = [said["model name"]]
    if "cpu family" in said:  # virtual machines shorten the name to the brand
        words.append(f"family {said['cpu family']} model {said.get('model', '?')}")
    sets = [name for name in VECTORS if name in said.get("flags", "").split()]
    return ", ".join([*words, *(name.upper() for name in sets[:1])])
