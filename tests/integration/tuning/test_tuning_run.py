"""A fine-tuning run over a tiny model: exact resume, what is learnt, what is written, and who can read it."""

import json
import shutil

import numpy as np
import pytest
import torch
from diffusers.pipelines.ltx.pipeline_ltx import LTXPipeline
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from praxino import media
from praxino.errors import UserError
from praxino.families import families
from praxino.recipe import Encoding, Lora
from praxino.training.tuning import adapters, objective
from praxino.training.tuning.buckets import Bucket
from praxino.training.tuning.examples import check
from praxino.training.tuning.settings import Tuning
from praxino.training.tuning.trainee import trainee

FAMILY = families()["ltx-video"]
BY_HEART = {
    "model": "pocket", "size": "", "steps": 100, "batch": 4, "rank": 16, "alpha": 16, "learning_rate": 3e-3,
    "caption_dropout": 0.0, "image_share": 0.0,
}  # fmt: skip


def losses(folder):
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def learnt(folder):
    return load_file(folder / "pytorch_lora_weights.safetensors")


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture
def parts(tiny):
    return FAMILY.load(tiny, FAMILY.identify(tiny), "float32", "cpu")


def answer(transformer):
    """What a transformer says to a fixed question."""
    chance = torch.Generator().manual_seed(0)
    channels, width = transformer.config.in_channels, transformer.config.caption_channels
    with torch.no_grad():
        return transformer(
            hidden_states=torch.randn(1, 8, channels, generator=chance),
            encoder_hidden_states=torch.randn(1, 5, width, generator=chance),
            timestep=torch.tensor([[500.0]]),
            encoder_attention_mask=torch.ones(1, 5),
            video_coords=torch.zeros(1, 3, 8),
            return_dict=False,
        )[0]


@pytest.mark.parametrize("method", ["lora", "dora", "full"])
def test_a_run_taken_up_again_is_the_unbroken_one(tune, method):
    wish = {"method": method, "steps": 8, "ema": 0.9, "learning_rate": 1e-3, "schedule": "cosine", "validation": 0.3,
            "validate_every": 4}  # fmt: skip
    straight = tune("straight", **wish)
    tune("broken", stop_after=5, **wish)
    broken = tune("broken", resume=True, **wish)
    assert losses(broken) == losses(straight) and len(losses(broken)) == 8
    held = [json.loads(line).get("held_out_loss") for line in (broken / "metrics.jsonl").read_text().splitlines()]
    assert [i for i, value in enumerate(held, 1) if value is not None] == [4, 8]
    if method == "full":
        one, other = (f / "model" / "transformer" / "diffusion_pytorch_model.safetensors" for f in (straight, broken))
        assert same(load_file(one), load_file(other))
    else:
        assert same(learnt(straight), learnt(broken))


@pytest.mark.parametrize("lost", ["model/", "ema/", "optimizer/"])
def test_each_part_of_the_state_matters(tune, lost):
    wish = {"steps": 6, "ema": 0.9}
    straight = tune("straight", **wish)
    broken = tune("broken", stop_after=3, **wish)
    (state,) = (broken / "state").glob("*.safetensors")
    tensors = load_file(state)
    save_file({n: torch.zeros_like(t) if n.startswith(lost) else t for n, t in tensors.items()}, state)
    tune("broken", resume=True, **wish)
    assert not same(learnt(straight), learnt(broken))


@pytest.mark.parametrize(("optimizer", "package"), [("prodigy", "prodigyopt"), ("adamw-8bit", "bitsandbytes"),
                                                   ("muon", "torch")])  # fmt: skip
def test_what_an_optimizer_gathers_is_taken_up_again(tune, optimizer, package):
    """Prodigy's own learning rate and steps are numbers, and 8-bit moments are bytes with tables."""
    pytest.importorskip(package)
    wish = {"steps": 7, "optimizer": optimizer, "rank": 64, "learning_rate": 1.0 if optimizer == "prodigy" else 1e-3}
    straight = tune("straight", **wish)
    broken = tune("broken", stop_after=3, **wish)
    tune("broken", resume=True, **wish)
    assert losses(broken) == losses(straight) and same(learnt(straight), learnt(broken))


