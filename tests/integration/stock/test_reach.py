"""What of long prompts is not read is told, beside the tokens that the pipelines' own tokenizers make."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from praxino.families import Shape, _tokens
from praxino.request import Request

LONG = " ".join(f"word{number}" for number in range(300))
READERS = {
    "sd3": [("CLIP", "tokenizer", 77), ("T5", "tokenizer_3", 256)],
    "auraflow": [("UMT5", "tokenizer", 256)],
    "hunyuan-dit": [("BERT", "tokenizer", 77), ("T5", "tokenizer_2", 256)],
    "qwen-image": [("Qwen2.5-VL", "tokenizer", 512)],
}
"""Of pipelines that write nothing before a prompt that counts."""
TOLD = {"lumina-image-2": ("Gemma 2", 256), "z-image": ("Qwen3", 512), "flux2": ("Qwen3", 512)}


def notes(model: Any, prompt: str, **wish: Any) -> tuple[str, ...]:
    task = wish.pop("task", model.variant.tasks[0])
    return model.family.plan(Request(prompt=prompt, **wish), model.variant, Shape(64, 64, 1, 1.0), task).notes


@pytest.mark.parametrize("name", READERS)
def test_what_is_left_out_is_what_the_tokenizer_cuts(models, name: str) -> None:
    model = models(name)
    assert notes(model, "a red cat", negative_prompt="dull") == ()
    told = notes(model, LONG)
    assert len(told) == len(READERS[name])
    for note, (reader, component, limit) in zip(told, READERS[name], strict=True):
        tokenizer = model.parts.base.components[component]
        cut = tokenizer(LONG, truncation=True, max_length=limit).input_ids
        whole = tokenizer(LONG, verbose=False).input_ids
        assert len(cut) == limit < len(whole)
        kept = tokenizer.decode(cut, skip_special_tokens=True).replace(" ", "")
        assert note.startswith(f"{reader} reads {limit} tokens of the prompt; ")
        shown = note.partition("it does not read: ")[2].strip("'").removesuffix("...").replace(" ", "")
        assert len(shown) > 40
        assert LONG.replace(" ", "").startswith(kept + shown)


@pytest.mark.parametrize("name", TOLD)
def test_what_a_pipeline_writes_before_a_prompt_counts(models, name: str) -> None:
    model, (reader, limit) = models(name), TOLD[name]
    assert notes(model, "a red cat") == ()
    (note,) = notes(model, LONG)
    assert note.startswith(f"{reader} reads {limit} tokens of the prompt; it does not read: ")
    first, second = notes(model, LONG, negative_prompt=LONG, guidance=4.0)
    assert first == note and "the negative prompt" in second


def test_a_prompt_is_read_whole_up_to_the_last_token(models) -> None:
    model = models("auraflow")
    assert notes(model, "x" * 255) == ()
    (note,) = notes(model, "x" * 255 + "y")
    assert note.endswith("it does not read: 'y'")


def test_an_editor_cuts_nothing(models) -> None:
    assert notes(models("qwen-image", "qwen-image-edit"), LONG) == ()


def test_a_tokenizer_that_cannot_be_read_is_no_silence(models, tmp_path) -> None:
    import dataclasses

    model = models("auraflow")
    elsewhere = dataclasses.replace(model.variant, options={**model.variant.options, "home": str(tmp_path)})
    told = model.family.plan(Request(prompt=LONG), elsewhere, Shape(64, 64, 1, 1.0), "text-to-image").notes
    assert told == (
        "UMT5 reads 256 tokens of the prompt; its tokenizer cannot be read here, so an end of it may be left out",
    )


TEXTS = ("A red cat, isn't it?", "ein süßes Kätzchen 123", "  two\n\nlines ", "日本語 中文 text")


def test_qwens_tokenizer_is_transformers_own(tmp_path: Path) -> None:
    from transformers import Qwen2Tokenizer

    from praxino.families._stock import tiny

    letters = json.loads(tiny.byte_tokenizer(8).backend_tokenizer.to_str())["model"]["vocab"]
    pairs = [("Ġ", "c"), ("a", "t"), ("Ġc", "at"), ("r", "e"), ("re", "d")]
    vocabulary = {**letters, **{one + other: len(letters) + index for index, (one, other) in enumerate(pairs)}}
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(map(" ".join, pairs)) + "\n")
    theirs = Qwen2Tokenizer(vocab=vocabulary, merges=pairs)
    for text in TEXTS:
        assert _tokens.read(tmp_path).encode(text).ids == theirs(text).input_ids


def test_berts_tokenizer_is_transformers_own(tmp_path: Path) -> None:
    from transformers import BertTokenizer

    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "a",
        "red",
        "cat",
        ",",
        "is",
        "##n",
        "'",
        "t",
        "it",
        "?",
        "日",
    ]
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n")
    theirs = BertTokenizer(vocab={word: index for index, word in enumerate(words)})
    for text in TEXTS:
        assert _tokens.read(tmp_path).encode(text).ids == theirs(text).input_ids
