"""A contest over several cases, one after the other."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from streamkm.bench.cases import Case
from streamkm.bench.contest import Said, Settings, run_case
from streamkm.bench.figures import Result
from streamkm.bench.rows import prepare


def run(cases: Sequence[Case], settings: Settings, say: Said) -> Iterator[list[Result]]:
    """Yield the results of every case and measure as soon as they are there.

    Parameters
    ----------
    cases
        What is measured.
    settings
        How.
    say
        Told of every step: what is done, steps done and steps in all, of the case.

    Raises
    ------
    StreamKMError
        If the rows cannot be read, or streamkm cannot fit them.
    """
    for number, case in enumerate(cases, 1):
        with tempfile.TemporaryDirectory(prefix="streamkm-bench-") as folder:
            where = f"{number} of {len(cases)}" if len(cases) > 1 else ""
            say(f"{where}: preparing rows".removeprefix(": "), 0, 1)
            prepared = prepare(case, Path(folder))

            parts = [part for part in (where, prepared.title) if part]

            def tell(what: str, done: int, total: int, before: Sequence[str] = parts) -> None:
                say(": ".join([*before, what]), done, total)

            for measure in case.measures:
                yield run_case(prepared, measure, settings, Path(folder), tell)
