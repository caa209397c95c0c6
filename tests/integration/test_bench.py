"""The bench as a user runs it, on a miniature, and what it counts."""

import dataclasses
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from praxino.bench import measuring, published, workload
from praxino.bench.ceilings import count
from praxino.bench.results import summary
from praxino.bench.rounds import COLD, GPU_MEMORY, WARM
from praxino.bench.work import DIFFUSERS, contenders, work_of
from praxino.cli.app import app
from praxino.errors import UserError
from praxino.families import families
from praxino.request import Request
from praxino.weights import catalog
from praxino.weights.catalog import find

SMALL = ("--size", "32x32", "--frames", "9", "--steps", "2")
WORDS = 16


@pytest.fixture(scope="module")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench") / "ltx"
    families()["ltx-video"].miniature(folder)
    return folder


def bench(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["bench", *arguments], catch_exceptions=False, standalone_mode=False)


def test_each_contender_says_what_a_request_took(miniature: Path, tmp_path: Path) -> None:
    work = work_of(Request(model=str(miniature), size="32x32", frames=9, steps=2))
    sides = {"exact": partial(workload.praxino, "exact"), DIFFUSERS: workload.diffusers(DIFFUSERS, work)}
    for contender, side in sides.items():
        out = tmp_path / f"{contender}.gif"
        first, second = side(work, out, 2)
        assert {"load", "step", "decode", "file", "whole"} <= set(first)
        assert second["whole"] >= second["file"] > 0
        assert out.read_bytes().startswith(b"GIF89a")


@pytest.mark.slow
def test_a_bench_measures_both_sides(miniature: Path, tmp_path: Path) -> None:
    kept, few = tmp_path / "kept.json", ("--rounds", "1", "--warm", "1", "--contender", "exact", "--threads", "1")
    done = bench("-m", str(miniature), *SMALL, *few, "--sweep", "steps=1", "-o", str(kept), "--plots", str(tmp_path))
    results = json.loads(kept.read_text())
    table = results["table"]
    assert set(table[WARM]) == {DIFFUSERS, "exact"}
    assert all(cell["median"] > 0 for row in table.values() for cell in row.values())
    assert results["roofline"]["floor_seconds"] > 0
    assert list(results["sweeps"]["steps"]["exact"]) == ["1"]
    assert (tmp_path / "steps.png").read_bytes().startswith(b"\x89PNG")
    assert COLD in done.output


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU to measure")
def test_a_round_on_a_gpu(tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    bench("--published", "ltx-middle", "--device", "cuda", "--rounds", "1", "--warm", "1", "-o", str(kept))
    results = json.loads(kept.read_text())
    assert results["work"]["device"] == "cuda" and results["roofline"]["floor_seconds"] > 0
    assert set(results["table"][GPU_MEMORY]) == set(results["table"][WARM]) >= {DIFFUSERS, "exact"}
    assert all(cell["median"] > 0 for row in results["table"].values() for cell in row.values())


@pytest.mark.parametrize("again", [1.2, 1.0])
def test_a_check_fails_where_it_was_faster_twice(
    miniature: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: float
) -> None:
    work, kept = work_of(Request(model=str(miniature))), tmp_path / "kept.json"

    def rounds(seconds: float) -> dict[str, Any]:
        return {DIFFUSERS: [{COLD: 6.0, WARM: 2.0}], "exact": [{COLD: 2.0, WARM: seconds}]}

    def found(seconds: float) -> dict[str, Any]:
        return json.loads(json.dumps(summary(work, rounds(seconds))))

    kept.write_text(json.dumps(found(1.0)))
    monkeypatch.setattr(measuring, "measure", lambda *_: found(1.3))
    monkeypatch.setattr(measuring, "in_turn", lambda *_: rounds(again))
    done = CliRunner().invoke(app, ["bench", "-m", str(miniature), "--check", str(kept)])
    assert "1 slower; measuring once more" in done.output
    line = f"slower: exact, {WARM}: 1.67 times plain diffusers, 2.00 before"
    assert (done.exit_code, line in done.output) == ((1, True) if again > 1.1 else (0, False))


def test_flops_are_those_of_the_products(miniature: Path) -> None:
    """Of the transformer: 2 per weight and token in linear layers, and attention's two products."""
    work = work_of(Request(model=str(miniature), size="64x64", frames=9, steps=2, guidance=1))
    counted = count(work)["transformer"]
    config = json.loads((miniature / "transformer" / "config.json").read_text())
    width = config["num_attention_heads"] * config["attention_head_dim"]
    vae = json.loads((miniature / "vae" / "config.json").read_text())
    side = 64 // (vae["patch_size"] * 2 ** sum(vae["spatio_temporal_scaling"]))
    tokens = side * side * (1 + 8 // 2 ** sum(vae["spatio_temporal_scaling"]))
    layers = config["num_layers"]
    own = tokens * (4 * width * width + 8 * width * width + 2 * width * width)
    words = WORDS * 2 * width * width
    attention = 2 * tokens * width * (tokens + WORDS)
    ends = tokens * 2 * config["in_channels"] * width
    captions = WORDS * (config["caption_channels"] * width + width * width)
    times = 256 * width + width * width + width * 6 * width
    expected = 2 * (layers * (own + words + attention) + ends + captions + times)
    assert counted["calls"] == 2
    assert counted["flops"] / 2 == pytest.approx(expected, rel=1e-6)


def test_plain_diffusers_is_always_there_and_first(miniature: Path) -> None:
    work = work_of(Request(model=str(miniature)))
    assert contenders(work, ("exact",)) == (DIFFUSERS, "exact")
    assert contenders(work)[0] == DIFFUSERS
    with pytest.raises(UserError, match="no contender 'quick'"):
        contenders(work, ("quick",))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--blocks", "1"), "--blocks belongs to --published"),
        (("--sweep", "speed=1"), "names no axis"),
        (("--sweep", "steps=many"), "no whole numbers"),
        (("--check", "nowhere.json"), "holds no results"),
        (("--published", "nothing"), "no published variant"),
        (("--size", "65x65"), "65"),
    ],
)
def test_bad_wishes_are_refused_before_anything_is_measured(arguments: tuple[str, ...], told: str) -> None:
    with pytest.raises(UserError, match=told):
        bench(*arguments)


