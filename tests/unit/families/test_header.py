"""Headers of safetensors files, beside the library's own reading."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from praxino.families import _header


def test_names_shapes_and_metadata_are_the_librarys(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    tensors = {"one": np.zeros((2, 3), np.float32), "two": np.zeros((), np.int64), "none": np.zeros((0, 4), np.float16)}
    save_file(tensors, file, {"told": "so"})
    found = _header.read(file)
    assert found is not None and found.is_whole and found.metadata == {"told": "so"}
    with safe_open(file, "np") as opened:
        assert found.shapes == {name: tuple(opened.get_slice(name).get_shape()) for name in tensors}
    file.write_bytes(file.read_bytes()[:-1])
    cut = _header.read(file)
    assert cut is not None and not cut.is_whole and cut.shapes == found.shapes


@pytest.mark.parametrize(
    "content",
    [
        b"", b"short", b"not weights at all", struct.pack("<Q", 2**60), struct.pack("<Q", 4) + b"null",
        struct.pack("<Q", 2) + b"[]", struct.pack("<Q", 9) + b'{"a": {}}', struct.pack("<Q", 5) + b"\xff\xfe{}}",
        struct.pack("<Q", 21) + json.dumps({"a": {"shape": None}})[:21].encode(),
    ],
)  # fmt: skip
def test_what_is_no_such_file_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.safetensors").write_bytes(content)
    assert _header.read(tmp_path / "a.safetensors") is None
    assert _header.read(tmp_path / "missing.safetensors") is None
    (tmp_path / "a.bin").write_bytes(content)
    assert _header.read(tmp_path / "a.bin") is None
