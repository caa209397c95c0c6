"""Loading a diffusers folder, and the pipeline of a recipe over its networks. Never asks the network for anything."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
import transformers

from praxino.errors import ModelError
from praxino.families import Variant
from praxino.families._stock import original, schedulers
from praxino.families._stock.checkpoint import Folder, read_json, read_shapes
from praxino.recipe import Recipe

if TYPE_CHECKING:
    from praxino.families._stock.family import StockFamily

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass
class Parts:
    """A loaded checkpoint."""

    base: Any
    """The diffusers pipeline that the checkpoint was loaded into; it owns the networks."""
    variant: Variant
    device: torch.device
    dtype: torch.dtype
    kept: dict[str, Any] = field(default_factory=dict)
    """What is loaded or worked out once and used again: companions by role, and what else a module names here."""


def load(family: StockFamily, path: Path, variant: Variant, dtype: str, device: str) -> Parts:
    """See `Family.load`."""
    kind = diffusers_class(family.pipeline_of(variant, variant.tasks[0]))
    with quiet(), damaged(path):
        if path.is_file():
            base = family.load_file(path, variant, kind, DTYPES[dtype])
        else:
            more = family.reader(path) if family.reader else {}
            dtypes = {"default": DTYPES[dtype], **dict.fromkeys(family.float32, torch.float32)}
            base = from_folder(path, kind, dtypes if family.float32 else DTYPES[dtype], more)
    return Parts(settled(base, torch.device(device)), variant, torch.device(device), DTYPES[dtype])


def settled(pipeline: Any, device: torch.device) -> Any:
    """A pipeline whose networks are on a device, to be run and not trained."""
    for network in pipeline.components.values():
        if isinstance(network, torch.nn.Module):
            network.requires_grad_(False).eval().to(device)
    return pipeline


def diffusers_class(name: str) -> Any:
    """A class of diffusers by its name, or one of another module by "MODULE:NAME"."""
    module, _, kind = name.rpartition(":")
    return getattr(importlib.import_module(module or "diffusers"), kind)


def pipeline_for(family: StockFamily, parts: Parts, recipe: Recipe) -> Any:
    """The pipeline of a recipe's task, over the loaded networks, with a fresh scheduler."""
    more = family.components(parts, recipe)
    kind = diffusers_class(family.pipeline_name(recipe, parts))
    scheduler = schedulers.make(parts.base.scheduler, recipe.scheduler, family.schedulers)
    with quiet(), _cast_no_more([parts.base.components[name] for name in family.float32]):
        pipeline = kind.from_pipe(parts.base, scheduler=scheduler, dtype=parts.dtype, **more)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@contextmanager
def _cast_no_more(networks: list[Any]) -> Iterator[None]:
    """Keep `from_pipe`, which casts all networks that it is given, from these."""
    for network in networks:
        network.to = lambda *_, network=network, **__: network
    try:
        yield
    finally:
        for network in networks:
            del network.to


def from_folder(folder: Path, kind: Any, dtype: Any, more: dict[str, Any]) -> Any:
    """The pipeline with `more`, by name, in place of what diffusers would read.

    It is handed what is of the class that the folder names; what is not, and would be refused, is put in afterwards.
    `dtype` is one, or a dict of them by component.
    """
    index = Folder(folder, read_json(folder / "model_index.json"))
    named: dict[str, Any] = {name: getattr(transformers, index.component_class(name), ()) for name in more}
    pipeline = kind.from_pretrained(
        folder,
        dtype=dtype,
        local_files_only=True,
        use_safetensors=True,
        variant=weights_variant(folder.glob("*/*.safetensors")),
        **{name: part if isinstance(part, named[name]) else None for name, part in more.items()},
    )
    pipeline.register_modules(**more)
    return pipeline


def from_original(file: Path, kind: Any, dtype: torch.dtype) -> Any:
    """A pipeline of a single file in the layout of the original code."""
    shapes = read_shapes(file)
    if not shapes:
        raise ModelError(f"{file} is not a readable .safetensors file.")
    with TemporaryDirectory() as configs:
        original.write_configs(Path(configs), shapes, kind.__name__)
        base = kind.from_single_file(str(file), config=configs, local_files_only=True, dtype=dtype)
    networks = {name: part for name, part in base.components.items() if isinstance(part, torch.nn.Module)}
    missing = [
        f"{name}.{key}" for name, part in networks.items() for key, weight in part.named_parameters() if weight.is_meta
    ]
    if missing:
        raise ModelError(f"{file} lacks {len(missing)} weights, such as {', '.join(missing[:3])}.")
    return base


def weights_variant(files: Iterable[Path]) -> str | None:
    """The name that diffusers wants for a copy which only has the files in half precision."""
    halves = [".fp16." in file.name for file in files]
    return "fp16" if halves and all(halves) else None


@contextmanager
def damaged(path: Path) -> Iterator[None]:
    """Tell what goes wrong in reading a checkpoint as a ModelError."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as problem:
        if isinstance(problem, torch.OutOfMemoryError):
            raise
        raise ModelError(f"{path} is damaged or incomplete: {problem}") from problem


@contextmanager
def quiet() -> Iterator[None]:
    """Keep diffusers and transformers from writing on the terminal: progress is told by events, trouble by errors."""
    import diffusers.utils.logging as diffusers_logging
    import transformers.utils.logging as transformers_logging

    loggers = (diffusers_logging, transformers_logging)
    levels = [logger.get_verbosity() for logger in loggers]
    shown = [logger.is_progress_bar_enabled() for logger in loggers]
    for logger in loggers:
        logger.set_verbosity_error()
        logger.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", ".* deprecated and will be removed", FutureWarning
            )  # diffusers' own calls
            warnings.filterwarnings("ignore", "In CPU autocast, but the target dtype is not", UserWarning)
            yield
    finally:
        for logger, level, bars in zip(loggers, levels, shown, strict=True):
            logger.set_verbosity(level)
            if bars:
                logger.enable_progress_bar()
