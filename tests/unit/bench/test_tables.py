"""The tables of docs/performance.md are those of the results that are committed."""

import importlib.util
import json
from pathlib import Path

import pytest

from praxino.bench.results import summary
from praxino.bench.rounds import COLD, WARM
from praxino.bench.work import Work

ROOT = Path(__file__).parents[3]
WORK = Work({"model": "pocket"}, "/pocket", 64, 64, 9, 10.0, 8, 1.0, 20, "float32", "cpu", 1)


@pytest.fixture(scope="module")
def tables():
    spec = importlib.util.spec_from_file_location("tables", ROOT / "bench" / "tables.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path):
    sides = {"diffusers": 4.0, "exact": 2.0, "near": 1.0, "fast": 0.5}
    found = summary(WORK, {name: [{COLD: 2 * seconds, WARM: seconds}] for name, seconds in sides.items()})
    found["likeness"] = {"near": {"psnr_db": None, "ssim": 1.0}, "fast": {"psnr_db": 31.25, "ssim": 0.98765}}
    (tmp_path / "pocket.json").write_text(json.dumps(found))
    return tmp_path


def test_the_committed_page_is_that_of_the_committed_results(tables) -> None:
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert len(tables.BLOCK.findall(page)) == 4
    assert tables.filled(page) == page


def test_a_table_tells_every_measure(tables, folder) -> None:
    page = tables.filled("before\n<!-- speed of pocket -->\nyesterday\n<!-- end -->\nafter", folder)
    assert page.startswith("before\n<!-- speed of pocket -->\n\n64x64, 9 frames, 8 steps, guidance 1, float32 on cpu; ")
    assert f"\n| {WARM} | 4.000 | 2.000 (x2.00) | 1.000 (x4.00) | 0.500 (x8.00) |\n" in page
    assert page.endswith("\n\n<!-- end -->\nafter") and "yesterday" not in page


def test_each_quality_is_told_with_its_likeness(tables, folder) -> None:
    page = tables.filled("<!-- likeness -->\n<!-- end -->", folder)
    rows = [line for line in page.splitlines() if line.startswith("| pocket")]
    assert rows == [
        "| pocket | exact | 2.00 |  |  |",
        "| pocket | near | 4.00 | the same pixels | 1 |",
        "| pocket | fast | 8.00 | 31.2 dB | 0.9877 |",
    ]


def test_a_gpu_has_its_tables_once_it_was_measured(tables, folder) -> None:
    page = "<!-- GPUs -->\n<!-- end -->"
    assert "Nothing was measured on a GPU yet." in tables.filled(page, folder)
    (folder / "gpu-sdxl-base.json").write_text((folder / "pocket.json").read_text())
    assert "### sdxl-base\n\n64x64" in tables.filled(page, folder)
