"""Owns what the networks make of clips and captions, kept on disk under a hash of all that it depends on.

A changed file, caption, bucket or checkpoint has another hash, so nothing stale is ever read. Knows no family.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

Tensors = dict[str, Tensor]
LAYOUT = 1
"""Raised when what is stored under a hash changes its meaning."""


class Cache:
    """Tensors by key, made when they are missing.

    Args:
        folder: where they are kept; None keeps nothing.
        revision: of the checkpoint, part of every key.
    """

    def __init__(self, folder: Path | None, revision: str) -> None:
        self._folder = folder
        self._revision = revision
        self.made = 0
        """How many were not there."""

    def get(self, key: dict[str, Any], make: Callable[[], Tensors]) -> Tensors:
        """The tensors of a key, plain JSON values."""
        if self._folder is None:
            self.made += 1
            return make()
        path = self._folder / f"{self._digest(key)}.safetensors"
        try:
            return load_file(path)
        except (FileNotFoundError, SafetensorError):
            pass
        self.made += 1
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in make().items()}
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.part")
        save_file(tensors, partial)
        partial.replace(path)
        return tensors

    def _digest(self, key: dict[str, Any]) -> str:
        whole = json.dumps([LAYOUT, self._revision, key], sort_keys=True)
        return hashlib.sha256(whole.encode()).hexdigest()
