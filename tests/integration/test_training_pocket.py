"""The whole recipe in little: every stage, its resume, and the command."""

import json
from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner
from diffusers.pipelines.ltx.pipeline_ltx import LTXPipeline
from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXConditionPipeline

from praxino.cli import train as command
from praxino.errors import UserError
from praxino.families.ltx_video import FAMILY
from praxino.training import pocket
from praxino.training.flow import FlowTraining, TransformerSize
from praxino.training.pocket import PocketSettings, Workshop, find_device, run, train
from praxino.training.sprites import find_font
from praxino.training.text import TextSize
from praxino.training.vae import AutoencoderSize, AutoencoderTraining

TINY = PocketSettings(
    autoencoder=AutoencoderSize(24, 32, 32, 16, 1),
    transformer=TransformerSize(heads=2, head_width=16, layers=1),
    text=TextSize(width=32, head_width=16, hidden=32, layers=1, heads=2),
    autoencoder_training=AutoencoderTraining(batch=2),
    decoder_training=AutoencoderTraining(batch=2),
    flow=FlowTraining(batch=4),
    max_steps=3,
    pca_clips=40,
    drawn_clips=60,
    pool_clips=48,
    shifts=(1.0, 2.0),
    scored_clips=3,
)
pytestmark = pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")


@pytest.fixture
def font():
    try:
        return find_font()
    except UserError as problem:
        pytest.skip(str(problem))


@pytest.mark.slow
def test_every_stage_runs_resumes_and_leaves_a_model_that_loads(font, tmp_path):
    told = []
    out = tmp_path / "model"
    shop = Workshop(TINY, tmp_path / "model.work", 0, False, torch.device("cpu"), told.append)
    run(shop, 1, out)
    for name in ("README.md", "sample_sheet.webp", "praxino.json", "vocabulary.json"):
        assert (out / name).stat().st_size > 500, name
    assert "held out" in told[-1]
    assert FAMILY.identify(out).name == "pocket"
    for kind in (LTXPipeline, LTXConditionPipeline):
        assert kind.from_pretrained(out).transformer.config.in_channels == 24
    weights = (out / "transformer" / "diffusion_pytorch_model.safetensors").read_bytes()

    told.clear()
    run(replace(shop, resume=True), 1, tmp_path / "again")
    assert [line for line in told if "resumed" in line] == [
        "teacher: resumed at step 3", "student: resumed at step 3"
    ]  # fmt: skip
    assert (tmp_path / "again" / "transformer" / "diffusion_pytorch_model.safetensors").read_bytes() == weights


@pytest.mark.slow
def test_the_command_keeps_to_its_minutes_and_refuses_to_begin_twice(font, tmp_path, monkeypatch):
    monkeypatch.setattr(pocket, "PocketSettings", lambda: replace(TINY, max_steps=None))
    out = tmp_path / "model"
    done = CliRunner().invoke(command.command, ["pocket", "--minutes", "0.1", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert f"wrote {out}" in done.output
    progress = json.loads((tmp_path / "model.work" / "teacher" / "progress.json").read_text())
    assert 2.8 <= progress["active_seconds"] < 8
    with pytest.raises(UserError, match="not empty"):
        CliRunner().invoke(command.command, ["pocket", "--minutes", "0.1", "--out", str(out)], catch_exceptions=False)


def test_an_unfinished_run_is_not_thrown_away(tmp_path):
    (tmp_path / "model.work").mkdir()
    with pytest.raises(UserError, match="unfinished run; resume it"):
        train(1, tmp_path / "model", device="cpu")
    assert (tmp_path / "model.work").is_dir()


def test_a_model_is_not_overwritten(tmp_path):
    (tmp_path / "model_index.json").write_text("{}")
    with pytest.raises(UserError, match="already holds a model"):
        train(1, tmp_path, device="cpu")


@pytest.mark.parametrize("name", ["quantum", "cuda:77"])
def test_a_device_that_is_not_there_is_refused(name):
    with pytest.raises(UserError, match=f"device '{name}' cannot be used here"):
        find_device(name)
    assert find_device("cpu") == torch.device("cpu")
