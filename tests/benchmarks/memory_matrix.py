"""The memory limit, measured: commands over data that is larger, in all shapes, beside the plan.

Run as `python -m tests.benchmarks.memory_matrix [--rows NAMES] [-o table.md]`; prints a Markdown
table and ends with status 1 where a command took more than its limit. Each command is a process
of its own. Its peak is the resident memory of the whole process tree, sampled every 10 ms, as in
tests/memory; with `--workers` that of the workers alone, which is what the limit means there. A
command that is refused is run again with the limit that the refusal names. Needs STREAMKM_DATA
for one row, and 10 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from streamkm.runtime.memory import GIB, MIB, parse_bytes
from tests.helpers import Measured, run_measured

TIMEOUT_S = 900.0
WORK_S = 20.0  # a refusal that takes longer came after some work
COLUMNS = ("data", "command", "executor", "limit", "planned", "measured", "of the limit", "s",
           "verdict")  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One command; `needs` are the rows whose outputs it reads. `is_more` ones run where named."""

    name: str
    words: str
    limit: str
    needs: tuple[str, ...] = ()
    workers: int = 0
    is_more: bool = False

    @property
    def is_planned(self) -> bool:
        return self.words.startswith("fit kmeans")

    @property
    def output(self) -> str:
        """What the command makes."""
        words = [word for word in self.words.split() if not word.startswith("-")]
        place = 2 if words[0] in ("convert", "coreset", "sweep") else 3
        return words[place] if place < len(words) else "nothing"


@dataclass(frozen=True)
class Family:
    """Rows over one data set, made in their folder before the first."""

    data: str
    make: Callable[[], None]
    rows: tuple[Row, ...]


def nothing() -> None:
    """The first row makes the data."""


def make_bytes() -> None:
    rng = np.random.default_rng(0)
    centers = rng.integers(0, 200, (50, 784), np.uint8)
    write_npy("bytes.npy", 2_100_000, np.uint8, lambda n: (
        centers[rng.integers(50, size=n)] + rng.integers(0, 50, (n, 784), np.uint8)))  # fmt: skip


def make_doubles() -> None:
    rng = np.random.default_rng(0)
    centers = rng.uniform(-10, 10, (50, 64))
    write_npy("doubles.npy", 4_300_000, np.float64, lambda n: (
        centers[rng.integers(50, size=n)] + rng.standard_normal((n, 64))).round(2))  # fmt: skip


def make_wide() -> None:
    rng = np.random.default_rng(0)
    centers = rng.uniform(-3, 3, (50, 20_000)).astype(np.float32)
    write_npy("wide.npy", 14_000, np.float32, lambda n: (
        centers[rng.integers(50, size=n)] + rng.standard_normal((n, 20_000), np.float32)
    ))  # fmt: skip


