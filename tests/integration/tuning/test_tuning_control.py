"""In-context LoRAs: taught as Lightricks' trainer teaches them, and followed by what draws with --control."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from praxino import media
from praxino.engine.resolve import resolve
from praxino.errors import UserError
from praxino.families import Shape, families
from praxino.families.ltx_video import positions
from praxino.families.ltx_video.settings import from_options
from praxino.plain import from_plain, to_plain
from praxino.recipe import Encoding, Recipe
from praxino.request import Request
from praxino.training.tuning import adapters
from praxino.training.tuning.examples import check
from praxino.training.tuning.settings import Tuning
from praxino.training.tuning.trainee import Batch, trainee

FAMILY = families()["ltx-video"]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Clips of a square, each with a reference that is bright where the square is."""
    folder = tmp_path_factory.mktemp("data") / "pairs"
    folder.mkdir()
    for number in range(3):
        rng = np.random.default_rng(number)
        frames = np.full((9, 64, 64, 3), 20, np.uint8)
        left = rng.integers(0, 40)
        frames[:, 20:44, left : left + 24] = rng.integers(100, 256, 3)
        frames[np.arange(9), 0, np.arange(9)] = 255  # no two frames are one
        for name, some in (("", frames), (".reference", np.where(frames > 50, 255, 0).astype(np.uint8))):
            encoding = Encoding("webp", 0, "best", 100, "none", False, False)
            media.save([some], folder / f"clip-{number}{name}.webp", encoding, 8.0, None)
        (folder / f"clip-{number}.txt").write_text("a square")
    return folder


@pytest.fixture
def parts(tiny):
    return FAMILY.load(tiny, FAMILY.identify(tiny), "float32", "cpu")


class Drawn(Batch):
    """A batch whose chance is drawn already."""

    def noise(self, like):
        return torch.randn(like.shape, generator=torch.Generator().manual_seed(0))

    def normal(self, device):
        return torch.tensor([0.31])

    def uniform(self, device):
        return torch.tensor([0.7])


@torch.no_grad()
def batch(parts, *, gives_first=False):
    learner, rng = trainee("ltx-video"), np.random.default_rng(1)
    clip, reference = (
        learner.encode(parts, rng.integers(0, 256, (9, 64, 64, 3), dtype=np.uint8))["latents"][None] for _ in range(2)
    )
    text = {name: tensor[None] for name, tensor in learner.read(parts, "a square").items()}
    return Drawn(
        {"latents": clip, "reference": reference}, text, 8.0, gives_first, [], torch.zeros(1, dtype=torch.bool)
    )


@torch.no_grad()
@pytest.mark.parametrize("gives_first", [False, True])
def test_the_loss_is_that_of_the_authors_trainer(parts, gives_first):
    """training_strategies.py, ReferenceVideoTrainingStrategy, written out; times are not rounded to thousandths."""
    given, learner = batch(parts, gives_first=gives_first), trainee("ltx-video")
    task = learner.task(parts, parts.variant, given)
    error = (learner.answer(parts.transformer, task) - task.target).square()
    counts = task.learnt.expand_as(error)
    found = (error * counts).sum() / counts.sum()

    target, reference = positions.pack(given.clips["latents"]), positions.pack(given.clips["reference"])
    tokens, sigma, noise = target.shape[1], task.times, given.noise(target)
    held = torch.zeros(tokens, dtype=torch.bool)
    held[: given.clips["latents"][0, 0, 0].numel()] = gives_first
    noisy = torch.where(held[None, :, None], target, (1 - sigma) * target + sigma * noise)
    levels = torch.cat([torch.zeros(tokens), torch.where(held, 0.0, sigma)])
    settings = from_options(parts.variant.options)
    coords = positions.in_seconds(positions.coordinates(tuple(given.clips["latents"].shape[2:]), settings), 8.0)
    predicted = parts.transformer(
        hidden_states=torch.cat([reference, noisy], 1), encoder_hidden_states=given.texts["states"],
        timestep=1000 * levels[None], encoder_attention_mask=given.texts["mask"],
        video_coords=coords.repeat(1, 1, 2), return_dict=False,
    )[0][:, -tokens:]  # fmt: skip
    loss = (predicted - (noise - target)).pow(2)
    mask = (~held)[None, :, None].float()
    assert float(found) == pytest.approx(float(loss.mul(mask).div(mask.mean()).mean()), rel=1e-5)


def test_a_run_taken_up_again_is_the_unbroken_one(tune, pairs):
    wish = {"data": str(pairs), "control": "depth-map", "steps": 20, "batch": 1}
    straight = tune("straight", **wish)
    tune("broken", stop_after=11, **wish)
    broken = tune("broken", resume=True, **wish)
    files = [load_file(run / "pytorch_lora_weights.safetensors") for run in (straight, broken)]
    assert all(torch.equal(files[0][name], files[1][name]) for name in files[0])
    lines = [(run / "metrics.jsonl").read_text().splitlines() for run in (straight, broken)]
    assert [json.loads(line)["loss"] for line in lines[0]] == [json.loads(line)["loss"] for line in lines[1]]


def test_new_weights_change_nothing(parts):
    learner = trainee("ltx-video")
    network = learner.network(parts)
    task = learner.task(parts, parts.variant, batch(parts))
    with torch.no_grad():
        before = learner.answer(network, task)
        adapters.prepare(network, learner, Tuning(rank=4, control="canny"))
        assert torch.equal(learner.answer(network, task), before)


