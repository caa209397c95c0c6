"""Medians, ratios and what a comparison says of them."""

import pytest

from praxino.bench.results import as_rows, slower, summary
from praxino.bench.rounds import COLD, WARM
from praxino.bench.work import Work
from praxino.errors import UserError

WORK = Work({"model": "pocket"}, "/pocket", 64, 64, 9, 10.0, 8, 1.0, 20, "float32", "cpu", 1)


def results(exact_warm: tuple[float, ...] = (1.0, 2.0, 4.0), work: Work = WORK) -> dict:
    plain = [{COLD: 6.0, WARM: 2.0}, {COLD: 6.0, WARM: 6.0}, {COLD: 9.0, WARM: 4.0}]
    return summary(work, {"diffusers": plain, "exact": [{COLD: 2.0, WARM: seconds} for seconds in exact_warm]})


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    cell = results()["table"][WARM]["exact"]
    assert (cell["median"], cell["range"]) == (2.0, [1.0, 4.0])
    assert (cell["ratio"], cell["ratio_range"]) == (2.0, [1.0, 3.0])
    assert "ratio" not in results()["table"][WARM]["diffusers"]


def test_the_table_has_a_column_for_each_contender() -> None:
    head, *rows = as_rows(results())
    assert head == ["", "diffusers", "exact"]
    assert rows[1] == [WARM, "4.000", "2.000 (x2.00)"]


def test_the_folder_is_not_kept() -> None:
    assert "/pocket" not in str(results())


def test_what_was_faster_is_told() -> None:
    assert slower(results(), results()) == {}
    assert slower(results((1.09, 2.18, 4.36)), results()) == {}
    assert slower(results((1.2, 2.4, 4.8)), results()) == {
        ("exact", WARM): f"exact, {WARM}: 1.67 times plain diffusers, 2.00 before"
    }


def test_results_of_other_work_are_not_compared() -> None:
    other = Work(**{**vars(WORK), "steps": 9})
    with pytest.raises(UserError, match="of other work \\(steps\\)"):
        slower(results(work=other), results())
