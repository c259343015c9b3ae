"""Where whole fits spend their time: samples of `perf`, compiled functions by name.

Run as `python -m tests.benchmarks.native_profile [TITLE]`: cases to convergence whose title holds
it, all by default. Prints a Markdown table of shares of all samples. Kernels are compiled anew,
into a folder of their own: code that is loaded has no names.
"""

from __future__ import annotations

import bisect
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.benchmarks.shared import data, head, row

N_FITS = 3
FOLDER = "NUMBA_CACHE_DIR"
LONGEST = 200_000  # bytes of a compiled function: further on is another's

# Parts of a fit, by the modules of its functions; the first that fits.
PARTS = {
    "looking at the rows before the fit": r"kernels\.(moment|plain_moments|binned)",
    "framing rows: float32 about the mean": r"kernels\.(frame|tile)",
    "scores": r"kernels\.(panels|block_scores|row_tile|dot_tile|register_tile|assign|scores)",
    "bounds": r"kernels\.(bounds|widening|settle|distance_bounds)",
    "the subspace: looks, projections, near centers": (
        r"kernels\.(shadows|projection|near_centers|subspace)"
    ),
    "sums": r"kernels\.(open_sum|split_lanes|accumulate|exact_sum)",
    "centers between passes": r"kernels\.(update|centers|motion|grouping)",
    "Python, NumPy and Dask": r"python|numpy|libc\.so|_Py",
    "the system": r"kernel|\[k\]|vdso",
}


def compiled_functions() -> list[tuple[int, str]]:
    """Address and module of every compiled function, by address."""
    from numba.core.dispatcher import Dispatcher

    found = set()
    for module in list(sys.modules.values()):
        if not getattr(module, "__name__", "").startswith("streamkm"):
            continue
        for value in vars(module).values():
            if isinstance(value, Dispatcher):
                for overload in value.overloads.values():
                    engine = overload.library.codegen._engine._ee
                    for function in overload.library._final_module.functions:
                        address = engine.get_function_address(function.name)
                        if address and not function.is_declaration:
                            found.add((address, demangled(function.name)))
    return sorted(found)


def demangled(name: str) -> str:
    """The dotted name of the Python function behind a mangled one, or what there is of it."""
    parts, rest = [], re.sub(r"^_ZN", "", name)
    while found := re.match(r"(\d+)", rest):
        size, rest = int(found[1]), rest[len(found[1]) :]
        parts.append(rest[:size])
        rest = rest[size:]
    return ".".join(parts) or name


def sample(fit) -> Counter[str]:  # type: ignore[no-untyped-def]
    """Count the samples of some fits, by part."""
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/samples"
        perf = subprocess.Popen(
            ["perf", "record", "-F", "2999", "-p", str(os.getpid()), "-o", file],
            stderr=subprocess.DEVNULL,
        )
        time.sleep(1.0)
        for _ in range(N_FITS):
            fit()
        perf.send_signal(2)
        perf.wait()
        lines = subprocess.run(
            ["perf", "script", "-i", file, "-F", "ip,sym,dso"],
            capture_output=True, text=True, check=True,
        ).stdout.splitlines()  # fmt: skip
    functions, shares = compiled_functions(), Counter[str]()
    starts = [address for address, _ in functions]
    for line in filter(str.strip, lines):
        address, name = int(line.split()[0], 16), line.strip()
        at = bisect.bisect(starts, address) - 1
        if re.search("JIT|unknown|anon", name) and at >= 0 and address - starts[at] < LONGEST:
            name = functions[at][1]
        part = next((part for part, which in PARTS.items() if re.search(which, name)), "others")
        shares[part] += 1
    return shares


def main() -> None:
    if FOLDER not in os.environ:  # where compiled code is kept is settled on import
        with tempfile.TemporaryDirectory() as fresh:
            words = [sys.executable, "-m", "tests.benchmarks.native_profile", *sys.argv[1:]]
            subprocess.run(words, env={**os.environ, FOLDER: fresh}, check=True)
            return
    import numpy as np

    from streamkm import KMeans
    from streamkm.bench.cases import preset
    from streamkm.bench.rows import prepare

    wanted = " ".join(sys.argv[1:])
    found: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for case in preset("convergence", data())[0]:
            prepared = prepare(case, Path(folder))
            if wanted not in prepared.title:
                continue
            rows, start = np.load(prepared.array), np.load(prepared.start)

            def fit(rows=rows, start=start):  # type: ignore[no-untyped-def]
                KMeans(len(start), init=start, tol=0, max_iter=300).fit(rows)

            fit()
            found[prepared.title] = sample(fit)
    head("", *found)
    for part in [*PARTS, "others"]:
        row(part, *(f"{100 * one[part] / one.total():.0f} %" for one in found.values()))


if __name__ == "__main__":
    main()
