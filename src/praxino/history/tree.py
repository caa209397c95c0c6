"""Entries as the trees that editing makes of them. Pure functions; knows no file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from praxino.history.entry import Entry


@dataclass(frozen=True)
class Node:
    """An entry, and what was made from it."""

    entry: Entry
    children: list[Node] = field(default_factory=list)

    def walk(self) -> Iterator[tuple[tuple[bool, ...], Node]]:
        """This node and all below it, parents first; with each, whether every step there was to a last child."""
        waiting: list[tuple[tuple[bool, ...], Node]] = [((), self)]
        while waiting:
            way, node = waiting.pop()
            yield way, node
            waiting += [((*way, child is node.children[-1]), child) for child in reversed(node.children)]


def forest(entries: Sequence[Entry]) -> list[Node]:
    """The trees of entries, oldest first. One whose parent is not among `entries` begins a tree."""
    nodes = {entry.id: Node(entry) for entry in sorted(entries, key=lambda entry: entry.id)}
    roots = []
    for id, node in nodes.items():
        parent = node.entry.parent
        if parent is not None and parent in nodes and parent < id:
            nodes[parent].children.append(node)
        else:
            roots.append(node)
    return roots


def newest(entries: Sequence[Entry], limit: int, text: str = "") -> list[Entry]:
    """The newest `limit` entries (0: all) that have `text` in them, and all that these came from; oldest first."""
    known = {entry.id: entry for entry in entries}
    matching = [entry for entry in sorted(known.values(), key=lambda entry: entry.id) if _has(entry, text)]
    wanted: dict[int, Entry] = {}
    for entry in matching[-limit:] if limit else matching:
        step: Entry | None = entry
        while step is not None and step.id not in wanted:
            wanted[step.id] = step
            step = known.get(step.parent) if step.parent is not None else None
    return sorted(wanted.values(), key=lambda entry: entry.id)


def _has(entry: Entry, text: str) -> bool:
    return text.casefold() in f"{entry.prompt}\n{entry.path}\n{entry.model}".casefold()
