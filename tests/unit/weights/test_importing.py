import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from praxino.errors import ModelError, UserError
from praxino.weights import catalog, originals, records
from praxino.weights.importing import take_in
from praxino.weights.removal import remove
from praxino.weights.verify import holding, verify

LORA = {
    "lora_unet_mid_block_attn_to_q.lora_down.weight": np.zeros((4, 8), np.float32),
    "lora_unet_mid_block_attn_to_q.lora_up.weight": np.zeros((8, 4), np.float32),
}


def ltx_tensors():
    """The names and shapes by which a single LTX-Video file is known."""
    stem = "model.diffusion_model."
    return {
        f"{stem}patchify_proj.weight": np.zeros((2048, 128), np.uint8),
        f"{stem}adaln_single.linear.weight": np.zeros((8, 8), np.uint8),
        f"{stem}transformer_blocks.27.attn1.to_q.weight": np.zeros((8, 8), np.uint8),
        "vae.encoder.conv_out.conv.weight": np.zeros((8, 8), np.uint8),
    }


@pytest.fixture
def lora(tmp_path):
    save_file(LORA, tmp_path / "sketch.safetensors")
    return tmp_path / "sketch.safetensors"


@pytest.fixture
def pipeline(tmp_path):
    """A folder of the LTX-Video family, with things in it that are never taken."""
    folder = tmp_path / "pipeline"
    index = {"transformer": ["diffusers", "LTXVideoTransformer3DModel"], "vae": ["diffusers", "AutoencoderKLLTXVideo"]}
    transformer = {"num_layers": 28, "num_attention_heads": 32, "attention_head_dim": 64}
    texts = {
        "model_index.json": json.dumps(index),
        "transformer/config.json": json.dumps(transformer),
        "vae/config.json": "{}",
        "modeling.py": "raise SystemExit",
        ".git/config": "",
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name in ("transformer", "vae"):
        save_file({"x": np.zeros(9, np.uint8)}, folder / name / "diffusion_pytorch_model.safetensors")
    return folder


def left_behind():
    """Everything in the folder of models."""
    return sorted(path.name for path in records.models_folder().glob("*")) + sorted(
        path.name for path in records.models_folder().glob(".*")
    )


def test_a_lora(lora):
    counted = []
    record = take_in(lora, "sketch", on_bytes=lambda *args: counted.append(args))
    assert (record.kind, record.about, record.origin) == ("lora", "kohya names, rank 4", str(lora))
    assert counted[-1] == (lora.stat().st_size, lora.stat().st_size)
    path = catalog.locate("sketch")
    assert path == catalog.locate_file("sketch") == records.models_folder() / "sketch.safetensors"
    assert path.read_bytes() == lora.read_bytes()
    assert left_behind() == ["sketch.import.json", "sketch.safetensors"]
    assert records.every() == [record]


def test_the_copy_is_ones_own(lora):
    take_in(lora, "sketch")
    lora.write_bytes(b"changed")
    assert verify("sketch").well


def test_a_single_checkpoint(tmp_path):
    save_file(ltx_tensors(), tmp_path / "ltx-2b.safetensors")
    record = take_in(tmp_path / "ltx-2b.safetensors", "mine.v1")
    assert (record.kind, record.about.split(",")[0]) == ("model", "LTX-Video")
    entry = catalog.find("mine.v1")
    assert (entry.family.name, entry.kept) == ("ltx-video", "imported")
    assert entry.path == records.models_folder() / "mine.v1.safetensors"


def test_a_folder_without_its_programs(pipeline):
    record = take_in(pipeline, "mine")
    assert (record.kind, catalog.find("mine").path) == ("model", records.models_folder() / "mine")
    network = "diffusion_pytorch_model.safetensors"
    assert set(record.files) == {
        "model_index.json", "transformer/config.json", "vae/config.json", f"transformer/{network}", f"vae/{network}",
    }  # fmt: skip
    found = {
        p.relative_to(catalog.find("mine").path).as_posix() for p in catalog.find("mine").path.rglob("*") if p.is_file()
    }
    assert found == set(record.files)


def test_a_part_of_a_model(tmp_path):
    save_file(
        {"controlnet_cond_embedding.conv_in.weight": np.zeros((2, 2), np.float32)}, tmp_path / "canny.safetensors"
    )
    assert take_in(tmp_path / "canny.safetensors", "canny").kind == "part"
    assert catalog.locate("canny").name == "canny.safetensors"


def test_an_import_may_stand_for_a_published_checkpoint(pipeline):
    take_in(pipeline, "ltx-video-0.9.5")
    assert catalog.find("ltx-video-0.9.5").kept == "imported"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a/b", "cannot be a model's name"),
        ("..", "cannot be a model's name"),
        (".x", "cannot be a model's name"),
        ("", "cannot be a model's name"),
        ("x" * 97, "cannot be a model's name"),
        ("pocket", "ships with Praxino"),
        ("taken", "is there already"),
    ],
)
def test_names_that_cannot_be(lora, name, said):
    take_in(lora, "taken")
    with pytest.raises(UserError, match=said):
        take_in(lora, name)
    assert left_behind() == ["taken.import.json", "taken.safetensors"]


