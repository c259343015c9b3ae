"""Reading ahead: in order, at most one block early, and nothing left behind."""

from __future__ import annotations

import threading
import time
import weakref
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from streamkm.data.layout import Block, Group
from streamkm.errors import BadRowsError, SourceError
from streamkm.metering import count
from streamkm.sources.array import MemorySource
from streamkm.tasks import ahead
from streamkm.tasks.ahead import read_blocks
from streamkm.tasks.base import can_read_ahead, read_group
from streamkm.typing import SourceInfo

BLOCKS = [Block(i, i + 1) for i in range(8)]


def helpers():
    return [t for t in threading.enumerate() if t.name.startswith("streamkm-read")]


@pytest.fixture(params=[0.0, 1e9], ids=["ahead", "at hand"])
def least(request, monkeypatch):
    monkeypatch.setattr(ahead, "LEAST_READ_S", request.param)
    return request.param


@pytest.fixture
def always(monkeypatch):
    monkeypatch.setattr(ahead, "LEAST_READ_S", -1.0)


@dataclass
class Slow:
    """A source that sleeps, remembers who read, and breaks at a row."""

    breaks_at: int = -1
    is_sequential: bool = False
    shape: tuple[int, int] = (80, 2)

    def __post_init__(self):
        self.readers = []

    @property
    def info(self):
        return SourceInfo("slow", is_sequential=self.is_sequential)

    def read(self, start, stop):
        self.readers.append(threading.current_thread())
        time.sleep(2e-3)
        if start <= self.breaks_at < stop:
            raise SourceError(f"row {self.breaks_at}")
        count(bytes_read=stop - start, bytes_decoded=2 * (stop - start))
        return np.arange(2 * start, 2 * stop, dtype=np.float64).reshape(-1, 2)


@dataclass
class Context:
    source: Any
    weights: Any = None


@dataclass
class Weights:
    def read(self, start, stop):
        return np.arange(start, stop, dtype=np.float64)


GROUP = Group(0, 0, 80, 10)


def test_the_order_is_that_of_the_blocks(least):
    with closing(read_blocks(lambda b: b.start, BLOCKS, may_lead=True)) as parts:
        assert list(parts) == list(range(8))
    assert not helpers()


def test_one_block_is_read_early_and_no_more(always):
    begun = []

    def read(block):
        begun.append(block.start)
        return block.start

    with closing(read_blocks(read, BLOCKS, may_lead=True)) as parts:
        for done, part in enumerate(parts):
            assert part == done
            patience = time.monotonic() + 30
            while len(begun) < min(done + 2, 8) and time.monotonic() < patience:
                time.sleep(1e-3)
            time.sleep(2e-3)  # long enough for one too many
            assert len(begun) == min(done + 2, 8)


def test_slow_reads_go_to_one_helper_and_every_cost_is_carried_over():
    source, seen = Slow(), []
    main = threading.current_thread()

    def consume(start, rows, mass):
        assert threading.current_thread() is main
        assert mass.tolist() == list(range(start, start + 10))
        seen.append((start, rows.copy()))

    stats = read_group(GROUP, Context(source, Weights()), consume)
    assert [start for start, _ in seen] == list(range(0, 80, 10))
    assert np.concatenate([rows for _, rows in seen]).ravel().tolist() == list(range(160))
    assert len(set(source.readers[1:])) == 1
    assert source.readers[1] is not main
    assert (stats.bytes_read, stats.bytes_decoded, stats.n_rows) == (80, 160, 80)
    assert stats.read_s >= 8 * 2e-3
    assert not helpers()


@pytest.mark.parametrize("breaks_at", [0, 15, 79])
def test_an_error_of_the_reader_comes_as_it_is_when_its_turn_is(breaks_at):
    done = []
    with pytest.raises(SourceError, match=f"^row {breaks_at}$"):
        read_group(GROUP, Context(Slow(breaks_at)), lambda start, *_: done.append(start))
    assert done == list(range(0, breaks_at // 10 * 10, 10))
    assert not helpers()


def test_no_third_block_is_in_memory(always):
    seen, most = [], []

    def alive():
        return sum(rows() is not None for rows in seen)

    class Watched(Slow):
        def read(self, start, stop):
            rows = super().read(start, stop)
            seen.append(weakref.ref(rows))
            most.append(alive())
            return rows

    read_group(GROUP, Context(Watched()), lambda *_: time.sleep(4e-3))
    assert max(most) == 2
    assert alive() == 0


def test_an_error_of_the_block_in_front_wins():
    def consume(start, rows, mass):
        time.sleep(5e-3)
        raise BadRowsError("here")

    with pytest.raises(BadRowsError, match="here"):
        read_group(GROUP, Context(Slow(breaks_at=15)), consume)
    assert not helpers()


def test_rows_that_are_at_hand_need_no_thread():
    source = MemorySource(np.zeros((80, 2)))
    assert can_read_ahead(source)
    threads = set()
    read_group(GROUP, Context(source), lambda *_: threads.add(len(helpers())))
    assert threads == {0}


def test_streams_are_not_read_ahead():
    source = Slow(is_sequential=True)
    assert not can_read_ahead(source)
    read_group(GROUP, Context(source), lambda *_: None)
    assert set(source.readers) == {threading.current_thread()}