@pytest.mark.slow
def test_one_pair_is_learnt_by_heart(tune, pairs, tmp_path):
    data = tmp_path / "one"
    data.mkdir()
    for name in ("clip-0.webp", "clip-0.reference.webp", "clip-0.txt"):
        shutil.copy(pairs / name, data)
    out = tune(
        data=str(data), model="pocket", size="", control="depth-map", steps=100, batch=4, rank=16, alpha=16,
        learning_rate=3e-3, caption_dropout=0.0, image_share=0.0,
    )  # fmt: skip
    values = [json.loads(line)["loss"] for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert np.mean(values[-10:]) < np.mean(values[:3]) / 5


def test_what_is_encoded_is_the_reference(tune, pairs, parts):
    """Its latents are those of the reference's own clip, and another kind of reference is another example."""
    out = tune(data=str(pairs), control="depth-map", steps=1)
    kept = [tensors for file in (out / "cache").iterdir() if "reference" in (tensors := load_file(file))]
    assert len(kept) == 3 and all(one["reference"].shape == one["latents"].shape for one in kept)
    shown = media.read_clip(pairs / "clip-0.reference.webp")[0]
    edged = tune("edges", data=str(pairs), control="canny", steps=1)
    others = [tensors for file in (edged / "cache").iterdir() if "reference" in (tensors := load_file(file))]
    with torch.no_grad():
        wanted = trainee("ltx-video").encode(parts, shown)["latents"]
    assert any(torch.allclose(one["reference"], wanted, atol=1e-5) for one in kept)
    assert not any(torch.allclose(one["reference"], wanted, atol=1e-5) for one in others)


def recipe_for(parts, lora, width=64):
    given = {"prompt": "a square", "sigmas": (1.0, 0.6), "guidance": 1.0, "control": ("depth-map=clip.webp",)}
    sampling = FAMILY.plan(
        Request(lora=(str(lora),), **given), parts.variant, Shape(width, width, 9, 8.0), "text-to-video"
    )
    media_told = {"source": "", "sha256": "", "data": ""}
    return from_plain(Recipe, {
        "family": "ltx-video", "variant": parts.variant.name, "model": "", "revision": "", "task": "text-to-video",
        "prompt": "a square", "caption": "a square", "width": width, "height": width, "num_frames": 9, "fps": 8.0,
        "guidance": 1.0, "seed": 3, "n": 1, "dtype": "float32", "upscale": (),
        "loras": [{"path": str(lora), "scale": 1.0, "sha256": ""}],
        "conditions": [{"frame": 0, "strength": 1.0, "media": media_told, "role": "control:depth"}],
        "encoding": {"format": "gif", "loop": 0, "gif": "good", "quality": 90, "codec": "none", "grid": False,
                     "sheet": False},
        **{name: value for name, value in to_plain(sampling).items() if name != "notes"},
    })  # fmt: skip


def drawn(parts, lora, clip):
    recipe = recipe_for(parts, lora)
    *_, last = FAMILY.denoise(recipe, FAMILY.equip(parts, recipe), [clip], 3)
    return FAMILY.decode(recipe, parts, last)


def test_what_is_learnt_is_drawn_after_a_clip(tune, pairs, parts):
    out = tune(data=str(pairs), control="depth-map", steps=3)
    one, other = (media.read_clip(pairs / f"clip-{number}.reference.webp")[0] for number in (0, 1))
    files = out / "pytorch_lora_weights.safetensors", out / "comfyui" / "run.safetensors"
    after = [drawn(parts, file, one) for file in files]
    assert np.array_equal(*after) and not np.array_equal(drawn(parts, files[0], other), after[0])
    assert "--control depth-map=CLIP" in (out / "README.md").read_text()


def test_a_clip_that_is_followed_leaves_the_words_as_they_are(pairs, tmp_path):
    """A model of certain words is told the ground where no picture shows it; a map does not."""
    file = tmp_path / "depth.safetensors"
    save_file({"transformer.proj_out.lora_A.weight": torch.zeros(1, 4)}, file)
    wish = Request("a rocket on a red background", lora=(str(file),), seed=1)
    followed = dataclasses.replace(wish, control=(f"depth-map={pairs / 'clip-0.reference.webp'}",))
    assert resolve(followed).recipe.caption == resolve(wish).recipe.caption
    shown = dataclasses.replace(wish, image=str(pairs / "clip-0.webp"))
    assert "background" not in resolve(shown).recipe.caption


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"method": "full"}, "learnt as a LoRA"),
        ({"prior": 4}, "follow nothing: leave it out"),
        ({"samples": ("a cat",)}, "this LoRA follows a clip"),
        ({"control": "depth-map"}, "clip-0.webp: has no reference"),
    ],
)
def test_what_cannot_be_followed_is_refused(clips, tiny, wish, said):
    with pytest.raises(UserError, match=said):
        check(Tuning(**{"data": str(clips), "model": str(tiny), "control": "canny", **wish}))


def test_a_model_that_follows_nothing_is_refused(clips, tmp_path):
    families()["flux"].miniature(tmp_path / "flux")
    with pytest.raises(UserError, match="which flux cannot be taught; those that can: ltx-video"):
        check(Tuning(data=str(clips), model=str(tmp_path / "flux"), control="canny"))