def test_a_published_checkpoint_of_random_weights_loads_and_is_never_zero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, known = "ltx-video-0.9.1", published.configs()
    from praxino.families.ltx_video.miniature import TEXT_ENCODER, TRANSFORMER, VAE

    for component, small in (("transformer", TRANSFORMER), ("vae", VAE), ("text_encoder", TEXT_ENCODER)):
        made = known["configs"][known["variants"][name][component]]
        made["config"] = {**made["config"], **small}
    monkeypatch.setattr(published, "configs", lambda: known)
    folder = tmp_path / "random"
    published.write(name, folder, device="cpu", blocks=2)
    entry = find(str(folder))
    assert entry.family.name == "ltx-video"
    config = json.loads((folder / "transformer" / "config.json").read_text())
    assert config["num_layers"] == 2
    from safetensors.torch import load_file

    weights = load_file(folder / "transformer" / "diffusion_pytorch_model.safetensors")
    assert all(tensor.any() for key, tensor in weights.items() if tensor.ndim > 1)
    assert {str(tensor.dtype) for tensor in weights.values()} == {"torch.bfloat16"}


def test_hotshot_is_written_as_both_sides_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from praxino.families.hotshot_xl import identify
    from praxino.families.hotshot_xl.miniature import UNET, VAE
    from praxino.families.hotshot_xl.unet import motion_config

    known = published.configs()
    channels, words = [32, 32, 32], {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
    small: dict[str, dict[str, Any]] = {
        "unet": {**motion_config(UNET), "block_out_channels": channels, "cross_attention_dim": 32},
        "vae": {key: value for key, value in VAE.items() if key != "_class_name"},
        "text_encoder": words,
        "text_encoder_2": {**words, "projection_dim": 16},
    }
    small["unet"]["projection_class_embeddings_input_dim"] = 6 * UNET["addition_time_embed_dim"] + 16
    for component, config in small.items():
        made = known["configs"][known["variants"]["hotshot-xl"][component]]
        made["config"] = {**made["config"], **config}
    monkeypatch.setattr(published, "configs", lambda: known)
    monkeypatch.setattr(identify, "PUBLISHED_CHANNELS", channels)
    folder = tmp_path / "random"
    published.write("hotshot-xl", folder, device="cpu", blocks=1)
    assert find(str(folder)).variant.name == "hotshot-xl"
    work = work_of(Request(model=str(folder), size="256x256", frames=2, steps=1), "cpu")
    sides = {"exact": partial(workload.praxino, "exact"), DIFFUSERS: workload.diffusers(DIFFUSERS, work)}
    for name, side in sides.items():
        (seconds,) = side(work, tmp_path / f"{name}.gif", 1)
        assert seconds["whole"] > 0 and (tmp_path / f"{name}.gif").exists()


def test_each_size_has_its_request() -> None:
    """The sizes that speed is compared at, on one GPU."""
    wanted = {
        "ltx-video-0.9.1": (768, 512, 121, 20),
        "hotshot-xl": (672, 384, 8, 30),
        "hunyuan-video": (1280, 720, 129, 12),
        "sdxl-base": (1024, 1024, 1, 50),
        "flux-dev": (1360, 768, 1, 50),
    }
    variants = catalog.published()
    for name, size in wanted.items():
        variant, request = variants[name], published.request_of(name)
        width, height = map(int, request.get("size", f"{variant.width}x{variant.height}").split("x"))
        assert (width, height, request.get("frames", variant.num_frames), request.get("steps", variant.steps)) == size
        assert width % variant.grid.size_multiple == height % variant.grid.size_multiple == 0
        assert variant.guidance_phases[0].scale > 1


def test_what_is_made_in_between_is_no_published_variant() -> None:
    known = published.configs()
    assert set(known["made"]) == set(known["like"])
    assert set(known["like"].values()) | set(known["requests"]) <= {*known["variants"], *known["made"]}
    assert not set(known["made"]) & set(known["variants"])


def test_a_work_survives_its_json(miniature: Path) -> None:
    work = work_of(Request(model=str(miniature), steps=3))
    assert type(work).from_json(work.to_json()) == work
    assert dataclasses.asdict(work)["asked"]["steps"] == 3
