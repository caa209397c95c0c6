"""Fields of a body: OpenAI's own, read one by one, and a Request's other ones, which clients add with `extra_body`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from praxino.request import options, shape
from praxino.server.openai.errors import Refusal

MAX_CHARACTERS = 60
"""Of a wrong value that is told."""
_CLOSED = ("prompt", "model", "format", "codec", "grid", "sheet")
"""Fields of a Request that the dialect decides by itself."""


def text(body: Mapping[str, Any], name: str) -> str:
    """A field's text; "" when it is missing. Raises Refusal."""
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong(name, value, "text")
    return value


def required_text(body: Mapping[str, Any], name: str) -> str:
    """A field's text. Raises Refusal when it is missing or empty."""
    value = text(body, name)
    if not value:
        raise Refusal(name, f"Missing required parameter: '{name}'.", "missing_required_parameter")
    return value


def choice(body: Mapping[str, Any], name: str, allowed: Collection[str], default: str) -> str:
    """A field that is one of several words. Raises Refusal."""
    value = text(body, name) or default
    if value not in allowed:
        raise _wrong(name, value, f"one of {', '.join(allowed)}")
    return value


def integer(body: Mapping[str, Any], name: str, least: int, most: int) -> int | None:
    """A field that is a whole number within bounds; None when it is missing. Raises Refusal."""
    value = _given(body, name, int)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise _wrong(name, value, f"a whole number from {least} to {most}")
    return value


def boolean(body: Mapping[str, Any], name: str) -> bool:
    """A field that is true or false; False when it is missing. Raises Refusal."""
    value = _given(body, name, bool)
    if not isinstance(value, bool | None):
        raise _wrong(name, value, "true or false")
    return bool(value)


def _given(body: Mapping[str, Any], name: str, kind: type) -> Any:
    value = body.get(name)
    return None if value in (None, "") else _scalar(name, kind, value)


def extras(body: Mapping[str, Any], own: Collection[str]) -> dict[str, Any]:
    """The fields of a body that are a Request's, with their types; `loras` are its `lora`.

    Args:
        body: what was sent.
        own: names that the dialect reads by itself.

    Raises:
        Refusal: a field is none of these, or of another type.
    """
    found: dict[str, Any] = {}
    for name, value in body.items():
        if name in own or value in (None, ""):
            continue
        if name == "loras":
            found["lora"] = _loras(value)
        elif name in options() and name not in _CLOSED:
            found[name] = _typed(name, value)
        else:
            raise Refusal(name[:MAX_CHARACTERS], f"Unknown parameter: '{name[:MAX_CHARACTERS]}'.", "unknown_parameter")
    return found


def _loras(value: Any) -> list[str]:
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(item, dict) and isinstance(item.get("path"), str) for item in items):
        raise Refusal("loras", 'loras must be a list of objects: {"path": NAME, "scale": NUMBER}.')
    return [item["path"] + (f":{item['scale']}" if item.get("scale") not in (None, "") else "") for item in items]


def _typed(name: str, value: Any) -> Any:
    kind, is_list, _ = shape(name)
    if is_list:
        return [_scalar(name, kind, item) for item in (value if isinstance(value, list) else [value])]
    return _scalar(name, kind, value)


def _scalar(name: str, kind: type, value: Any) -> Any:
    """A form's text as what is wanted; what is no text stays as it is."""
    if kind is str or not isinstance(value, str):
        return value
    if kind is bool:
        return {"true": True, "false": False}.get(value, value)
    try:
        return kind(value)
    except ValueError:
        raise _wrong(name, value, "a whole number" if kind is int else "a number") from None


def _wrong(name: str, value: Any, wanted: str) -> Refusal:
    return Refusal(name, f"Invalid value for '{name}': {str(value)[:MAX_CHARACTERS]!r}; it must be {wanted}.")
