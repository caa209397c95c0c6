"""Answers of encoders on disk: what is kept comes back bit for bit, and what cannot be told apart is not kept."""

import os

import pytest
import torch
from transformers.modeling_outputs import BaseModelOutput

from praxino.accel.answers import Answers

CPU = torch.device("cpu")


@pytest.fixture
def answers(tmp_path):
    return Answers(tmp_path / "answers", 2**20)


def kept(answers, answer, asked="a question"):
    key = answers.key(asked)
    answers.keep(key, answer)
    return answers.read(key, CPU)


def test_an_answer_comes_back_bit_for_bit_in_its_class_and_layout(answers):
    state = torch.randn(2, 3, 4).transpose(1, 2)
    found = kept(answers, BaseModelOutput(last_hidden_state=state, hidden_states=(state, state.bfloat16())))
    assert type(found) is BaseModelOutput
    assert torch.equal(found.last_hidden_state, state)
    assert found.last_hidden_state.stride() == state.stride()
    assert found.hidden_states[1].dtype == torch.bfloat16
    assert isinstance(found.hidden_states, tuple)


@pytest.mark.parametrize("answer", [(1, None, "word"), [torch.arange(3)], {"a": torch.zeros(0)}])
def test_plain_containers_come_back(answers, answer):
    assert repr(kept(answers, answer)) == repr(answer)


def test_every_part_of_a_question_counts(answers):
    ids = torch.tensor([[1, 2, 3]])
    asked = [
        ["t5", ids], ["umt5", ids], ["t5", ids.int()], ["t5", ids.T], ["t5", ids + 1], ["t5", ids, None],
        ["t5", {"input_ids": ids}], ["t5", {"ids": ids}], [["t5", ids]], ["t5", 1], ["t5", True], ["t5", "1"],
    ]  # fmt: skip
    assert len({answers.key(question) for question in asked}) == len(asked)
    assert answers.key(["t5", ids]) == answers.key(["t5", ids.clone()])


def test_what_no_file_can_hold_is_not_kept(answers, tmp_path):
    assert answers.key(["t5", object()]) is None
    answers.keep("odd", BaseModelOutput(last_hidden_state=object()))
    answers.keep("large", torch.zeros(2**18))
    assert not (tmp_path / "answers").exists()


def test_those_not_used_for_longest_make_room(answers, tmp_path):
    for index in range(6):
        answers.keep(f"{index}", torch.zeros(2**16 - 2**10) + index)
        os.utime(tmp_path / "answers" / f"{index}.safetensors", (index, index))
        if index == 3:
            os.utime(tmp_path / "answers" / "0.safetensors", (100, 100))
    assert sorted(file.stem for file in (tmp_path / "answers").iterdir()) == ["0", "3", "4", "5"]


def test_a_damaged_file_is_no_answer_and_is_written_anew(answers, tmp_path):
    kept(answers, torch.ones(3))
    (file,) = (tmp_path / "answers").iterdir()
    file.write_bytes(file.read_bytes()[:20])
    assert answers.read(file.stem, CPU) is None
    assert torch.equal(kept(answers, torch.ones(3)), torch.ones(3))


def test_only_classes_of_transformers_are_made_from_a_file(answers, tmp_path):
    kept(answers, BaseModelOutput(last_hidden_state=torch.ones(1)))
    (file,) = (tmp_path / "answers").iterdir()
    name = b"transformers.modeling_outputs:BaseModelOutput"
    file.write_bytes(file.read_bytes().replace(name, b"subprocess:Popen".ljust(len(name))))
    assert answers.read(file.stem, CPU) is None
