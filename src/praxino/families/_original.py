"""Checkpoints as their authors publish them, written once as folders of the diffusers layout.

A family whose authors have a layout of their own has a module `original` with a function `find(folder)`; it tells by
names of files alone whether that layout is there, and how it is written with a `Writer`. Pickles are read by whoever
calls, with the function that is passed along. No torch before something is written.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import pkgutil
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from praxino import families
from praxino.errors import ModelError
from praxino.families import _streamed
from praxino.families._stock.checkpoint import read_json

if TYPE_CHECKING:
    from torch import Tensor

Tensors = Mapping[str, "Tensor"]
Read = Callable[[Path], dict[str, "Tensor"]]
"""The tensors of a file, mapped from it."""
SAFE, PICKLED = ".safetensors", (".pth", ".pt", ".bin")
CARD = "praxino.json"
NOT_WEIGHTS = (".json", ".txt", ".model", ".jinja")


@dataclass(frozen=True)
class Original:
    """A checkpoint in its authors' layout."""

    title: str
    """Whose it is, as in "Wan"."""
    files: tuple[Path, ...]
    """The weights that are read."""
    write: Callable[[Read, Writer], None]
    runs: bool = False
    """Whether it is run as it lies there, too."""


@dataclass
class Writer:
    """A folder of the diffusers layout that is being written."""

    folder: Path
    index: dict[str, Any] = field(default_factory=dict)
    """What its model_index.json will say of the components so far."""

    def network(self, name: str, kind: str, config: Mapping[str, Any], tensors: Tensors) -> None:
        """Write a component.

        Args:
            name: of the component.
            kind: its class, as in "diffusers.AutoencoderKLWan".
            config: what its class is made with.
            tensors: its weights in that class' names.

        Raises:
            ModelError: weights are missing, left over or of other shapes.
        """
        library, _, class_name = kind.partition(".")
        network = _empty(library, class_name, config)
        _check(name, network, tensors)
        home = self.folder / name
        home.mkdir(parents=True, exist_ok=True)
        if library == "diffusers":
            network.save_config(home)
        else:
            network.config.architectures = [class_name]
            network.config.save_pretrained(home)
        _streamed.write_shards(home, "diffusion_pytorch_model" if library == "diffusers" else "model", tensors)
        self.index[name] = [library, class_name]

    def copy(self, name: str, source: Path, kind: str) -> None:
        """Copy a network that lies in a folder as transformers write it, of a class as in "transformers.LlamaModel"."""
        self._copy(name, [file for file in source.iterdir() if file.name.endswith((SAFE, *NOT_WEIGHTS))])
        self.index[name] = kind.split(".", 1)

    def tokenizer(self, name: str, source: Path) -> None:
        """Copy the tokenizer that lies in a folder, perhaps beside a network."""
        small = [file for file in source.iterdir() if file.name.endswith(NOT_WEIGHTS)]
        self._copy(name, [file for file in small if not _is_of_a_network(file.name)])
        told = read_json(source / "tokenizer_config.json")
        self.index[name] = ["transformers", told.get("tokenizer_class", "PreTrainedTokenizerFast")]

    def json(self, path: str, data: Mapping[str, Any]) -> None:
        """Write a small file, as in "scheduler/scheduler_config.json"."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(data, indent=2, ensure_ascii=False), encoding="utf-8")

    def pipeline(self, class_name: str, scheduler: Mapping[str, Any], **more: Any) -> None:
        """Write the scheduler and, last, model_index.json. `more` is what it says beside the components."""
        self.json("scheduler/scheduler_config.json", scheduler)
        self.index["scheduler"] = ["diffusers", scheduler["_class_name"]]
        self.json("model_index.json", {"_class_name": class_name, **self.index, **more})

    def _copy(self, name: str, files: list[Path]) -> None:
        (self.folder / name).mkdir(parents=True, exist_ok=True)
        for file in sorted(files):
            shutil.copyfile(file, self.folder / name / file.name)


def find(folder: Path) -> Original | None:
    """The checkpoint in its authors' layout that lies in a folder; None for anything else."""
    if not folder.is_dir() or (folder / "model_index.json").is_file():
        return None
    return next((found for look in _finders() if (found := look(folder.resolve())) is not None), None)


def weights(folder: Path, stem: str) -> Path | None:
    """A file of weights by its name without an ending: safetensors, or else a pickle."""
    return next((file for end in (SAFE, *PICKLED) if (file := folder / f"{stem}{end}").is_file()), None)


def without_prefix(tensors: Tensors, prefix: str) -> dict[str, Tensor]:
    """Tensors of names that begin so, without that beginning; all where none do."""
    inside = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    return inside or dict(tensors)


def shapes_of(tensors: Tensors) -> dict[str, tuple[int, ...]]:
    """Every tensor's shape by name."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _is_of_a_network(name: str) -> bool:
    """Whether a tokenizer has no use for a small file."""
    return name == "config.json" or name.endswith(".index.json")


def _finders() -> Iterator[Callable[[Path], Original | None]]:
    for module in pkgutil.iter_modules(families.__path__):
        name = f"{families.__name__}.{module.name}.original"
        if module.ispkg and not module.name.startswith("_") and importlib.util.find_spec(name):
            yield importlib.import_module(name).find


def _empty(library: str, class_name: str, config: Mapping[str, Any]) -> Any:
    """A network without weights."""
    from accelerate import init_empty_weights

    kind = getattr(importlib.import_module(library), class_name)
    with init_empty_weights():
        return kind.from_config(config) if library == "diffusers" else kind(kind.config_class(**config))


def _check(name: str, network: Any, tensors: Tensors) -> None:
    tied = set(getattr(network, "_tied_weights_keys", None) or ())
    wanted = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items() if key not in tied}
    found = {key: shape for key, shape in shapes_of(tensors).items() if key not in tied}
    wrong = sorted(key for key in {*wanted, *found} if wanted.get(key) != found.get(key))
    if wrong:
        raise ModelError(
            f"the {name} is not whole, or of another kind than is known here: {wrong[0]} is "
            f"{found.get(wrong[0], 'missing')}, wanted is {wanted.get(wrong[0], 'no such weight')}"
            + (f"; {len(wrong) - 1} more are wrong." if len(wrong) > 1 else ".")
        )
