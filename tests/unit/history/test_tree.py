import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from praxino.history import Entry, forest, newest

ENTRY = Entry(1, "2026-01-01T00:00:00+00:00", "/cat.png", "", "", "a cat", "pocket", "")


def entries(*parents, **prompts):
    return [
        dataclasses.replace(ENTRY, id=id, parent=parent, prompt=prompts.get(f"p{id}", "a cat"))
        for id, parent in enumerate(parents, 1)
    ]


def shape(node):
    return {node.entry.id: [shape(child) for child in node.children]}


def test_each_is_below_what_it_was_made_from():
    trees = forest(entries(None, 1, 1, 2, None, 9))
    assert [shape(tree) for tree in trees] == [{1: [{2: [{4: []}]}, {3: []}]}, {5: []}, {6: []}]
    walked = [(node.entry.id, way) for way, node in trees[0].walk()]
    assert walked == [(1, ()), (2, (False,)), (4, (False, True)), (3, (True,))]


@given(st.lists(st.none() | st.integers(-2, 12), max_size=12))
def test_all_entries_are_in_the_trees_once_whatever_their_parents(parents):
    chain = entries(*parents)
    walked = [node.entry.id for tree in forest(chain) for _, node in tree.walk()]
    assert sorted(walked) == [entry.id for entry in chain]
    assert {entry.id for entry in newest(chain, 0)} == set(walked)


def test_a_very_long_chain():
    chain = entries(None, *range(1, 3000))
    (tree,) = forest(chain)
    assert sum(1 for _ in tree.walk()) == 3000
    assert len(newest(chain, 1)) == 3000


def test_the_newest_come_with_what_they_came_from():
    chain = entries(None, 1, 1, 3, None, 4)
    assert [entry.id for entry in newest(chain, 1)] == [1, 3, 4, 6]
    assert [entry.id for entry in newest(chain, 2)] == [1, 3, 4, 5, 6]
    assert len(newest(chain, 0)) == 6


def test_text_is_found_in_prompt_file_and_model():
    chain = entries(None, 1, 2, p2="A RED hat")
    assert [entry.id for entry in newest(chain, 5, "red")] == [1, 2]
    assert len(newest(chain, 5, "cat.png")) == len(newest(chain, 5, "POCKET")) == 3
    assert newest(chain, 5, "dog") == []
