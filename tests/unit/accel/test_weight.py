"""What is read off headers, on files with known tensors."""

import dataclasses
import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from praxino.accel.weight import need_of, published, weigh
from praxino.families import Grid, Network, Shape, Variant
from praxino.recipe import GuidancePhase

VARIANT = Variant(
    name="x", title="X", source="a/b", licence="MIT", tasks=("text-to-video",), grid=Grid(16, 64, 1024, 4, 97),
    width=64, height=64, num_frames=9, fps=8, steps=4, guidance_phases=(GuidancePhase(1.0, 3.0),),
)  # fmt: skip
NETWORKS = {
    "transformer": Network(2080, largest=1024, matrices=2048, width=32),
    "vae": Network(1080, kind="AutoencoderKLWan", decoder_channels=8, decoder_patch=2),
    "text_encoder": Network(1600, largest=1600),
}
"""What is said of the tensors below before they are here."""
SHAPE = Shape(1024, 512, 9, 8)
TRANSFORMER = {"a.to_q.weight": (32, 32), "a.to_k.weight": (32, 32), "a.bias": (32,)}
VAE = {"decoder.conv_out.weight": (12, 8, 3, 3), "encoder.conv_in.weight": (8, 3, 3, 3)}
TEXT = {"embed.weight": (100, 16)}


def save(path, shapes):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: np.zeros(shape, np.float16) for name, shape in shapes.items()}, path)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model_index.json").write_text("{}")
    save(tmp_path / "transformer" / "model.safetensors", TRANSFORMER)
    save(tmp_path / "transformer" / "model.fp16.safetensors", TRANSFORMER)
    save(tmp_path / "vae" / "model.safetensors", VAE)
    save(tmp_path / "text_encoder" / "model.safetensors", TEXT)
    return tmp_path


def test_a_folder_is_counted_once_in_one_precision(folder):
    weighed = weigh(folder)
    assert weighed.parameters == {"encode": 1600, "denoise": 2080, "vae": 1080}
    assert (weighed.largest, weighed.matrices, weighed.width) == (1600, 2048, 32)
    assert (weighed.decoder_channels, weighed.decoder_patch, weighed.is_unet) == (8, 2, False)


def test_bytes_follow_the_number_format(folder):
    half, wide = (need_of(folder, VARIANT, SHAPE, dtype) for dtype in ("bfloat16", "float32"))
    assert (half.encode, half.denoise, half.vae, half.largest) == (3200, 4160, 4320, 3200)
    assert half.denoise_float8 == 2048 + 32 * 2
    assert wide.denoise == 8320
    assert need_of(folder, VARIANT, SHAPE, "float16").encode == 6400, "T5 overflows float16"


def test_a_single_file_is_told_apart_by_its_keys(tmp_path):
    shapes = {f"model.diffusion_model.{name}": shape for name, shape in TRANSFORMER.items()}
    shapes |= {f"first_stage_model.{name}": shape for name, shape in VAE.items()}
    shapes |= {f"conditioner.embedders.0.{name}": shape for name, shape in TEXT.items()}
    save(tmp_path / "one.safetensors", shapes)
    assert weigh(tmp_path / "one.safetensors").parameters == {"encode": 1600, "denoise": 2080, "vae": 1080}


def test_what_lies_beside_a_single_file_counts(tmp_path):
    save(tmp_path / "flux.safetensors", TRANSFORMER)
    save(tmp_path / "ae.safetensors", VAE)
    save(tmp_path / "text_encoder" / "model.safetensors", TEXT)
    for path in (tmp_path, tmp_path / "flux.safetensors"):
        assert weigh(path).parameters == {"encode": 1600, "denoise": 2080, "vae": 1080}


def test_all_shards_of_a_network_count_and_no_other_file(tmp_path):
    halves = {name: shape for name, shape in TRANSFORMER.items() if len(shape) > 1}
    rest = {name: shape for name, shape in TRANSFORMER.items() if name not in halves}
    save(tmp_path / "net-00001-of-00002.safetensors", halves)
    save(tmp_path / "net-00002-of-00002.safetensors", rest)
    save(tmp_path / "lora.safetensors", {"x": (4, 32)})
    save(tmp_path / "elsewhere" / "vae" / "model.safetensors", VAE)
    save(tmp_path / "elsewhere" / "transformer" / "model.safetensors", TRANSFORMER)
    weighed = weigh(tmp_path, (tmp_path / "elsewhere",))
    assert weighed.parameters == {"encode": 0, "denoise": 2080, "vae": 1080}


def test_companions_count_where_they_work(folder, tmp_path_factory):
    lora = tmp_path_factory.mktemp("lora") / "lora.safetensors"
    save(lora, {"x.lora_A.weight": (4, 32)})
    alone = need_of(folder, VARIANT, SHAPE, "bfloat16")
    beside = need_of(folder, VARIANT, SHAPE, "bfloat16", (("denoise", lora),))
    assert beside.denoise - alone.denoise == 128 * 2
    assert beside.encode == alone.encode


def test_a_published_model_that_is_not_here_needs_what_its_files_will(folder):
    (folder / "vae" / "config.json").write_text(json.dumps({"_class_name": "AutoencoderKLWan"}))
    assert published(NETWORKS) == weigh(folder)
    known = dataclasses.replace(VARIANT, networks=NETWORKS)
    for dtype in ("bfloat16", "float16", "float32"):
        assert need_of(None, known, SHAPE, dtype) == need_of(folder, known, SHAPE, dtype)


def test_two_denoisers_and_what_runs_beside_them_are_added_up():
    unet = Network(100, largest=50, matrices=90, width=8, is_unet=True)
    weighed = published({"unet": unet, "transformer_2": unet, "motion_adapter": Network(30, 20, 25), **NETWORKS})
    assert weighed.parameters == {"encode": 1600, "denoise": 2310, "vae": 1080}
    assert (weighed.matrices, weighed.width, weighed.is_unet) == (2253, 32, True)


def test_nothing_is_known_of_a_model_that_is_neither_here_nor_counted():
    assert need_of(None, VARIANT, SHAPE, "bfloat16") is None


def test_a_file_that_is_none(tmp_path):
    (tmp_path / "x.safetensors").write_text("no")
    assert weigh(tmp_path / "x.safetensors").parameters == {"encode": 0, "denoise": 0, "vae": 0}
