"""A way through a workflow's graph: values by name and type, and the nodes that something was taken from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from praxino.errors import UserError
from praxino.foreign.comfy_graph import Graph, Link, Node
from praxino.foreign.settings import Draft

_VALUES = ("value", "text", "string", "int", "float", "number", "seed")
"""Inputs in which nodes keep a value that they only hand on."""
_LARGEST = 2**65
"""No number in a workflow is as large; seeds have 64 bits."""
_FOLDER = re.compile(r" \[(input|output|temp)\]$")


class Walk:
    """One reading of a graph into a draft."""

    def __init__(self, graph: Graph, program: str) -> None:
        self.graph = graph
        self.draft = Draft(program)
        self._used: set[str] = set()

    def used(self, node: Node, *kinds: str) -> None:
        """Note that something was taken from a node (if it is of one of `kinds`)."""
        if not kinds or node.kind in kinds:
            self._used.add(node.id)

    def is_used(self, node: Node) -> bool:
        """Whether something was taken from a node."""
        return node.id in self._used

    def rest(self) -> Iterator[Node]:
        """The nodes that nothing was taken from."""
        return (node for id, node in self.graph.nodes.items() if id not in self._used)

    def error(self, said: str) -> UserError:
        """An error about the whole workflow."""
        kinds = ", ".join(sorted({node.kind[:40] for node in self.graph.nodes.values()})[:12])
        return UserError(f"{said}.\nIt has: {kinds}")

    def source(self, node: Node, name: str) -> Node | None:
        """The node that an input comes from, past reroutes."""
        link = node.inputs.get(name)
        while isinstance(link, Link):
            here = self.graph.nodes[link.node]
            if here.kind != "Reroute":
                return here
            link = next((link for _, link in here.links()), None)
        return None

    def value(self, node: Node, name: str) -> Any:
        """A value, also one that a node of a single value hands on; None when there is none."""
        value = node.inputs.get(name)
        if not isinstance(value, Link):
            return value
        origin = self.source(node, name)
        inputs = origin.inputs if origin is not None else {}
        held = [key for key in _VALUES if key in inputs and not isinstance(inputs[key], Link)]
        if origin is None or not held:
            self.draft.leave(f"{name} of {node}", f"it is worked out by {origin}")
            return None
        self.used(origin)
        return origin.inputs[held[0]]

    def text(self, node: Node, name: str) -> str:
        """A text, or "" when there is none. Raises UserError when it is something else."""
        value = self.value(node, name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise UserError(f"{node} has {name} {_shown(value)}, which is no text.")
        return value

    def file(self, node: Node, name: str) -> str:
        """The name of a file with slashes, without the folder that ComfyUI adds in brackets."""
        return _FOLDER.sub("", self.text(node, name).replace("\\", "/"))

    def number(self, node: Node, name: str, kind: type) -> Any:
        """A finite number, or None when there is none. Raises UserError when it is something else."""
        value = self.value(node, name)
        if value is None:
            return None
        fits = isinstance(value, int | float) and not isinstance(value, bool) and -_LARGEST < value < _LARGEST
        if not fits or (kind is int and value != int(value)):
            raise UserError(f"{node} has {name} {_shown(value)}, which is no {'whole ' if kind is int else ''}number.")
        return kind(value)

    def put(self, node: Node, name: str, field: str, kind: type) -> None:
        """Put a number into a field, or list it."""
        value = self.number(node, name, kind)
        if value is not None:
            self.draft.put(field, value, f"{name} {value} of {node}")


def _shown(value: Any) -> str:
    return repr(value)[:60]
