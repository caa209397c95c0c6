"""What encoders answered, kept on disk: the same question of the same weights need not be computed, or loaded, again.

One file an answer, named by the hash of all that decides it: the weights' fingerprint, what is asked, number format,
device and the libraries' versions. No prompt is readable in it. The files used last stay, up to a number of bytes.
Knows nothing of networks.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

LARGEST_SHARE = 4
"""An answer that would take more than this part of all the room is not kept."""
DROPPED = ("past_key_values",)
"""Of an answer: what a language model would need to write on."""


class NotKept(Exception):
    """A question or an answer holds something that no file can."""


class Answers:
    """A folder of answers.

    Args:
        folder: where they are; made when the first one is kept.
        most_bytes: how much they may take; 0 keeps nothing.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes

    def key(self, asked: Any) -> str | None:
        """The name of a question, of tensors and plain values; None where it holds anything else."""
        digest = hashlib.sha256()
        try:
            _digest(asked, digest)
        except NotKept:
            return None
        return digest.hexdigest()[:40]

    def read(self, key: str, device: torch.device) -> Any:
        """The answer, its tensors on a device; None when there is none."""
        from safetensors import SafetensorError, safe_open

        file = self._file(key)
        try:
            with safe_open(file, "pt") as opened:
                told = json.loads((opened.metadata() or {})["answer"])
                tensors = [opened.get_tensor(str(index)) for index in range(told["count"])]
            os.utime(file)
            return _unpacked(told["answer"], tensors, told["strides"], device)
        except (OSError, SafetensorError, NotKept, KeyError, ValueError):
            return None

    def keep(self, key: str, answer: Any) -> None:
        """Keep an answer, if it can be and has room; those that were not used for longest make room for it."""
        from safetensors.torch import save

        tensors: list[Tensor] = []
        try:
            told = _packed(answer, tensors)
        except NotKept:
            return
        if sum(tensor.nbytes for tensor in tensors) > self._most_bytes // LARGEST_SHARE:
            return
        facts = {"answer": told, "count": len(tensors), "strides": [tensor.stride() for tensor in tensors]}
        plain = {str(index): tensor.detach().cpu().clone().contiguous() for index, tensor in enumerate(tensors)}
        content = save(plain, {"answer": json.dumps(facts)})
        with contextlib.suppress(OSError):  # a full disk must not end a run
            self._write(self._file(key), content)
            self._make_room()

    def _file(self, key: str) -> Path:
        return self._folder / f"{key}.safetensors"

    def _write(self, file: Path, content: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}.{os.getpid()}.part")
        try:
            temporary.write_bytes(content)
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)

    def _make_room(self) -> None:
        found = [(file.stat(), file) for file in self._folder.glob("*.safetensors")]
        room = self._most_bytes
        for known, file in sorted(found, key=lambda one: one[0].st_mtime_ns, reverse=True):
            room -= known.st_size
            if room < 0:
                file.unlink(missing_ok=True)


def _digest(value: Any, digest: Any) -> None:
    if isinstance(value, Tensor):
        digest.update(f"tensor {value.dtype} {tuple(value.shape)} {value.stride()}\0".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    elif isinstance(value, dict):
        digest.update(f"dict {len(value)}\0".encode())
        for name in sorted(value):
            _digest(name, digest)
            _digest(value[name], digest)
    elif isinstance(value, list | tuple):
        digest.update(f"list {len(value)}\0".encode())
        for item in value:
            _digest(item, digest)
    elif value is None or isinstance(value, str | int | float | bool | torch.dtype | torch.device):
        digest.update(f"{type(value).__name__} {value!r}\0".encode())
    else:
        raise NotKept


def _packed(value: Any, tensors: list[Tensor]) -> Any:
    """The value as plain JSON; its tensors go into `tensors`, each once."""
    if isinstance(value, Tensor):
        if not value.is_floating_point() and value.dtype not in (torch.int64, torch.int32, torch.bool):
            raise NotKept
        index = next((index for index, known in enumerate(tensors) if known is value), len(tensors))
        if index == len(tensors):
            tensors.append(value)
        return {"tensor": index}
    if isinstance(value, dict):  # transformers' ModelOutput is one
        kind = f"{type(value).__module__}:{type(value).__qualname__}"
        fields = {name: _packed(item, tensors) for name, item in value.items() if name not in DROPPED}
        return {"kind": kind, "fields": fields}
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return {"items": [_packed(item, tensors) for item in value], "tuple": isinstance(value, tuple)}
    if value is None or isinstance(value, bool | int | float | str):
        return {"plain": value}
    raise NotKept


def _unpacked(told: dict[str, Any], tensors: list[Tensor], strides: list[list[int]], device: torch.device) -> Any:
    if "tensor" in told:
        saved = tensors[told["tensor"]]
        laid = torch.empty_strided(saved.shape, strides[told["tensor"]], dtype=saved.dtype, device=device)
        return laid.copy_(saved)
    if "kind" in told:
        fields = {name: _unpacked(item, tensors, strides, device) for name, item in told["fields"].items()}
        return _kind(told["kind"])(**fields)
    if "items" in told:
        items = [_unpacked(item, tensors, strides, device) for item in told["items"]]
        return tuple(items) if told["tuple"] else items
    return told["plain"]


def _kind(name: str) -> Any:
    """A class of answers by its name. Only transformers' own are made from a file's word."""
    from transformers.utils.generic import ModelOutput

    module, _, kind = name.partition(":")
    if name == "builtins:dict":
        return dict
    found = getattr(importlib.import_module(module), kind) if module.startswith("transformers.") else None
    if not (isinstance(found, type) and issubclass(found, ModelOutput)):
        raise NotKept(name)
    return found
