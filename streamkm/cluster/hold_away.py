"""Rows that worker processes hold between two full passes."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from streamkm.cluster.passes import Passes
from streamkm.data.cache import WorkersCache
from streamkm.data.here import forget_here, name_here
from streamkm.kernels.active_rows import ActivePass, ActiveSums
from streamkm.kernels.frame import Frame
from streamkm.kernels.held_rows import HeldAway
from streamkm.kernels.kept_sums import KeptSums
from streamkm.tasks.held import HeldContext, HeldShare, HeldSums, SentActive, lloyd_held
from streamkm.typing import F64

FILLED: Final = 0.875  # of the room: one that takes a group from another must hold rows of it, too


class AwayHolder:
    """Has each worker hold rows that it reads, in place of what it caches and knows of rows.

    Attributes
    ----------
    cache_bytes, room_bytes
        Of all workers' caches, and of all that is for rows: as much as is used when the worker
        with the most threads for its memory is full.
    """

    can_sketch = False

    def __init__(self, passes: Passes, cache: WorkersCache) -> None:
        self.passes, self.cache = passes, cache
        self._own_cache_bytes = cache.budget_bytes
        self._own_bytes = cache.budget_bytes + passes.sent_bytes
        self.cache_bytes = self.room_bytes = 0
        self._look_around()

    def clear(self) -> None:
        """Leave all of it to rows that are held."""
        self._renew(0)
        self._look_around()

    def restore(self) -> bool:
        """Give it back; return whether what workers know of rows is lost by that."""
        is_cleared = self.cache.budget_bytes != self._own_cache_bytes
        if is_cleared:
            self._renew(self._own_cache_bytes)
        return is_cleared

    def full_pass(self, passed: ActivePass) -> SentActive:
        """Return a full pass as tasks need it."""
        return SentActive(
            self.cache.token,
            passed.order,
            passed.n_groups,
            passed.pace,
            passed.share,
            self._own_bytes,
        )

    def hold(self, found: ActiveSums, passed: ActivePass) -> HoldAway | None:
        """Return what a full pass held; None where a worker that holds some is gone."""
        parts = [part for part in found.held if isinstance(part, HeldAway)]
        shares = self._shares(parts)
        if sum(share.n_rows for share in shares) < sum(part.n_rows for part in parts):
            return None
        token = self.cache.token
        return HoldAway(passed.centers.exact, found.room, shares, token, token)

    def _shares(self, parts: Sequence[HeldAway]) -> list[HeldShare]:
        """Return a share for each thread of each worker that holds some: none waits for another."""
        held: dict[str, list[HeldAway]] = defaultdict(list)
        for part in sorted(parts, key=lambda part: -part.n_rows):
            held[part.process].append(part)
        shares: list[HeldShare] = []
        places = self._places()
        for process, own in held.items():
            homes = places.get(process, [])
            for i, home in enumerate(homes[: len(own)]):
                some = own[i :: len(homes)]
                keys, n_rows = tuple(part.key for part in some), sum(p.n_rows for p in some)
                shares.append(HeldShare(home, keys, n_rows))
        return shares

    def _places(self) -> dict[str, list[str]]:
        """Return where tasks run, by the name of the process that would hold their rows."""
        executor = self.passes.executor
        names = executor.everywhere(name_here)
        places: dict[str, list[str]] = defaultdict(list)
        for place in executor.places():
            places[names.get(place, place)].append(place)
        return places

    def _look_around(self) -> None:
        """Learn how many workers there are; rows go to them by their threads."""
        n_threads = [len(homes) for homes in self._places().values()]
        if n_threads:  # else they are on their way
            n_full = sum(n_threads) / max(n_threads)
            self.cache_bytes = int(self._own_cache_bytes * n_full)
            self.room_bytes = int(self._own_bytes * n_full * FILLED)

    def _renew(self, budget_bytes: int) -> None:
        self.passes.executor.everywhere(forget_here, self.cache.token)
        self.cache.renew(budget_bytes)


@dataclass(slots=True)
class HoldAway:
    """Rows that workers hold, and how far centers may move until others may change.

    Parameters
    ----------
    centers, room
        As for `Hold`.
    shares
        Who holds which.
    token
        Of the full pass.
    since
        Name of the pass before: the token at first.
    """

    centers: F64
    room: F64
    shares: list[HeldShare]
    token: str
    since: str

    def is_settled(self, centers: F64, frame: Frame) -> bool:
        """Return True: there is no sketch to ask."""
        return True

    def iterate(
        self, passes: Passes, centers: F64, before: F64 | None, title: str
    ) -> KeptSums | None:
        """Pass over the rows; return what changes in the sums, None where some are lost."""
        data, number = passes.data, uuid.uuid4().hex
        context = HeldContext(centers, data.frame, data.grids, self.token, number, self.since)
        found: HeldSums
        (found,) = passes.run(
            lloyd_held,
            context,
            stage="assign",
            title=f"{title}, on {sum(share.n_rows for share in self.shares)} rows in memory",
            groups=self.shares,
        )
        if found.n_lost:
            passes.history.pop()  # the full pass that is due tells of this iteration
            return None
        self.since = number
        return found.sums
