import pytest
from openai._qs import Querystring

from praxino.server.openai.errors import Refusal
from praxino.server.openai.forms import nested


def sent(value):
    """What OpenAI's client makes of nested values, in its order."""
    columns = {}
    for name, text in Querystring(array_format="brackets").stringify_items(value):
        columns.setdefault(name, []).append(text)
    return [(name, text) for name, texts in columns.items() for text in texts]


@pytest.mark.parametrize(
    "value",
    [
        {"prompt": "a cat", "seed": "3"},
        {"input_reference": {"image_url": "https://example.org/a.png"}},
        {"loras": [{"path": "ink", "scale": "0.5"}, {"path": "clay", "scale": "1"}]},
        {"sigmas": ["1", "0.5"], "loras": [{"path": "ink"}]},
    ],
)
def test_forms_are_read_as_the_client_writes_them(value):
    assert nested(sent(value)) == value


def test_a_field_sent_twice_is_a_list():
    assert nested([("image", "a"), ("image", "b")]) == {"image": ["a", "b"]}
    assert nested([("image[]", "a")]) == {"image": ["a"]}


def test_objects_with_different_fields_are_refused():
    with pytest.raises(Refusal, match=r"loras\[\] must all have the same fields: path, scale"):
        nested(sent({"loras": [{"path": "ink", "scale": 1}, {"path": "clay"}]}))


@pytest.mark.parametrize("name", ["a[b][c]", "a[", "[b]", "a[][b][c]", "a[][]", ""])
def test_names_that_nobody_writes_are_refused(name):
    with pytest.raises(Refusal, match="cannot be read"):
        nested([(name, "1")])


@pytest.mark.parametrize("fields", [[("a", "1"), ("a[b]", "2")], [("a[b]", "1"), ("a[]", "2")]])
def test_a_name_is_of_one_kind(fields):
    with pytest.raises(Refusal, match="cannot be read"):
        nested(fields)
