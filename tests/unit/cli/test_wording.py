import pytest

from praxino.cli.wording import aligned, amount, columns, duration


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0.0 s"),
        (0.94, "0.9 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations(seconds, said):
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("num_bytes", "said"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (999_600, "1.0 MB"), (34_500, "34 kB"), (28_000_000_000, "28 GB")],
)
def test_amounts(num_bytes, said):
    assert amount(num_bytes) == said


def test_tables():
    assert aligned([("a", "1"), ("", "2"), ("long", "")]) == "a     1\n      2\nlong"
    assert columns([["NAME", "X"], ["a", "yes"]]) == "NAME  X\na     yes"
