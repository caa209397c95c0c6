"""What is written tensor by tensor is what safetensors reads."""

import json

import pytest
import torch
from safetensors.torch import load_file, safe_open

from praxino.families import _streamed

TENSORS = {
    "a": torch.arange(6, dtype=torch.float32).reshape(2, 3).T,
    "b": torch.tensor(3),
    "c": torch.randn(4, generator=torch.Generator().manual_seed(1)).bfloat16(),
    "d": torch.ones(2, 2).half()[:, :1],
    "e": torch.tensor([True, False]),
    "f": torch.ones(3).to(torch.float8_e4m3fn),
    "g": torch.zeros(0, 2),
}


def test_a_file_is_read_by_safetensors(tmp_path):
    _streamed.write(tmp_path / "x.safetensors", TENSORS)
    found = load_file(tmp_path / "x.safetensors")
    assert list(found) and found.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert found[name].dtype == tensor.dtype and found[name].shape == tensor.shape
        assert torch.equal(found[name].float(), tensor.float())
    with safe_open(tmp_path / "x.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}


def test_what_is_large_is_shared_out_with_an_index(tmp_path):
    _streamed.write_shards(tmp_path, "model", TENSORS, limit_bytes=30)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert index["weight_map"].keys() == TENSORS.keys()
    assert index["metadata"]["total_size"] == sum(t.numel() * t.element_size() for t in TENSORS.values())
    for name, file in index["weight_map"].items():
        assert torch.equal(load_file(tmp_path / file)[name].float(), TENSORS[name].float())
    assert len(set(index["weight_map"].values())) == len(list(tmp_path.glob("*.safetensors"))) == 2


def test_a_number_format_that_files_have_not_is_refused(tmp_path):
    with pytest.raises(ValueError, match="complex64"):
        _streamed.write(tmp_path / "x.safetensors", {"a": torch.ones(1, dtype=torch.complex64)})
