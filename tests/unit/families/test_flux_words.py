"""Tokenizers without transformers, against transformers' own."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from transformers import CLIPTokenizer, PreTrainedTokenizerFast

from praxino.errors import ModelError
from praxino.families._stock import clip_tokenizer as written
from praxino.families.flux.miniature import make_t5_tokenizer
from praxino.families.flux.words import CLIP_TOKENS, clip_tokenizer, t5_tokenizer, unread_notes


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Byte by byte, but for "cat" and the beginning of "can"."""
    folder = tmp_path_factory.mktemp("words")
    written.write(folder / "tokenizer")
    vocabulary = json.loads((folder / "tokenizer" / "vocab.json").read_text())
    for piece in ("ca", "cat</w>", "##</w>"):
        vocabulary[piece] = len(vocabulary)
    (folder / "tokenizer" / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "tokenizer" / "merges.txt").write_text("#version: 0.2\n# #</w>\nc a\nca t</w>\n")
    make_t5_tokenizer(folder / "tokenizer_2")
    return folder


@pytest.fixture(scope="module")
def clip(home):
    return CLIPTokenizer.from_pretrained(home / "tokenizer")


@pytest.fixture(scope="module")
def t5(home):
    return PreTrainedTokenizerFast.from_pretrained(home / "tokenizer_2")


def theirs(tokenizer, text: str, max_tokens: int) -> list[int]:
    """As black-forest-labs/flux calls them (modules/conditioner.py)."""
    return tokenizer(text, truncation=True, max_length=max_tokens, padding="max_length")["input_ids"]


@example("cat can cats ## a cat")
@example("A cat's  whiskers\n\t<|endoftext|> can't 42 ½ Ünïcode 猫!?")
@example("")
@given(text=st.text(max_size=120))
def test_clip_reads_what_transformers_reads(home, clip, text):
    assert clip_tokenizer(home / "tokenizer").ids(text, CLIP_TOKENS) == theirs(clip, text, CLIP_TOKENS)


@example("a red cat running")
@example("")
@given(text=st.text(max_size=60))
def test_t5_reads_what_transformers_reads(home, t5, text):
    assert t5_tokenizer(home / "tokenizer_2").ids(text, 16) == theirs(t5, text, 16)


def test_a_saved_fast_tokenizer_is_read_alike(home, clip, tmp_path):
    clip.save_pretrained(tmp_path)
    assert (tmp_path / "tokenizer.json").is_file()
    text = "a photo of a cat, 4k"
    assert clip_tokenizer(tmp_path).ids(text, 77) == clip_tokenizer(home / "tokenizer").ids(text, 77)


@pytest.mark.parametrize("length", [0, 1, 74, 75, 76, 200])
def test_what_clip_does_not_read_is_told_to_the_letter(home, length):
    text = " ".join("abcde"[i % 5] for i in range(length))
    unread = clip_tokenizer(home / "tokenizer").unread(text, CLIP_TOKENS)
    assert unread == text[75 * 2 :].strip()


@pytest.mark.parametrize(("words", "unread"), [(3, ""), (7, ""), (8, "cat"), (10, "cat cat cat")])
def test_what_t5_does_not_read_is_told_to_the_word(home, words, unread):
    assert t5_tokenizer(home / "tokenizer_2").unread(" ".join(["cat"] * words), 8) == unread


def test_notes_name_the_encoder_its_limit_and_what_it_leaves_out(home, tmp_path):
    assert list(unread_notes("a cat", home, 512)) == []
    prompt = " ".join(["cat"] * 80)
    clip_note, t5_note = unread_notes(prompt, home, 64)
    assert clip_note == f"CLIP reads 77 tokens of the prompt; it does not read: {' '.join(['cat'] * 5)!r}"
    assert t5_note.startswith("T5 reads 64 tokens of the prompt; it does not read: 'cat cat ")
    (long_note,) = unread_notes("cat " * 200, home, 512)
    assert long_note.endswith("...'")
    assert len(long_note) < 140
    assert list(unread_notes(prompt, tmp_path, 32)) == []


def test_a_damaged_tokenizer_is_a_model_error(tmp_path):
    (tmp_path / "vocab.json").write_text("{}")
    (tmp_path / "merges.txt").write_text("")
    for read in (clip_tokenizer, t5_tokenizer):
        with pytest.raises(ModelError, match="tokenizer"):
            read(tmp_path)
