"""Multipart forms as OpenAI's clients write them, read into nested values; their files become uploads.

image                   a value, or a list when it is sent several times
image[]                 a list
input_reference[file_id] an object's field
loras[][path]           a field of each object in a list
"""

from __future__ import annotations

import re
from typing import Any

from anyio.to_thread import run_sync
from fastapi import Request
from starlette.datastructures import UploadFile

from praxino.server.auth import Caller
from praxino.server.body import read_form, read_json
from praxino.server.inputs import Upload
from praxino.server.openai.errors import Refusal
from praxino.server.services import Services

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\]){0,2})")
_PART = re.compile(r"\[([^\]]*)\]")


async def read_body(request: Request, services: Services, caller: Caller) -> tuple[dict[str, Any], dict[str, Upload]]:
    """A request's fields, from JSON or a form, with an upload's id in place of each file; and those uploads by id.

    Raises:
        Problem: 400, 408, 413, 415.
        UserError: a file is no readable picture or clip.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return await read_json(request), {}
    form = await read_form(request)
    uploads: dict[str, Upload] = {}
    items: list[tuple[str, str]] = []
    try:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                upload = await _received(services, caller, value, name)
                uploads[upload.id] = upload
                value = upload.id
            items.append((name, value))
    finally:
        await form.close()
    return nested(items), uploads


async def _received(services: Services, caller: Caller, file: UploadFile, name: str) -> Upload:
    said = name.partition("[")[0][:60]
    return await run_sync(services.inputs.receive, caller.owner, file.file, said, limiter=services.submissions)


def nested(items: list[tuple[str, str]]) -> dict[str, Any]:
    """A form's fields as nested values. Raises Refusal."""
    parted: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for name, value in items:
        found = _NAME.fullmatch(name)
        if found is None:
            raise _unreadable(name)
        parted.setdefault(found[1], []).append((tuple(_PART.findall(found[2])), value))
    return {base: _joined(base, fields) for base, fields in parted.items()}


def _joined(base: str, fields: list[tuple[tuple[str, ...], str]]) -> Any:
    """The fields that share the beginning of their names, as one value."""
    values = [value for _, value in fields]
    if all(parts in ((), ("",)) for parts, _ in fields):
        return values[0] if [parts for parts, _ in fields] == [()] else values
    if all(len(parts) == 1 and parts[0] for parts, _ in fields):
        return {parts[0]: value for parts, value in fields}
    table: dict[str, list[str]] = {}
    for parts, value in fields:
        if len(parts) != 2 or parts[0] or not parts[1]:
            raise _unreadable(base + "".join(f"[{part}]" for part in parts))
        table.setdefault(parts[1], []).append(value)
    return _rows(base, table)


def _rows(name: str, table: dict[str, list[str]]) -> list[dict[str, str]]:
    """Objects from their columns: a form does not tell which of them lacks a field."""
    counts = {len(column) for column in table.values()}
    if len(counts) > 1:
        raise Refusal(name, f"The objects of {name}[] must all have the same fields: {', '.join(table)}.")
    return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]


def _unreadable(name: str) -> Refusal:
    return Refusal(name[:60], f"The field's name {name[:60]!r} cannot be read; write a, a[], a[b] or a[][b].")
