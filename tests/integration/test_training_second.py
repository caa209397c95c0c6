"""The second edition's recipe in little: every stage by itself, its resume, and a folder that loads."""

import re

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from diffusers.pipelines.ltx.pipeline_ltx import LTXPipeline
from PIL import Image

from praxino.cli import train as command
from praxino.errors import UserError
from praxino.families.ltx_video import FAMILY
from praxino.training import edition
from praxino.training.affine import AffineEncoder
from praxino.training.export import SIZE_LIMIT_BYTES
from praxino.training.flow import FlowTraining, LatentGrid, TransformerSize
from praxino.training.live import Clips, LiveFlow, Showing
from praxino.training.rescore import rescore
from praxino.training.second import run_stage, train_stage
from praxino.training.second_card import second_scores_on_card
from praxino.training.sprites import find_font
from praxino.training.studio import STAGES, SecondSettings, Studio, make_denoiser
from praxino.training.text import TextSize
from praxino.training.vae import AutoencoderSize, AutoencoderTraining, build
from praxino.training.wishes import Wish
from praxino.vocabulary import Vocabulary

TINY = SecondSettings(
    autoencoder=AutoencoderSize(24, 32, 32, 16, 1),
    transformer=TransformerSize(heads=2, head_width=16, layers=1),
    text=TextSize(width=32, head_width=16, hidden=32, layers=1, heads=2),
    grid=LatentGrid(frames=9, height=4, width=4, fps=12.0),
    decoder_training=AutoencoderTraining(batch=2),
    flow=FlowTraining(batch=4),
    stills_batch=8,
    other_sizes=0.0,
    max_steps=3,
    drawn_clips=16,
    pca_clips=16,
    steps=2,
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
def test_every_stage_runs_by_itself_and_leaves_a_model_that_loads(font, tmp_path, monkeypatch):
    monkeypatch.setattr("praxino.training.rescore.SecondSettings", lambda: TINY)
    monkeypatch.setattr("praxino.training.second_score.PICTURES", 4)
    told = []
    out = tmp_path / "model"
    studio = Studio(TINY, tmp_path / "model.work", 0, torch.device("cpu"), told.append)
    with pytest.raises(UserError, match="autoencoder is not done"):
        run_stage(studio, "stills", 1, out)
    for stage in STAGES:
        run_stage(studio, stage, 1, out)
    assert re.match(r"all right: plain \d+%, paraphrased \d+%, Chinese \d+%; pictures \d+%; \d", told[-1])
    assert FAMILY.identify(out).name == "pocket"
    assert LTXPipeline.from_pretrained(out).transformer.config.in_channels == 24
    assert "two" in [entry["name"] for entry in Vocabulary.read(out / "vocabulary.json").data["counts"]]
    assert second_scores_on_card(out).keys() == {"plain", "paraphrased", "Chinese"}
    assert "decoder 0, stills 0, teacher 0, student 0, halving 0" in (out / "README.md").read_text()
    with Image.open(out / "sample_sheet.webp") as sheet, Image.open(out / "failures.webp") as failures:
        assert sheet.width == 2 * failures.width == 2 * 5 * 64
    assert (192, 128) in FAMILY.identify(out).grid.sizes
    again = rescore(out, 2)
    assert [(score.kind, score.count) for score in again] == [("plain", 2), ("paraphrased", 2), ("Chinese", 2)]
    run_stage(studio, "teacher", 1, out)
    assert told[-1] == "teacher is done already"


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "before"), [("decoder", None), ("teacher", "stills"), ("halving", "student")])
def test_a_stage_taken_up_again_ends_as_an_unbroken_one(font, tmp_path, stage, before):
    """One stage alone, from weights that nobody trained."""
    weights = []
    for name, stops in (("whole", False), ("broken", True)):
        told = []
        studio = Studio(TINY, tmp_path / name, 0, torch.device("cpu"), told.append, lambda stops=stops: stops)
        run_stage(studio, "autoencoder", 1, tmp_path / "model")
        if before:
            keep_untrained(studio, before)
        for _ in range(3 if stops else 1):
            done = run_stage(studio, stage, 1, tmp_path / "model")
        assert sum("the same command goes on" in line for line in told) == (2 if stops else 0)
        weights.append([path.read_bytes() for path in sorted(done.rglob("*.safetensors"))])
    assert weights[0] == weights[1] != []


