"""The model card and its sheet."""

import dataclasses

import numpy as np
import pytest
import yaml
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from PIL import Image

from praxino.training.card import SHEET, SHEET_BYTES, Making, write_card, write_sheet
from praxino.training.evaluate import Evaluation, ImageResult
from praxino.training.sample import shifted_sigmas
from praxino.training.score import Score

SCORE = Score(78, 0.91, 0.92, 1.0, 0.84, {"frog": 0.5, "bouncing": 1.0, "red": 1.0})
EVALUATION = Evaluation(
    trained=SCORE,
    held_out=dataclasses.replace(SCORE, all_three=0.77),
    clips_db=27.34,
    stills_db=28.0,
    other_clips_db=26.5,
    taught_picture=ImageResult(0.9, 27.0),
    unseen_picture=ImageResult(0.8, 26.0),
    first_and_last=ImageResult(0.85, 26.1, 25.9),
)
MAKING = Making(
    minutes={"autoencoder": 13.2, "teacher": 59.0, "student": 10.0},
    samples={"autoencoder": 6400, "teacher": 120_000, "student": 9_000},
    hardware="2 CPU cores",
    other_sprites=1300,
    held_out=78,
    sigmas=tuple(shifted_sigmas(8, 2.0)),
)


@pytest.fixture
def card(tmp_path):
    write_card(tmp_path, EVALUATION, MAKING)
    return (tmp_path / "README.md").read_text(encoding="utf-8")


def test_figures_limits_licence_and_making_stand_on_the_card(card):
    for text in (
        "| held out | 78 | 77% | 91% | 92% | 100% |",
        "27.3 dB",
        "2 CPU cores",
        "teacher 59 minutes, 120,000",
        "## Limits",
        "Noto Emoji",
        "Apache License 2.0",
        "864 combinations, 78 of them held out",
        "25.9 dB",
    ):
        assert text in " ".join(card.split()), text  # fmt: skip
    assert "{" not in card.replace("{thing}", "").replace("{motion}", "").replace("{ground}", "")


def test_its_header_is_yaml(card):
    assert yaml.safe_load(card.split("---")[1])["license"] == "apache-2.0"


@pytest.mark.parametrize("shift", [1.0, 1.5, 2.0, 3.0])
def test_the_shift_it_names_gives_stock_pipelines_the_same_noise_levels(tmp_path, shift):
    sigmas = shifted_sigmas(8, shift)
    write_card(tmp_path, EVALUATION, dataclasses.replace(MAKING, sigmas=tuple(sigmas)))
    code = (tmp_path / "README.md").read_text(encoding="utf-8").split("```")[1]
    assert f"set_shift({shift})" in code
    assert "num_inference_steps=8" in code
    scheduler = FlowMatchEulerDiscreteScheduler(shift=1.0, use_dynamic_shifting=False)
    scheduler.set_shift(shift)
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / 8, 8), mu=1.0)
    np.testing.assert_allclose(scheduler.sigmas, [*sigmas, 0], atol=6e-5)


def test_the_sheet_keeps_to_its_budget(tmp_path, blob_clips):
    rng = np.random.default_rng(0)
    grainy = np.clip(blob_clips + rng.normal(0, 12, blob_clips.shape), 0, 255).astype(np.uint8)
    write_sheet(tmp_path, np.concatenate([grainy, grainy[:4]]))
    assert SHEET_BYTES / 2 < (tmp_path / SHEET).stat().st_size <= SHEET_BYTES
    with Image.open(tmp_path / SHEET) as picture:
        assert picture.size == (2 * 9 * 64, 8 * 64)


def test_an_odd_number_of_clips_leaves_a_black_place(tmp_path, blob_clips):
    write_sheet(tmp_path, blob_clips[:3])
    with Image.open(tmp_path / SHEET) as picture:
        assert np.asarray(picture)[96, -32].max() < 30