def write_npy(
    name: str, n_rows: int, dtype: type, draw: Callable[[int], np.ndarray], part: int = 64 << 20
) -> None:
    """Write rows part by part; nothing of the size of all is ever held."""
    first = draw(1).astype(dtype)
    step = max(part // first.nbytes, 1)
    with open(name, "wb") as stream:
        header = {"descr": first.dtype.str, "fortran_order": False}
        np.lib.format.write_array_header_1_0(stream, {**header, "shape": (n_rows, first.shape[1])})
        for start in range(0, n_rows, step):
            draw(min(step, n_rows - start)).astype(dtype).tofile(stream)


def make_foreign() -> None:
    """A Zarr of format 2 with three chunks of 366 MiB."""
    import numcodecs
    import zarr

    rng = np.random.default_rng(0)
    rows = 1_500_000
    array = zarr.create_array(
        "foreign.zarr", shape=(3 * rows, 64), chunks=(rows, 64), dtype="f4", zarr_format=2,
        compressors=numcodecs.Zstd(level=1),
    )  # fmt: skip
    centers = rng.integers(-20, 20, (50, 64)).astype(np.float32)
    for start in range(0, 3 * rows, rows):
        array[start : start + rows] = centers[rng.integers(50, size=rows)] + rng.integers(
            -2, 3, (rows, 64)
        ).astype(np.float32)


FIT = "fit kmeans {0}.zarr {1}.zarr -k {2} --max-iter {3} --random-state 0"


def fit(store: str, model: str, k: int, n_iter: int, more: str = "") -> str:
    return f"{FIT.format(store, model, k, n_iter)} {more}".strip()


FAMILIES = (
    Family("2e8 × 2 float32 (1.5 GiB) and labels, lz4 chunks of 16 MiB", nothing, (
        Row("convert-tall", "convert blobs:200000000x2?centers=10 tall.zarr", "512MiB"),
        Row("fit-tall", fit("tall", "m", 2, 3), "512MiB", ("convert-tall",)),
        Row("predict-npy", "predict m.zarr tall.zarr labels.npy", "512MiB", ("fit-tall",)),
        Row("predict-zarr", "predict m.zarr tall.zarr labels.zarr", "1GiB", ("fit-tall",), 2),
        Row("score-tall", "score m.zarr tall.zarr", "512MiB", ("fit-tall",)),
    )),
    Family("2.1e6 × 784 uint8 (1.5 GiB), chunks of 16 MiB without compression", make_bytes, (
        Row("shuffle", "convert bytes.npy bytes.zarr --shuffle --codec none", "512MiB"),
        Row("minibatch", "fit minibatch bytes.zarr b.zarr -k 100 --max-iter 1 --random-state 0",
            "512MiB", ("shuffle",)),
        Row("kmeans||", fit("bytes", "p", 100, 2, "--init k-means||"), "1GiB", ("shuffle",)),
        Row("sweep", "sweep bytes.zarr -k 2,10,100 --repeats 1 --max-iter 2 --random-state 0 "
            "--out sweep.csv", "1GiB", ("shuffle",)),
        Row("coreset", "coreset bytes.zarr c.zarr -k 10 --random-state 0", "512MiB", ("shuffle",)),
    )),
    Family("4.3e6 × 64 float64 (2.1 GiB), zstd chunks of 16 MiB", make_doubles, (
        Row("convert-f64", "convert doubles.npy doubles.zarr --codec zstd", "1GiB", (), 2),
        Row("fit-f64", fit("doubles", "m", 10, 3, "--n-init 4"), "512MiB", ("convert-f64",)),
        Row("fit-f64-1000", fit("doubles", "n", 1000, 2, "--n-init 4"), "2GiB", ("convert-f64",)),
    )),
    Family("14000 × 20000 float32 (1.0 GiB), lz4 chunks of 16 MiB", make_wide, (
        Row("convert-wide", "convert wide.npy wide.zarr", "512MiB"),
        Row("fit-wide-1000", fit("wide", "m", 1000, 1, "--init random"), "512MiB",
            ("convert-wide",)),
        Row("fit-wide-100", fit("wide", "n", 100, 2), "1GiB", ("convert-wide",), 2),
        Row("transform-wide", "transform n.zarr wide.zarr far.zarr", "1GiB", ("fit-wide-100",)),
        Row("score-wide", "score n.zarr wide.zarr", "1GiB", ("fit-wide-100",), is_more=True),
        Row("minibatch-wide", "fit minibatch wide.zarr b.zarr -k 300 --max-iter 1 --random-state 0",
            "1GiB", ("convert-wide",), is_more=True),
        Row("bisecting-wide", "fit bisecting wide.zarr t.zarr -k 40 --max-iter 3 --random-state 0",
            "1GiB", ("convert-wide",), is_more=True),
        Row("streamkm-wide", "fit streamkm wide.zarr s.zarr -k 20 --refine-passes 1 "
            "--random-state 0", "1GiB", ("convert-wide",), is_more=True),
    )),
    Family("4.5e6 × 64 float32 (1.1 GiB), 3 zstd chunks of 366 MiB", make_foreign, (
        Row("convert-foreign", "convert foreign.zarr own.zarr", "512MiB"),
        Row("fit-foreign", fit("foreign", "m", 10, 2, "--n-init 4"), "2GiB"),
    )),
    Family("4186 × 13488 float64 (431 MiB), 1 gzip chunk in HDF5", nothing, (
        Row("convert-hdf5", "convert {data}/hdf5/worm_neuron_cell.h5 worm.zarr", "512MiB"),
    )),
    Family("2.1e7 × 64 float32 (5.0 GiB), chunks of 16 MiB without compression", nothing, (
        Row("convert-large", "convert blobs:21000000x64?centers=50 large.zarr --codec none",
            "1GiB"),
        Row("fit-large", fit("large", "m", 10, 3, "--n-init 4"), "4GiB", ("convert-large",)),
    )),
    Family("5e5 × 64 float32 (122 MiB), lz4 chunks of 3.8 MiB", nothing, (
        Row("convert-many", "convert blobs:500000x64?centers=10 many.zarr", "512MiB"),
        Row("fit-20000", fit("many", "m", 20_000, 1, "--init random"), "1GiB", ("convert-many",)),
    )),
)  # fmt: skip


def asked_rows(names: Sequence[str]) -> set[str]:
    """Return names, and those of the rows that they need."""
    known = {row.name: row for family in FAMILIES for row in family.rows}
    found: set[str] = set()
    waiting = list(names or (name for name, row in known.items() if not row.is_more))
    while waiting:
        name = waiting.pop()
        if name not in known:
            sys.exit(f"{name}: no such row; known are {', '.join(known)}")
        found.add(name)
        waiting += known[name].needs
    return found


def run_row(row: Row, data: str) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Yield a line of the table, whether it is as promised, and the same for a named limit."""
    words = row.words.format(data=os.environ.get("STREAMKM_DATA", "")).split()
    crew = ["--workers", str(row.workers)] if row.workers else []
    limited = [*words, *crew, "--memory-limit", row.limit]
    begin = time.perf_counter()
    ran = run_measured(limited, Path.cwd(), TIMEOUT_S)
    seconds = time.perf_counter() - begin
    limit = parse_bytes(row.limit) or 0
    peak = ran.workers_peak_bytes if row.workers else ran.peak_bytes
    said = re.search(r"memory_limit=(\d+)MiB", ran.err)
    is_fine = ran.status == 0 and peak < limit
    verdict = "below" if is_fine else "**above**"
    if ran.status and said:
        is_fine = is_clean(row, ran, seconds)
        verdict = f"{'refused' if is_fine else '**refused late**'}: {said[1]} MiB would do"
    elif ran.status:
        verdict = f"**failed**: {(ran.err.strip().splitlines() or ['nothing said'])[-1]}"
    planned = planned_bytes(row, words, crew) if row.is_planned and not ran.status else None
    yield (
        data, f"`{shown(row.words)}`", f"{row.workers} workers" if row.workers else "threads",
        written(limit), "" if planned is None else written(planned), written(peak),
        f"{peak / limit:.2f}", f"{seconds:.1f}", verdict,
    ), is_fine  # fmt: skip
    if ran.status and said:
        yield from run_row(replace(row, limit=f"{said[1]}MiB"), data)


def is_clean(row: Row, ran: Measured, seconds: float) -> bool:
    """Tell whether a refusal came before any work, as an error of one line."""
    left = [Path(f"{row.output}{ending}").exists() for ending in ("", ".partial")]
    lines = [line for line in ran.err.splitlines() if line.startswith("streamkm: ")]
    return ran.status == 1 and seconds < WORK_S and not any(left) and len(lines) == 1


def planned_bytes(row: Row, words: Sequence[str], crew: Sequence[str]) -> int | None:
    """Return what `streamkm plan` says of a fit; None for rows that are in no store."""
    if "foreign" in row.words:
        return None
    _, _, store, _, *options = words
    plan = ["plan", store, *options, *crew, "--memory-limit", row.limit, "--json"]
    ran = run_measured(plan, Path.cwd(), TIMEOUT_S)
    if ran.status:
        return None
    return int(json.loads(ran.out.strip().splitlines()[-1])["planned_peak_bytes"])


def written(size: int) -> str:
    return f"{size // GIB} GiB" if size >= GIB and size % GIB == 0 else f"{size / MIB:.0f} MiB"


def shown(words: str) -> str:
    return words.replace("{data}/hdf5/", "").replace("|", "\\|")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", help="names between commas; all by default")
    parser.add_argument("-o", "--out", type=Path, help="file for the table")
    options = parser.parse_args(arguments)
    names = asked_rows(options.rows.split(",") if options.rows else [])
    out = options.out and options.out.absolute()
    if "STREAMKM_DATA" in os.environ:
        os.environ["STREAMKM_DATA"] = str(Path(os.environ["STREAMKM_DATA"]).absolute())
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    lines = [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
    print("\n".join(lines), flush=True)
    are_fine = True
    for family in FAMILIES:
        rows = [row for row in family.rows if row.name in names]
        if not rows:
            continue
        folder = tempfile.mkdtemp(prefix="streamkm-memory-")
        os.chdir(folder)
        try:
            family.make()
            for row in rows:
                for cells, is_fine in run_row(row, family.data):
                    lines.append(f"| {' | '.join(cells)} |")
                    print(lines[-1], flush=True)
                    are_fine &= is_fine
        finally:
            os.chdir("/")
            shutil.rmtree(folder)
    if out:
        out.write_text("\n".join(lines) + "\n")
    return 0 if are_fine else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