def test_an_optimizer_that_is_not_installed_is_said_first(tune, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="needs the package prodigyopt; run: pip install prodigyopt"):
        tune(optimizer="prodigy")
    assert not (tmp_path / "run").exists()


def test_a_save_that_was_cut_short_leaves_the_one_before(tune):
    straight = tune("straight", steps=6)
    broken = tune("broken", steps=6, stop_after=3)
    (broken / "state" / "state.safetensors.part").write_bytes(b"half")
    with (broken / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')
    tune("broken", resume=True, steps=6)
    assert losses(broken) == losses(straight)


def test_one_clip_is_learnt_by_heart(tune, clips, tmp_path):
    data = tmp_path / "one"
    data.mkdir()
    for name in ("clip-0.webp", "clip-0.txt"):
        shutil.copy(clips / name, data)
    values = losses(tune(data=str(data), **BY_HEART))
    assert np.mean(values[-10:]) < np.mean(values[:3]) / 5


def test_new_weights_change_nothing(parts):
    learner = trainee("ltx-video")
    network = learner.network(parts)
    before = answer(network)
    adapters.prepare(network, learner, Tuning(rank=4))
    assert torch.equal(answer(network), before)
    trained = [name for name, p in network.named_parameters() if p.requires_grad]
    assert trained and all("lora_" in name for name in trained)


@pytest.mark.parametrize("method", ["lora", "dora"])
def test_what_is_learnt_is_read_by_praxino_diffusers_and_in_comfyuis_names(tune, tiny, parts, method):
    out = tune(method=method)
    base = answer(parts.transformer)
    files = [out / "pytorch_lora_weights.safetensors", *out.glob("comfyui/run.safetensors")]
    assert len(files) == (2 if method == "lora" else 1), "ComfyUI reads no DoRA as peft has it"
    answers = []
    for file in files:
        FAMILY.check_lora(file)
        answers.append(answer(FAMILY.equip(parts, recipe_with(Lora(str(file), 1.0, ""))).transformer))
    assert torch.equal(answers[0], answers[-1]) and not torch.equal(answers[0], base)
    for unlaid in ((Lora(str(files[0]), 0.0, ""),), ()):
        assert torch.equal(answer(FAMILY.equip(parts, recipe_with(*unlaid)).transformer), base)

    pipeline = LTXPipeline.from_pretrained(tiny)
    pipeline.load_lora_weights(files[0])
    assert torch.allclose(answer(pipeline.transformer), answers[0], atol=1e-6)
    if method == "lora":
        with safe_open(files[1], "pt") as file:
            assert all(name.startswith("diffusion_model.") for name in file.keys())  # noqa: SIM118


def recipe_with(*loras):
    class Recipe:
        companions = ()
        plan = "exact"

    Recipe.loras = loras
    return Recipe


def test_a_whole_network_is_a_checkpoint(tune, tiny):
    out = tune(method="full", learning_rate=1e-3)
    variant = FAMILY.identify(out / "model")
    assert variant.name == FAMILY.identify(tiny).name
    trained = FAMILY.load(out / "model", variant, "float32", "cpu")
    before = FAMILY.load(tiny, variant, "float32", "cpu")
    assert not torch.equal(answer(trained.transformer), answer(before.transformer))


def test_cached_equals_uncached(tune, tiny, monkeypatch):
    told = []
    first = tune("first", on_event=told.append)
    assert any("10 newly encoded" in line for line in told)
    shutil.copytree(first / "cache", first.parent / "second" / "cache")
    (first.parent / "second" / "settings.json").write_text((first / "settings.json").read_text())
    told.clear()
    second = tune("second", resume=True, on_event=told.append)
    assert any("0 newly encoded" in line for line in told)
    assert losses(first) == losses(second)


def test_what_changes_is_encoded_anew(tune, clips, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(clips, data)
    out = tune(data=str(data), steps=1)
    known = len(list((out / "cache").iterdir()))
    (data / "clip-0.txt").write_text("another caption")
    save_clip(data / "clip-1.webp", 255 - clips_frames(clips))
    told = []
    tune(data=str(data), steps=2, resume=True, on_event=told.append)
    assert any("2 newly encoded" in line for line in told)
    assert len(list((out / "cache").iterdir())) == known + 2


def clips_frames(clips):
    return media.read_clip(clips / "clip-1.webp")[0]


def save_clip(path, frames):
    media.save([frames], path, Encoding("webp", 0, "best", 100, "none", False, False), 8.0, None)


def test_a_gif_and_frames_in_a_folder_are_the_same_clip(tune, tmp_path):
    frames = np.zeros((9, 64, 64, 3), np.uint8)
    frames[:, 20:40, 20:40] = (255, 0, 0)
    for number in range(9):
        frames[number, 50:60, number * 6 : number * 6 + 6] = (0, 0, 255)
    for kind in ("gif", "png"):
        data = tmp_path / kind
        data.mkdir()
        encoding = Encoding(kind, 0, "best", 100, "none", False, False)
        media.save([frames], data / f"clip.{kind}", encoding, 10.0, None)
        (data / "clip.txt").write_text("a red square")
        tune(f"run-{kind}", data=str(data), steps=1)
    clips = [load_latents(tmp_path / f"run-{kind}" / "cache") for kind in ("gif", "png")]
    assert torch.equal(*clips)


def load_latents(folder):
    (found,) = [tensors["latents"] for path in folder.iterdir() if "latents" in (tensors := load_file(path))]
    return found


def test_pictures_and_clips_make_buckets_of_their_own(tune, clips, tiny):
    told = check(Tuning(data=str(clips), model=str(tiny), size="64x64"))
    lines = list(told.lines())
    assert any("still.png: a picture -> 64x64, 1 frame" in line for line in lines)
    assert lines[-2:] == ["1 example of 64x64, 1 frame", "5 examples of 64x64, 9 frames"]


def test_prior_clips_are_kept_as_the_model_knew_them(tiny, parts, monkeypatch):
    learner, tuning = trainee("ltx-video"), Tuning(rank=4, batch=4, caption_dropout=0.0)
    network = learner.network(parts)
    adapters.prepare(network, learner, tuning)
    frames = np.zeros((9, 64, 64, 3), np.uint8)
    with torch.no_grad():
        clip, text = learner.encode(parts, frames), learner.read(parts, "a cat")
    examples = [objective.Encoded(Bucket(9, 64, 64), clip, text, is_prior=True)] * 4
    wanted = objective.Objective(
        learner, parts, network, parts.variant, examples, text, tuning,
        untaught=lambda: adapters.untaught(network),
    )  # fmt: skip
    assert wanted(0).item() == 0.0, "untaught weights already answer as before"
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "lora_B" in name:
                parameter.add_(0.1)
    assert wanted(0).item() > 0.0


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"targets": ("nothing",)}, "targets nothing match no layer"),
        ({"model": "nonsense"}, "nonsense"),
        ({"size": "50x50"}, "multiples of"),
        ({"prior": 4}, "prior clips need prompts"),
    ],
)
def test_what_cannot_be_trained_is_refused(tune, tmp_path, wish, said):
    with pytest.raises(UserError, match=said):
        tune(**wish)


def test_two_runs_are_not_mixed_up(tune):
    tune()
    with pytest.raises(UserError, match="already holds a run; add --resume"):
        tune()
    with pytest.raises(UserError, match="rank was 4 when this run began and is 8 now"):
        tune(resume=True, rank=8)
    with pytest.raises(UserError, match="holds no run to go on with"):
        tune("other", resume=True)
