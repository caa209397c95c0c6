from dataclasses import dataclass

import pytest

from praxino.plain import from_plain, to_plain


@dataclass(frozen=True)
class Inner:
    name: str
    weights: tuple[float, ...] = ()


@dataclass(frozen=True)
class Outer:
    inner: Inner
    count: int | None = None
    pair: tuple[int, str] = (1, "a")


def test_round_trip():
    value = Outer(Inner("x", (1.0, 2.5)), 3, (4, "b"))
    assert from_plain(Outer, to_plain(value)) == value


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "must be an object"),
        ({}, "lacks the field 'inner'"),
        ({"inner": {"name": 3}}, r"Outer\.inner\.name must be str, got 3"),
        ({"inner": {"name": "x", "weights": "no"}}, "must be a list"),
        ({"inner": {"name": "x", "weights": [1, "a"]}}, r"weights\[1\] must be float"),
        ({"inner": {"name": "x"}, "count": True}, "count must be int, got True"),
        ({"inner": {"name": "x"}, "extra": 1}, "no field 'extra'"),
    ],
)
def test_a_misfit_is_named(data, message):
    with pytest.raises(ValueError, match=message):
        from_plain(Outer, data)
