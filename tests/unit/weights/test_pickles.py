"""Pickled weights become safetensors; programs in them are never run."""

import pickle
import zipfile

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from praxino.errors import UserError
from praxino.weights import catalog, records
from praxino.weights.importing import take_in
from praxino.weights.pickles import twin
from praxino.weights.verify import verify

WEIGHT = torch.arange(6, dtype=torch.float32).reshape(2, 3)


class Program:
    """What an attacker pickles: loading it would make the file."""

    def __init__(self, target):
        self.target = str(target)

    def __reduce__(self):
        return (open, (self.target, "w"))


@pytest.mark.parametrize(
    ("saved", "name"),
    [
        ({"layer.weight": WEIGHT}, "layer.weight"),
        ({"state_dict": {"layer.weight": WEIGHT}, "global_step": 3, "epoch": 1}, "layer.weight"),
        ({"params_ema": {"layer.weight": WEIGHT}, "params": {"layer.weight": WEIGHT + 1}}, "layer.weight"),
        ({"string_to_token": {"*": 265}, "string_to_param": {"*": WEIGHT}, "name": "my style"}, "emb_params"),
        ({"<cat-toy>": WEIGHT}, "<cat-toy>"),
    ],
)
@pytest.mark.parametrize("extension", ["ckpt", "pt"])
def test_a_file(tmp_path, saved, name, extension):
    torch.save(saved, tmp_path / f"v1.5.{extension}")
    record = take_in(tmp_path / f"v1.5.{extension}", "v1.5", allow_pickle=True)
    assert list(record.files) == ["v1.5.safetensors"]
    loaded = load_file(catalog.locate("v1.5"))
    assert list(loaded) == [name]
    assert np.array_equal(loaded[name], WEIGHT.numpy())
    assert verify("v1.5").well


def test_views_and_tied_weights(tmp_path):
    torch.save({"a": WEIGHT, "b": WEIGHT, "c": WEIGHT.T, "n": torch.tensor(3)}, tmp_path / "x.bin")
    take_in(tmp_path / "x.bin", "x", allow_pickle=True)
    loaded = load_file(catalog.locate("x"))
    assert np.array_equal(loaded["b"], loaded["a"])
    assert np.array_equal(loaded["c"], loaded["a"].T)
    assert loaded["n"] == 3


def test_a_folder_with_shards(tmp_path):
    folder = tmp_path / "encoder"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    for part, name in enumerate(("a", "b"), 1):
        torch.save({name: WEIGHT}, folder / f"pytorch_model-0000{part}-of-00002.bin")
    listed = '{"weight_map": {"a": "pytorch_model-00001-of-00002.bin", "b": "pytorch_model-00002-of-00002.bin"}}'
    (folder / "pytorch_model.bin.index.json").write_text(listed)
    record = take_in(folder, "encoder", allow_pickle=True)
    assert set(record.files) == {
        "config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
    }  # fmt: skip
    index = (catalog.locate("encoder") / "model.safetensors.index.json").read_text()
    assert "model-00002-of-00002.safetensors" in index
    assert ".bin" not in index
    assert not list(records.models_folder().rglob("*.bin"))


def test_transformers_loads_what_was_rewritten(tmp_path):
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        vocab_size=9, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1
    )
    model = CLIPTextModel(config)
    config.save_pretrained(tmp_path / "clip")
    torch.save(model.state_dict(), tmp_path / "clip" / "pytorch_model.bin")
    take_in(tmp_path / "clip", "clip", allow_pickle=True)
    again = CLIPTextModel.from_pretrained(catalog.locate("clip"), local_files_only=True)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("legacy", [False, True])
def test_a_program_is_not_run(tmp_path, legacy):
    saved = {"weight": WEIGHT, "program": Program(tmp_path / "owned")}
    torch.save(saved, tmp_path / "evil.ckpt", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(UserError, match=r"evil.ckpt is refused: it wants to call _?io.open"):
        take_in(tmp_path / "evil.ckpt", "evil", allow_pickle=True)
    assert not (tmp_path / "owned").exists()
    assert list(records.models_folder().glob("*")) == []


def make_zip(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x/data.pkl", pickle.dumps({"a": 1}))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.write_bytes(b"not a pickle at all"), "refused|cannot be read"),
        (lambda path: path.write_bytes(b""), "cannot be read"),
        (make_zip, "cannot be read"),
        (lambda path: torch.save({"epoch": 3}, path), "holds no table of tensors"),
        (lambda path: torch.save([WEIGHT], path), "holds no table of tensors"),
    ],
)
def test_what_holds_no_weights(tmp_path, make, said):
    make(tmp_path / "x.pt")
    with pytest.raises(UserError, match=said):
        take_in(tmp_path / "x.pt", "x", allow_pickle=True)
    assert list(records.models_folder().glob("*")) == []


@pytest.mark.parametrize(
    ("pickled", "safe"),
    [
        ("pytorch_model.bin", "model.safetensors"),
        ("text_encoder/pytorch_model.fp16.bin", "text_encoder/model.fp16.safetensors"),
        ("unet/diffusion_pytorch_model.bin", "unet/diffusion_pytorch_model.safetensors"),
        ("unet/diffusion_pytorch_model.bin.index.json", "unet/diffusion_pytorch_model.safetensors.index.json"),
        ("v1.5-pruned.ckpt", "v1.5-pruned.safetensors"),
        ("pytorch_model_extra.bin", "pytorch_model_extra.safetensors"),
        ("vocab.json", "vocab.json"),
        ("model.safetensors", "model.safetensors"),
    ],
)
def test_what_takes_its_place(pickled, safe):
    assert twin(pickled) == safe