def keep_untrained(studio, stage):
    torch.manual_seed(0)
    denoiser = make_denoiser(studio.settings)
    denoiser.transformer.save_pretrained(studio.folder / stage / "done" / "transformer")
    denoiser.text_encoder.save_pretrained(studio.folder / stage / "done" / "text_encoder")


def test_unknown_stages_are_refused(tmp_path):
    with pytest.raises(UserError, match="no stage 'pretraining'; there are autoencoder, decoder"):
        train_stage("pretraining", 1, tmp_path / "model")


@pytest.mark.parametrize("options", [["--edition", "2"], ["--stage", "teacher"]])
def test_a_stage_and_the_edition_go_together(tmp_path, options):
    asked = ["pocket", "--minutes", "1", "--out", str(tmp_path / "model"), *options]
    with pytest.raises(UserError, match="--stage goes with --edition 2"):
        CliRunner().invoke(command.command, asked, catch_exceptions=False)


def showing(is_still, other_sizes):
    """What steps show, over an autoencoder of nobody's."""
    torch.manual_seed(0)
    vae, denoiser = build(TINY.autoencoder), make_denoiser(TINY)
    clips = Clips(edition.second(), TINY.grid, torch.device("cpu"))
    return LiveFlow(denoiser, AffineEncoder(vae), clips, TINY.flow, Showing(is_still, other_sizes))


def test_what_a_step_shows_is_told_by_its_number(font):
    flow = showing(is_still=False, other_sizes=0.0)
    first, again, other = (flow.draw(step) for step in (2, 2, 3))
    assert torch.equal(first.x0, again.x0)
    assert torch.equal(first.text.ids, again.text.ids)
    assert not torch.equal(first.x0, other.x0)
    assert first.keeps_first
    assert first.x0.shape == (4, 9 * 16, 24)
    rng = np.random.default_rng(0)
    assert flow.caption(Wish(("never taught",), "flipping", "red"), True, rng) == "flipping"


def test_clips_that_are_stored_in_a_file_are_the_same(font, tmp_path):
    clips = Clips(edition.second(), TINY.grid, torch.device("cpu"))
    file = tmp_path / "deep" / "clips.npy"
    assert np.array_equal(clips.mapped(3, 1, file, batch=2), clips.stored(3, 1, batch=2))
    assert [path.name for path in file.parent.iterdir()] == ["clips.npy"]
    assert np.array_equal(clips.mapped(3, 99, file), np.load(file)), "drawn once"


def test_steps_at_other_sizes_hold_about_as_many_tokens(font):
    flow = showing(is_still=True, other_sizes=1.0)
    sizes = {}
    for step in range(24):
        batch = flow.draw(step)
        sizes[batch.grid.width * 16, batch.grid.height * 16] = len(batch.x0)
        assert batch.x0.shape[1] == batch.grid.cells
        assert (batch.grid.frames, batch.grid.num_frames) == (1, 1)
    assert sizes.keys() == set(edition.second().frame_sizes[1:])
    assert all(abs(w * h / 256 * count - 64) <= w * h / 512 or count == 1 for (w, h), count in sizes.items())
    assert flow(0).isfinite()


def test_the_whole_fits_into_what_may_ship():
    settings = SecondSettings()
    denoiser = make_denoiser(settings)
    half = sum(p.numel() for part in (denoiser.transformer, build(settings.autoencoder)) for p in part.parameters())
    whole = sum(p.numel() for p in denoiser.text_encoder.parameters())
    assert 2 * half + 4 * whole < SIZE_LIMIT_BYTES - 800_000, "vocabulary, tokenizer, card and sheet need some too"


def test_a_processor_gets_smaller_batches_of_the_same_networks():
    usual, small = SecondSettings.of(torch.device("cuda")), SecondSettings.of(torch.device("cpu"))
    assert small.flow.batch < usual.flow.batch
    assert (small.autoencoder, small.transformer, small.text) == (usual.autoencoder, usual.transformer, usual.text)
