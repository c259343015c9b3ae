"""How the blocks of several passes are shared out, so that every row is read about once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from streamkm.data.layout import Block
from streamkm.tasks.joint import JointGroup

LONG: Final = 50  # times the longest block: at most a 50th is read twice

Item = tuple[int, int, int]


def joint_groups(passes: Sequence[Sequence[Block]], n_groups: int) -> list[JointGroup]:
    """Cut the blocks of several passes into groups.

    A cut costs nothing where no block reaches over it. Where the passes have no
    such rows in common (leaves of other lengths), there is a cut for every 50
    lengths of the longest block, whose rest is then read twice.

    Parameters
    ----------
    passes
        The blocks of each.
    n_groups
        How many groups are wanted; there may be fewer.
    """
    items = sorted(
        (block.start, block.stop, which) for which, blocks in enumerate(passes) for block in blocks
    )
    sections = _sections(items)
    total = sum(stop - start for start, stop, _ in sections)
    shares: list[list[tuple[int, int, list[Item]]]] = [[] for _ in range(n_groups)]
    seen = 0
    for section in sections:
        shares[min(seen * n_groups // total, n_groups - 1)].append(section)
        seen += section[1] - section[0]
    return [
        JointGroup(
            index, share[0][0], share[-1][1], tuple(item for part in share for item in part[2])
        )
        for index, share in enumerate(share for share in shares if share)
    ]


def _sections(items: list[Item]) -> list[tuple[int, int, list[Item]]]:
    """Return (start, stop, blocks) of the parts between cuts."""
    longest = max(stop - start for start, stop, _ in items)
    sections: list[tuple[int, int, list[Item]]] = []
    part: list[Item] = []
    reach = 0
    for item in items:
        start = item[0]
        if part and start > part[-1][0]:
            is_free = start >= reach
            if is_free or start - part[0][0] >= LONG * longest:
                sections.append((part[0][0], start, part))
                part = []
        part.append(item)
        reach = max(reach, item[1])
    sections.append((part[0][0], reach, part))
    return sections
