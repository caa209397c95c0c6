"""Plans as runs choose them: stepped down, told and recorded. Memory is refused by what stands in for it."""

import dataclasses

import numpy as np
import pytest
import torch

from praxino.accel.memory import Memory
from praxino.engine import fitting, loaded
from praxino.engine.machine import Machine
from praxino.engine.resolve import resolve
from praxino.engine.run import draw
from praxino.errors import Cancelled, OutOfMemory, UserError
from praxino.recipe import Lora, Recipe
from praxino.request import Request


@pytest.fixture(autouse=True)
def _nothing_loaded():
    loaded.forget()


@pytest.fixture
def recipe(toy):
    return resolve(Request("a dog", seed=1), find=lambda name: toy.entry, machine=Machine("cpu")).recipe


@pytest.fixture
def own_memory(monkeypatch):
    """The CPU as a device with memory of its own, which networks can be away from."""
    monkeypatch.setattr("praxino.accel.plan.has_own_memory", lambda device: True)


def refuse(toy, monkeypatch, times, problem):
    """Let decoding fail for lack of memory so often."""
    left, decode = [problem] * times, toy.decode

    def refusing(recipe, parts, state):
        if left:
            raise left.pop()
        return decode(recipe, parts, state)

    monkeypatch.setattr(toy, "decode", refusing)


PROBLEMS = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried 8 bytes"),
]


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: type(problem).__name__)
def test_a_run_out_of_memory_goes_on_a_step_lower(toy, recipe, own_memory, monkeypatch, problem):
    straight = draw(recipe, lambda event: None)
    refuse(toy, monkeypatch, 1, problem)
    events = []
    again = draw(recipe, events.append)
    assert np.array_equal(straight[0].frames, again[0].frames)
    (note,) = [event.note for event in events if event.note]
    assert note.startswith("cpu ran out of memory on the plan resident (")
    assert note.endswith("); going on with offload")
    assert toy.loads == 2, "what was loaded for the larger plan has gone"


def test_what_the_allocator_really_refuses(toy, recipe, own_memory, monkeypatch):
    decode, tried = toy.decode, []

    def greedy(recipe, parts, state):
        tried.append(1)
        if len(tried) < 3:
            torch.empty(2**60, dtype=torch.uint8)
        return decode(recipe, parts, state)

    monkeypatch.setattr(toy, "decode", greedy)
    notes = []
    draw(recipe, lambda event: notes.append(event.note))
    assert [note.rpartition(" ")[2] for note in notes if note] == ["offload", "group"]


def test_a_recipes_pixels_are_drawn_or_none(toy, recipe, monkeypatch):
    refuse(toy, monkeypatch, 1, MemoryError("8 GB"))
    with pytest.raises(OutOfMemory, match=r"cpu ran out of memory on the plan resident \(8 GB\), and no smaller one"):
        draw(recipe, lambda event: None)
    assert issubclass(OutOfMemory, MemoryError), "as workers know it"


def test_a_new_wish_may_get_other_pixels_and_the_recipe_says_so(toy, recipe, monkeypatch):
    refuse(toy, monkeypatch, 1, MemoryError())
    notes = []
    as_drawn, _ = fitting.draw_as_fits(recipe, lambda event: notes.append(event.note))
    assert as_drawn == dataclasses.replace(recipe, plan="tiled")
    assert "memory is short: drawn with the plan 'tiled'" in " ".join(notes)
    refuse(toy, monkeypatch, 2, MemoryError())
    assert fitting.draw_as_fits(recipe, lambda event: None)[0].plan == "float8"
    refuse(toy, monkeypatch, 3, MemoryError())
    with pytest.raises(OutOfMemory):
        fitting.draw_as_fits(recipe, lambda event: None)


def test_where_there_is_room_nothing_changes(toy, recipe):
    as_drawn, (drawn,) = fitting.draw_as_fits(recipe, lambda event: None)
    assert as_drawn == recipe
    assert np.array_equal(drawn.frames, draw(recipe, lambda event: None)[0].frames)


@pytest.mark.parametrize("problem", [Cancelled("stop"), UserError("no"), RuntimeError("shapes differ")])
def test_other_trouble_is_not_met_with_another_plan(toy, recipe, own_memory, monkeypatch, problem):
    refuse(toy, monkeypatch, 1, problem)
    with pytest.raises(type(problem)):
        draw(recipe, lambda event: None)
    assert toy.loads == 1


def test_weights_in_8_bits_are_not_laid_over(recipe):
    tiled = dataclasses.replace(recipe, plan="tiled")
    assert fitting.smaller(tiled).plan == "float8"
    assert fitting.smaller(dataclasses.replace(tiled, loras=(Lora("x", 1.0, ""),))) is None
    assert fitting.smaller(dataclasses.replace(tiled, plan="float8")) is None


def test_a_plan_of_a_newer_praxino_is_refused(toy, recipe):
    with pytest.raises(UserError, match="the recipe's plan is 'int4'"):
        draw(dataclasses.replace(recipe, plan="int4"), lambda event: None)
    assert toy.loads == 0


def test_recipes_of_before_are_read_and_are_the_same(recipe):
    plain = recipe.to_json()
    assert "plan" not in plain
    assert Recipe.from_json(plain) == recipe
    assert dataclasses.replace(recipe, plan="tiled").identity() != recipe.identity()


def test_a_checkpoint_outlives_a_change_of_plan(toy, recipe, monkeypatch, tmp_path):
    """The folder is that of the wish; what was saved for other pixels is not gone on with."""
    from praxino.engine.checkpoint import resolve_or_resume
    from praxino.engine.resolve import Resolution

    resolve_or_resume(Request("a dog", seed=1), tmp_path, Resolution(recipe, ()))
    refuse(toy, monkeypatch, 1, MemoryError())
    as_drawn, _ = fitting.draw_as_fits(recipe, lambda event: None, checkpoint=tmp_path)
    assert as_drawn.plan == "tiled"


def test_free_memory_counts_what_can_go(monkeypatch):
    monkeypatch.setattr(loaded, "memory_of", lambda device: Memory(100, 1000, 100, has_own=False))
    key = loaded.Key("a", "r", "float32", "cpu", in_float8=False)
    loaded.take(key, "a", torch.nn.Linear(4, 4, bias=False).requires_grad_, 0)
    loaded.measure(key)
    assert loaded.memory("cpu").device_free == 100 + 64
