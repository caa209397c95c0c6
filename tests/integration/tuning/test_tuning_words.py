"""Textual inversion: a new word begins as its initial words, alone is trained, and is read wherever such files are."""

import json

import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors.torch import load_file

from praxino.engine.resolve import resolve
from praxino.errors import UserError
from praxino.families import families
from praxino.recipe import Companion
from praxino.request import Request
from praxino.training.tuning.examples import check
from praxino.training.tuning.inversion import NewWord
from praxino.training.tuning.run import Run, train
from praxino.training.tuning.settings import Tuning
from praxino.training.tuning.trainee import trainee

PIPELINES = {"stable-diffusion": StableDiffusionPipeline, "sdxl": StableDiffusionXLPipeline}
WORD = {
    "method": "textual-inversion", "trigger": "<zib>", "initial_words": "robot", "caption_dropout": 0.0,
    "learning_rate": 5e-2, "size": "64x64",
}  # fmt: skip
VECTORS = 5
"""Of "robot": the miniatures' tokenizers spell."""


@pytest.fixture(scope="module", params=PIPELINES)
def family(request):
    return families()[request.param]


@pytest.fixture(scope="module")
def folder(family, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / family.name
    family.miniature(folder)
    return folder


@pytest.fixture
def parts(family, folder):
    return family.load(folder, family.identify(folder), "float32", "cpu")


@torch.no_grad()
def read(family, parts, caption):
    return trainee(family.name).read(parts, caption)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_new_word_means_its_initial_words(family, parts):
    before = read(family, parts, "a robot cat")
    word = NewWord(parts.base, Tuning(**WORD))
    assert all(len(rows) == VECTORS for rows in word.parameters())
    assert same(read(family, parts, "a <zib> cat"), before) and same(read(family, parts, "a robot cat"), before)
    with torch.no_grad():
        next(word.parameters()).add_(0.1)
    assert not same(read(family, parts, "a <zib> cat"), before) and same(read(family, parts, "a robot cat"), before)


@pytest.mark.parametrize("count", [1, 8])
def test_as_many_vectors_as_are_asked_for(family, parts, count):
    word = NewWord(parts.base, Tuning(**WORD, vectors=count))
    assert all(rows.shape[0] == count for rows in word.parameters())
    begun = read(family, parts, f"a {'robot'[:count]}")
    assert count > 1 or begun["states"].shape == read(family, parts, "a <zib>")["states"].shape
    table = parts.base.text_encoder.get_input_embeddings()
    assert torch.equal(table.weight[table.first :][:count], next(word.parameters()))


def test_its_gradient_is_the_losses_slope(family, parts):
    """Through both encoders and the network, against a difference of losses in float64."""
    learner = trainee(family.name)
    for network in parts.base.components.values():
        if isinstance(network, torch.nn.Module):
            network.double()
    word = NewWord(parts.base, Tuning(**WORD)).double()
    chance = torch.Generator().manual_seed(0)
    sample = torch.randn(1, 4, 8, 8, generator=chance).double()

    def loss():
        said = learner.read(parts, "a <zib> cat")
        added = {"text_embeds": said["pooled"][None].double(), "time_ids": torch.ones(1, 6).double()} if (
            "pooled" in said) else None  # fmt: skip
        states = said["states"][None].double()
        return parts.base.unet(sample, torch.tensor([500]), states, added_cond_kwargs=added)[0].square().mean()

    loss().backward()
    for rows in word.parameters():
        way = torch.randn(rows.shape, generator=chance).double()
        with torch.no_grad():
            rows += 1e-3 * way
            up = loss()
            rows -= 2e-3 * way
            down = loss()
            rows += 1e-3 * way
        assert float((rows.grad * way).sum()) == pytest.approx(float(up - down) / 2e-3, rel=1e-2)


def test_it_alone_is_trained_and_a_run_taken_up_again_is_the_unbroken_one(family, folder, tune):
    wish = {**WORD, "model": str(folder), "steps": 20, "batch": 1, "ema": 0.9}
    straight = tune("straight", **wish)
    tune("broken", stop_after=11, **wish)
    broken = tune("broken", resume=True, **wish)
    losses = [(run / "metrics.jsonl").read_text().splitlines() for run in (straight, broken)]
    assert [json.loads(line)["loss"] for line in losses[0]] == [json.loads(line)["loss"] for line in losses[1]]
    assert same(learnt(straight), learnt(broken)) and len(losses[0]) == 20
    (state,) = (straight / "state").glob("*.safetensors")
    trained = [name for name in load_file(state) if name.startswith("model/")]
    assert trained == (["model/clip_g", "model/clip_l"] if family.name == "sdxl" else ["model/clip_l"])


def learnt(folder):
    return load_file(folder / "learned_embeds.safetensors")


def test_what_is_learnt_is_read_by_praxino_and_diffusers(family, folder, parts, tune):
    out = tune(**{**WORD, "model": str(folder), "steps": 3})
    found = learnt(out)
    assert found.keys() == ({"clip_l", "clip_g"} if family.name == "sdxl" else {"<zib>"})
    assert all(len(rows) == VECTORS for rows in found.values())
    before = read(family, parts, "a <zib> cat")
    file = out / "learned_embeds.safetensors"
    family.equip(parts, recipe_with(Companion("embedding:<zib>", str(file))))
    pipeline = PIPELINES[family.name].from_pretrained(folder)
    if family.name == "sdxl":
        for name, encoder, tokenizer in (
            ("clip_l", pipeline.text_encoder, pipeline.tokenizer),
            ("clip_g", pipeline.text_encoder_2, pipeline.tokenizer_2),
        ):
            pipeline.load_textual_inversion(found[name], "<zib>", tokenizer, encoder)
    else:
        pipeline.load_textual_inversion(out)

    class Plain:
        base, device = pipeline, torch.device("cpu")

    here, there = read(family, parts, "a <zib> cat"), read(family, Plain, "a <zib> cat")
    assert same(here, there) and not same(here, before)
    family.equip(parts, recipe_with())
    assert same(read(family, parts, "a <zib> cat"), before)


def recipe_with(*found):
    class Recipe:
        loras, options, conditions, prompt, negative_prompt = (), {}, (), "", ""

    Recipe.companions = found
    return Recipe


def test_samples_are_drawn_with_the_word(folder, clips, tmp_path):
    def recipe_of(prompt, seed, index):
        return resolve(Request(prompt, model=str(folder), seed=seed, steps=1)).recipe

    def run(out, **wish):
        tuning = Tuning(
            data=str(clips), model=str(folder), out=str(tmp_path / out), steps=1, sample_every=1,
            samples=("a <zib>",), **{**WORD, "warmup": 0, **wish},
        )  # fmt: skip
        (picture,) = (train(Run(tuning, recipe_of=recipe_of)) / "samples").iterdir()
        return picture.read_bytes()

    assert run("one", learning_rate=0.0) != run("other", learning_rate=10.0)


def test_a_word_learns_what_another_means(family, parts):
    """What the network answers to a word that it knows is the target: a random one can be taught nothing else."""
    learner, target = trainee(family.name), read(family, parts, "a robot cat")
    word = NewWord(parts.base, Tuning(**{**WORD, "initial_words": "mouse"}))
    sample = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    optimizer, losses = torch.optim.Adam(word.parameters(), 1e-2), []

    def answer(said):
        added = {"text_embeds": said["pooled"][None], "time_ids": torch.ones(1, 6)} if "pooled" in said else None
        return parts.base.unet(sample, torch.tensor([500]), said["states"][None], added_cond_kwargs=added)[0]

    with torch.no_grad():
        wanted = answer(target)
    for _ in range(100):
        loss = (answer(learner.read(parts, "a <zib> cat")) - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 5


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"trigger": ""}, "give the new word a name"),
        ({"trigger": "a robot"}, "give the new word a name"),
        ({"trigger": "a"}, "knows the token 'a' already"),
        ({"initial_words": " "}, "say roughly what the new word means"),
        ({"caption_dropout": 0.1}, "teaches no word: make it 0"),
        ({"prior": 4}, "forget nothing"),
        ({"optimizer": "muon"}, "choose adamw"),
        ({"method": "lora"}, "method = \"textual-inversion\", not 'lora'"),
        ({"model": "pocket"}, "reads no textual inversions"),
    ],
)
def test_what_teaches_no_word_is_refused_before_anything_is_loaded(folder, clips, wish, said):
    with pytest.raises(UserError, match=said):
        check(Tuning(data=str(clips), **{"model": str(folder), **WORD, **wish}))


def test_a_word_that_is_known_already_is_refused(parts):
    with pytest.raises(UserError, match="knows the token 'a' already"):
        NewWord(parts.base, Tuning(**{**WORD, "trigger": "a"}))
