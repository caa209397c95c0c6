"""Writes the tables of docs/performance.md from bench/results; with --check, says whether they are out of date.

    python bench/tables.py [--check]

Between `<!-- speed of NAME -->`, or `<!-- likeness -->` or `<!-- GPUs -->`, and `<!-- end -->`, everything is written
here and nothing by hand.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from praxino.bench.results import as_rows
from praxino.bench.rounds import WARM
from praxino.recipe import QUALITIES

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
BLOCK = re.compile(r"(<!-- (speed of (?P<name>[\w.-]+)|likeness|GPUs) -->\n).*?(<!-- end -->)", re.DOTALL)
BENCHES = ("pocket", "ltx-middle", "gpu-*")


def filled(page: str, results: Path = RESULTS) -> str:
    """The page with its tables as the results have them."""

    def block(found: re.Match[str]) -> str:
        begin, what, end = found[1], found[2], found[4]
        if what == "likeness":
            lines = likeness(results)
        elif what == "GPUs":
            lines = gpus(results)
        else:
            lines = speed(read(results / f"{found['name']}.json"))
        return begin + "\n".join(["", *lines, "", end])

    return BLOCK.sub(block, page)


def read(path: Path) -> dict[str, Any]:
    """The results in a file."""
    return json.loads(path.read_text(encoding="utf-8"))


def speed(results: dict[str, Any]) -> list[str]:
    """What was drawn where, and every measure of every contender."""
    return [setting(results), "", *table(as_rows(results))]


def setting(results: dict[str, Any]) -> str:
    """One line: the work and the machine."""
    work, machine = results["work"], results["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items() if name != "praxino")
    return (
        f"{work['width']}x{work['height']}, {work['num_frames']} frames, {work['steps']} steps, guidance "
        f"{work['guidance']:g}, {work['dtype']} on {work['device']}; {machine['cpu']}, {machine['cores']} cores, load "
        f"{machine['load_before']} before; {packages}; rounds: {results['rounds']}, {results['date']}."
    )


def likeness(folder: Path) -> list[str]:
    """Of every bench, each quality: how many times as fast as plain diffusers, and how like exact."""
    rows = [["", "quality", "warm request, times as fast as diffusers", "PSNR to exact", "SSIM to exact"]]
    for path in benches(folder, *BENCHES):
        results = read(path)
        for name, cell in results["table"][WARM].items():
            if name in QUALITIES:
                rows.append([path.stem, name, f"{cell['ratio']:.2f}", *_told(results["likeness"].get(name))])
    return table(rows)


def _told(found: dict[str, float | None] | None) -> tuple[str, str]:
    if found is None:
        return "", ""
    psnr = found["psnr_db"]
    return ("the same pixels", "1") if psnr is None else (f"{psnr:.1f} dB", f"{found['ssim']:.4f}")


def gpus(folder: Path) -> list[str]:
    """The tables of all that was measured on a GPU."""
    paths = list(benches(folder, "gpu-*"))
    if not paths:
        return ["Nothing was measured on a GPU yet."]
    return [line for path in paths for line in (f"### {path.stem.removeprefix('gpu-')}", "", *speed(read(path)), "")]


def benches(folder: Path, *names: str) -> Iterator[Path]:
    """The results that there are, of names with wildcards."""
    for name in names:
        yield from sorted(folder.glob(f"{name}.json"))


def table(rows: list[list[str]]) -> list[str]:
    """A table in Markdown; its first row is the head."""
    head, *body = [f"| {' | '.join(row)} |" for row in rows]
    return [head, f"|{' --- |' * len(rows[0])}", *body]


def main() -> None:
    """Write, or check."""
    before = PAGE.read_text(encoding="utf-8")
    after = filled(before)
    if sys.argv[1:] == ["--check"]:
        sys.exit(f"{PAGE.name} is out of date: run python bench/tables.py" if after != before else 0)
    PAGE.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    main()
