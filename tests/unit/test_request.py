import dataclasses
import math
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from praxino.errors import UserError
from praxino.request import EXCLUSIVE, MAX_PROMPT_CHARACTERS, Request, json_schema, options, shape


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"steps": 0}, ["--steps", "0", "1 to 1,000"]),
        ({"steps": -3}, ["--steps", "-3"]),
        ({"guidance": math.nan}, ["--guidance", "nan", "0 to 100"]),
        ({"guidance": math.inf}, ["--guidance", "inf"]),
        ({"seed": -1}, ["--seed", "-1"]),
        ({"seed": 2**53}, ["--seed", "0 to 9,007,199,254,740,991"]),
        ({"prompt": "\ud800"}, ["surrogate"]),
        ({"seed": "x"}, ["--seed", "a whole number", "'x'"]),
        ({"steps": True}, ["--steps", "True"]),
        ({"fps": 0}, ["--fps"]),
        ({"seconds": 0.0}, ["--seconds", "0.01"]),
        ({"n": 0}, ["-n"]),
        ({"strength": 1.5}, ["--strength", "0 to 1"]),
        ({"format": "bmp"}, ["--format", "'bmp'", "gif"]),
        ({"sigmas": (1.0, 2.0)}, ["--sigmas", "2.0"]),
        ({"prompt": "x" * 300_000}, ["300,000", f"{MAX_PROMPT_CHARACTERS:,}"]),
        ({"frames": 9, "seconds": 1.0}, ["--frames", "--seconds", "exclude"]),
        ({"image": "a.png", "first": "b.png"}, ["--image", "--first", "exclude"]),
    ],
)
def test_a_bad_field_is_refused_in_one_sentence(fields, words):
    with pytest.raises(UserError) as refused:
        Request(**fields)
    message = str(refused.value)
    assert all(word in message for word in words), message
    assert len(message.splitlines()) <= 3


def test_unknown_field_in_json():
    with pytest.raises(UserError, match="no field 'stepps'"):
        Request.from_json({"prompt": "x", "stepps": 3})


def test_a_number_as_quality_is_what_lossy_quality_was_called_before():
    assert Request.from_json({"prompt": "x", "quality": 80}) == Request("x", lossy_quality=80)
    assert Request.from_json({"prompt": "x", "quality": "near"}) == Request("x", quality="near")
    with pytest.raises(UserError, match="quality"):
        Request.from_json({"prompt": "x", "quality": True})


def test_every_field_is_declared_and_every_exclusion_names_fields():
    assert set(options()) == {f.name for f in dataclasses.fields(Request)}
    assert all(name in options() for pair in EXCLUSIVE for name in pair)
    assert all(declared.help for declared in options().values())


def test_schema_describes_every_field():
    schema = json_schema()
    assert set(schema["properties"]) == set(options())
    assert schema["properties"]["steps"]["anyOf"][0] == {"type": "integer", "minimum": 1, "maximum": 1000}
    assert schema["properties"]["keyframes"]["type"] == "array"
    assert shape("stg_blocks") == (int, True, True)


@given(
    prompt=st.text(alphabet=string.printable + "猫🚀é", max_size=40),
    seed=st.none() | st.integers(0, 2**53 - 1),
    steps=st.none() | st.integers(1, 1000),
    guidance=st.none() | st.floats(0, 100),
    stg_blocks=st.none() | st.lists(st.integers(0, 40), max_size=4).map(tuple),
    lora=st.lists(st.text(string.ascii_letters, min_size=1, max_size=8), max_size=3).map(tuple),
    grid=st.booleans(),
)
def test_json_round_trip(**fields):
    request = Request(**fields)
    assert Request.from_json(request.to_json()) == request
