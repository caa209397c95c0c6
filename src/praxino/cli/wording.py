"""Quantities and tables as people read them."""

from __future__ import annotations

BAR_COLUMNS = 24


def duration(seconds: float) -> str:
    """A length of time: 0.9 s, 12 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def amount(num_bytes: int) -> str:
    """Bytes: 812 B, 34 kB, 1.2 MB, 28 GB."""
    value, unit = float(num_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.1f} {unit}" if unit in ("MB", "GB", "TB") and value < 9.95 else f"{value:.0f} {unit}"


def bar(share: float, unicode: bool) -> str:
    """A bar of which that share is full."""
    full = round(share * BAR_COLUMNS)
    if unicode:
        return "\u2501" * full + "\u2574" * (BAR_COLUMNS - full)
    return "[" + "#" * full + "." * (BAR_COLUMNS - full) + "]"


def aligned(table: list[tuple[str, str]]) -> str:
    """Names and values in two columns; an empty name continues the one above."""
    width = max(len(name) for name, _ in table)
    return "\n".join(f"{name:<{width}}  {value}".rstrip() for name, value in table)


def columns(table: list[list[str]]) -> str:
    """Rows of cells, each column as wide as its widest cell."""
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    lines = ("  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)) for row in table)
    return "\n".join(line.rstrip() for line in lines)
