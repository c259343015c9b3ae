"""`streamkm demo`: the library's demo with progress, and a table at the end."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from streamkm import demo
from streamkm.cli.options import Running
from streamkm.cli.progress import ProgressBar
from streamkm.cli.session import choose_executor
from streamkm.runtime.memory import PeakMeter, format_bytes, parse_bytes


def run_demo(cluster: bool, folder: Path | None, *, as_json: bool) -> None:
    """Run the demo and print what was done."""
    limit = demo.CLUSTER_LIMIT if cluster else demo.THREADS_LIMIT
    limit_bytes = parse_bytes(limit) or 0
    running = Running(workers=2) if cluster else Running()
    console = Console(stderr=True)
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="streamkm-demo-") as temporary:
        place = folder or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        picture = (folder or Path()) / "streamkm-demo.png"
        with (
            PeakMeter() as peak,
            choose_executor(running, limit_bytes, console) as executor,
            ProgressBar(console) as bar,
        ):
            executor.listener = bar
            done = demo.run(place, picture, executor, limit)
    facts: dict[str, Any] = {
        "command": "demo",
        "executor": "cluster of 2 workers" if cluster else "threads",
        "steps": [
            {"step": s.name, "seconds": s.seconds, "what": s.what, "bytes_read": s.bytes_read}
            for s in done.steps
        ],
        "inertia": done.inertia,
        **done.measures,
        "centers_checksum": done.checksum,
        "seconds": time.perf_counter() - begin,
        "decoded_bytes": demo.N_ROWS * 256,
        "peak_memory_bytes": peak.workers_peak_bytes if cluster else peak.peak_bytes,
        "held_memory_bytes": 0 if cluster else peak.held_bytes,
        "memory_limit_bytes": limit_bytes,
    }
    if as_json:
        print(json.dumps(facts))
        return
    _print_table(done, facts)


def _print_table(done: demo.Demo, facts: dict[str, Any]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, justify in (("step", "left"), ("", "left"), ("seconds", "right"), ("read", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for step in done.steps:
        read = format_bytes(step.bytes_read) if step.bytes_read else ""
        table.add_row(step.name, step.what, f"{step.seconds:.1f}", read)
    table.add_section()
    total = sum(step.bytes_read for step in done.steps)
    table.add_row("all", "", f"{facts['seconds']:.1f}", format_bytes(total))
    console = Console()
    console.print(table, highlight=False)
    lines = {
        "data": f"{format_bytes(facts['decoded_bytes'])} decoded",
        "memory": _memory(facts),
        "digits": f"{facts['majority_accuracy']:.1%} by majority, "
        f"homogeneity {facts['homogeneity']:.3f}, "
        f"silhouette (squared distances) {facts['silhouette']:.3f}",
        "inertia": f"{facts['inertia']:.9g}",
        "centers": f"checksum {facts['centers_checksum']} (the same on every executor)",
    }
    for name, text in lines.items():
        console.print(f"{name:8} {text}", highlight=False)


def _memory(facts: dict[str, Any]) -> str:
    """Say what the demo took of its limit, which covers what a call adds to the process."""
    peak, held, limit = (
        facts[f"{name}_bytes"] for name in ("peak_memory", "held_memory", "memory_limit")
    )
    if held == 0:
        return f"peak {format_bytes(peak)} of {format_bytes(limit)} allowed to the workers"
    added = f"peak {format_bytes(peak - held)} of {format_bytes(limit)} allowed"
    return f"{added}, beside {format_bytes(held)} for Python"
