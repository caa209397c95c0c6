"""The bench as a user runs it, on a miniature, and what it counts."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from praxino.bench import measuring, published, workload
from praxino.bench.ceilings import count
from praxino.bench.results import summary
from praxino.bench.rounds import COLD, WARM
from praxino.bench.work import DIFFUSERS, contenders, work_of
from praxino.cli.app import app
from praxino.errors import UserError
from praxino.families import families
from praxino.request import Request
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
    for contender, side in (("exact", workload.praxino), (DIFFUSERS, workload.diffusers)):
        out = tmp_path / f"{contender}.gif"
        first, second = side(work, contender, out, 2)
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


def test_a_check_fails_where_it_was_faster(miniature: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work, kept = work_of(Request(model=str(miniature))), tmp_path / "kept.json"

    def found(seconds: float) -> dict[str, Any]:
        rounds = {DIFFUSERS: [{COLD: 6.0, WARM: 2.0}], "exact": [{COLD: 2.0, WARM: seconds}]}
        return json.loads(json.dumps(summary(work, rounds)))

    kept.write_text(json.dumps(found(1.0)))
    monkeypatch.setattr(measuring, "measure", lambda *_: found(1.2))
    done = CliRunner().invoke(app, ["bench", "-m", str(miniature), "--check", str(kept)])
    assert done.exit_code == 1
    assert f"slower: exact, {WARM}: 1.67 times plain diffusers, 2.00 before" in done.output


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


def test_a_work_survives_its_json(miniature: Path) -> None:
    work = work_of(Request(model=str(miniature), steps=3))
    assert type(work).from_json(work.to_json()) == work
    assert dataclasses.asdict(work)["asked"]["steps"] == 3