def write(path, data):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: folder / "nowhere.safetensors", "there is no file or folder"),
        (lambda folder: write(folder / "notes.txt", b"x"), "not a file of weights"),
        (lambda folder: write(folder / "sub" / "config.json", b"{}").parent, "holds no weights"),
        (lambda folder: write(folder / "x.safetensors", b"not weights"), "no whole .safetensors file"),
        (lambda folder: write(folder / "x.ckpt", b"x"), "is a pickle, .*\n.*--allow-pickle"),
        (lambda folder: write(folder / "sub" / "pytorch_model.bin", b"x").parent, "pytorch_model.bin is a pickle"),
    ],
)
def test_what_is_not_taken(tmp_path, make, said):
    with pytest.raises(UserError, match=said):
        take_in(make(tmp_path), "x")
    assert left_behind() == []


def test_a_file_that_was_cut_short(lora):
    lora.write_bytes(lora.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"no whole .safetensors file"):
        take_in(lora, "sketch")
    assert left_behind() == []


def test_half_a_lora(tmp_path):
    save_file({name: value for name, value in LORA.items() if "up" in name}, tmp_path / "half.safetensors")
    with pytest.raises(UserError, match=r"the LoRA is damaged: it holds .*lora_up.weight' but not"):
        take_in(tmp_path / "half.safetensors", "half")


def test_the_room_is_looked_at_first(lora, monkeypatch):
    monkeypatch.setattr(originals, "SPARE_BYTES", 10**18)
    with pytest.raises(ModelError, match=r"GB free. Make room"):
        take_in(lora, "sketch")
    assert left_behind() == []


def test_an_interrupted_import_leaves_nothing(lora):
    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take_in(lora, "sketch", on_bytes=stop)
    assert left_behind() == []


def test_verify_and_remove(pipeline):
    take_in(pipeline, "mine")
    held = holding("mine")
    assert verify("mine").checked == tuple(held.hashes)
    path = catalog.find("mine").path / "vae" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    (path.parent / "config.json").unlink()
    finding = verify("mine")
    assert (finding.damaged, finding.missing) == (("vae/diffusion_pytorch_model.safetensors",), ("vae/config.json",))
    freed = remove("mine", dry_run=True)
    assert freed.num_bytes == held.num_bytes
    assert remove("mine") == freed
    assert left_behind() == []
    assert pipeline.is_dir()


def test_what_was_placed_by_hand_is_not_removed(pipeline):
    folder = records.models_folder() / "mine"
    folder.parent.mkdir(parents=True)
    pipeline.rename(folder)
    assert catalog.find("mine").kept == "placed"
    with pytest.raises(UserError, match=f"it lies at {folder}"):
        remove("mine")
    with pytest.raises(UserError, match="neither pulled nor imported"):
        verify("mine")
    assert folder.is_dir()


def test_a_damaged_record(lora):
    take_in(lora, "sketch")
    records.record_path("sketch").write_text('{"name": 1}')
    with pytest.raises(ModelError, match="is damaged"):
        records.read("sketch")


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a\0b", "x" * 5000])
def test_no_record_of_what_cannot_be_a_name(name):
    assert records.read(name) is None
    assert records.kept(name) is None


def test_a_folder_of_loras_leaves_a_choice(tmp_path, lora):
    assert catalog.locate_file(str(lora.parent)) == lora
    save_file(LORA, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match=r"name one in it: .*/FILE \(other.safetensors, sketch.safetensors\)"):
        catalog.locate_file(str(lora.parent))


def test_a_lora_that_is_not_here():
    with pytest.raises(UserError, match="no such file or folder, and no import of that name"):
        catalog.locate_file("nowhere.safetensors")
    with pytest.raises(UserError, match="praxino models pull someone/lora"):
        catalog.locate_file("someone/lora")
    assert Path("someone").exists() is False


def test_what_only_its_folders_name_tells_is_kept(tmp_path):
    """Both checkpoints of FramePack are alike in every config and shape."""
    folder = tmp_path / "FramePack_F1_I2V_HY_20250503"
    folder.mkdir()
    save_file({"weight": np.zeros((4, 4), np.float32)}, folder / "diffusion_pytorch_model.safetensors")
    (folder / "config.json").write_text('{"_class_name": "HunyuanVideoFramepackTransformer3DModel"}')
    assert take_in(folder, "mine").about == "FramePack, framepack-f1"
    assert catalog.find("mine").variant.name == "framepack-f1"
    assert verify("mine").well
    folder = folder.rename(tmp_path / "FramePackI2V_HY")
    assert take_in(folder, "other").about == "FramePack, framepack"
    assert not (records.kept("other") / "praxino.json").exists()
