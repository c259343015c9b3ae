"""Sums of the models that share passes, from pass to pass: by changes where rows are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streamkm.cluster.passes import Passes
from streamkm.errors import BadRowsError
from streamkm.kernels.kept_rows import (
    KeptPass,
    KeptRows,
    KeptSums,
    fitting,
    merged,
)
from streamkm.kernels.lloyd import PartialSums
from streamkm.tasks import fit as tasks
from streamkm.typing import F64, Json


class Tally:
    """Runs Lloyd passes for several models.

    Parameters
    ----------
    passes
        Over the rows.
    n_models
        All models of the fit.
    algorithm
        "auto", "lloyd", "hamerly" or "yinyang": what is kept of the rows. No
        bit of the sums depends on it, or on how many rows are kept.
    """

    def __init__(self, passes: Passes, n_models: int, algorithm: str) -> None:
        self.passes, self.algorithm = passes, algorithm
        self._kept: list[_Kept | None] = [None] * n_models
        self._share_bytes = passes.keep_bytes // max(n_models, 1)

    def sums(
        self,
        running: Sequence[int],
        centers: Sequence[F64],
        title: str,
        stage: str = "assign",
        **where: Any,
    ) -> tuple[tuple[PartialSums, ...], Json]:
        """Run a pass of the running models; return their sums, and what the history tells of it.

        Over all rows, or `where` the groups and the source of the context say: over
        no row less than the pass before, since its sums are built on.
        """
        frame = self.passes.data.frame
        kept = [self._begin(i, c) for i, c in zip(running, centers, strict=True)]
        parts = self.passes.run_models(
            tasks.lloyd,
            centers,
            stage=stage,
            title=title,
            kept=tuple(
                k and KeptPass.over(k.rows, c, k.centers, frame)
                for k, c in zip(kept, centers, strict=True)
            ),
            **where,
        )
        n_moved = [part.n_moved if isinstance(part, KeptSums) else None for part in parts]
        found = tuple(
            part if k is None else k.settle(part, c)
            for k, c, part in zip(kept, centers, parts, strict=True)
        )
        for part in found:
            refuse_new_bad(part)
        return found, {"rows_moved": n_moved}

    def forget(self) -> None:
        """Leave the memory to others; the next pass begins anew."""
        self._kept = [None] * len(self._kept)

    def _begin(self, model: int, centers: F64) -> _Kept | None:
        """Return what is kept for a model; anew where it has another number of centers."""
        found = self._kept[model]
        if found is None or len(found.rows.order) != len(centers):
            found = self._kept[model] = self._make(centers)
        return found

    def _make(self, centers: F64) -> _Kept | None:
        n_rows = self.passes.source.shape[0]
        n_kept, n_groups = fitting(self.algorithm, centers.shape, n_rows, self._share_bytes)
        return _Kept(KeptRows.make(n_kept, centers, n_groups)) if n_kept else None


def refuse_new_bad(sums: PartialSums) -> None:
    """Raise where rows are bad that were not in the look before the first pass."""
    if sums.n_bad:
        raise BadRowsError("rows hold NaN or infinity that were finite before the first pass")


class _Kept:
    """One model: what is kept of the rows, for which centers, and their sums."""

    def __init__(self, rows: KeptRows) -> None:
        self.rows = rows
        self.centers: F64 | None = None
        self.sums: PartialSums | None = None

    def settle(self, part: KeptSums, centers: F64) -> PartialSums:
        """Return the sums of all rows after a pass with these centers."""
        self.centers = centers
        self.sums = merged([self.sums, part.change])
        total = merged([self.sums, part.whole])
        assert total is not None
        return total
