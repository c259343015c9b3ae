"""Numbers in words, the same in a terminal and on the page."""

from __future__ import annotations

from typing import Any, Final

RAISED: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def about_rows(about: dict[str, Any]) -> str:
    """Write `60,000 x 784 uint8, mnist.zarr`; empty where it is not known."""
    if not about:
        return ""
    return f"{about['n_rows']:,} × {about['n_features']:,} {about['dtype']}, {about['source']}"


def duration(seconds: float) -> str:
    """Write a time: 0.12 s, 3.4 s, 2 min 16 s, 3 h 5 min.

    Examples
    --------
    >>> duration(136.4)
    '2 min 16 s'
    """
    if seconds < 9.95:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


def short_count(value: float) -> str:
    """Write a count: 1.2 M, 35 k."""
    for unit, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value:.3g}"


def short_number(value: float) -> str:
    """Write a number in five digits, as people do: 1,234.5, 2.5367 × 10¹⁰."""
    if value == 0.0 or 1e-3 <= abs(value) < 1e7:
        text = f"{value:,.{max(0, 4 - _exponent(value))}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    digits, _, power = f"{value:.4e}".partition("e")
    if not power:
        return digits  # nan, inf
    return f"{digits.rstrip('0').rstrip('.')} × 10{str(int(power)).translate(RAISED)}"


def percent(share: float) -> str:
    """Write a relative change: -0.012 %."""
    return f"{100.0 * share:+.2g} %".replace("+0 %", "0 %")


def _exponent(value: float) -> int:
    return int(f"{value:e}".partition("e")[2])
