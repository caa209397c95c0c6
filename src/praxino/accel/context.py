"""Context parallelism: one denoiser's tokens dealt out to several processes, as diffusers does it.

Each process keeps all weights and computes its part of the tokens; attention brings all tokens of a share of the heads
together (Ulysses, Jacobs et al. 2023, arXiv 2309.14509). Source: diffusers 0.42.1, models/modeling_utils.py
(enable_parallelism) and hooks/context_parallel.py. That function wants an accelerator, keeps the network split for good
and gathers parts of one size alone where gloo carries them; so its pieces are used, and the gathering is our own.
Knows networks, no family and no recipe.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, distributed, nn

from praxino.accel import dealt
from praxino.accel.networks import networks
from praxino.errors import UserError

LOCAL_ATTENTION = {"LTXVideoTransformer3DModel": "attn2"}
"""By class, attention that each process computes by itself, as all have the whole text; then nothing of it is dealt
out. diffusers' plan for LTX deals the text out, and its mask does not fit the share of the heads then."""
PER_TOKEN = "timestep"
"""The argument that has a value a token in some runs, and one for all in others."""


@contextmanager
def split(parts: Any, mesh: Any) -> Iterator[None]:
    """While it holds, the denoisers among `parts` compute on their share of the tokens.

    Args:
        parts: what a family has loaded.
        mesh: torch's DeviceMesh, with dimensions "ring" (of 1) and "ulysses".

    Raises:
        UserError: none of them can be split.
    """
    denoisers = [one.module for one in networks(parts) if one.stage == "denoise" and _can_be_split(one.module)]
    if not denoisers:
        raise UserError(
            "these networks compute on one device alone; several GPUs share what diffusers' own classes draw.\n"
            "On a CPU, --dtype bfloat16 has them."
        )
    with ExitStack() as undo:
        for denoiser in denoisers:
            _split(denoiser, mesh, undo)
        yield


def _check_heads(network: Any, count: int) -> None:
    """Each process computes some heads; the last may have fewer, but not none."""
    heads = network.config.num_attention_heads
    if heads <= (count - 1) * math.ceil(heads / count):
        raise UserError(f"the {heads} heads of its attention cannot be shared by {count} GPUs; use fewer.")


def _can_be_split(network: Any) -> bool:
    return _kind(network) == dealt.KIND or bool(getattr(network, "_cp_plan", None))


def _kind(network: Any) -> str:
    return type(network).__name__


def _split(network: Any, mesh: Any, undo: ExitStack) -> None:
    from diffusers.models._modeling_parallel import ContextParallelConfig, ParallelConfig

    count, group = mesh["ulysses"].size(), mesh["ulysses"].get_group()
    _check_heads(network, count)
    config = ContextParallelConfig(ulysses_degree=count, ulysses_anything=True, mesh=mesh)
    rank = distributed.get_rank()
    config.setup(rank, distributed.get_world_size(), torch.device(mesh.device_type), mesh)  # pyright: ignore
    for processor in _exchanging(network):
        processor._parallel_config = ParallelConfig(context_parallel_config=config)
        undo.callback(setattr, processor, "_parallel_config", None)
    if _kind(network) == dealt.KIND:
        blocks = dealt.blocks_of(network)
        dealing = dealt.Dealing(blocks[0], distributed.get_rank(group), count)
        for block in blocks:
            undo.callback(block.register_forward_pre_hook(dealing).remove)
        gathered = {"proj_out": 1}
    else:
        gathered = _by_plan(network, config, undo)
        undo.callback(network.register_forward_pre_hook(_deal_times(group), with_kwargs=True).remove)
    for name, dim in gathered.items():
        hook = network.get_submodule(name).register_forward_hook(_gathering(dim, group))
        undo.callback(hook.remove)


def _exchanging(network: Any) -> Iterator[Any]:
    """The processors of the attentions that all processes compute together."""
    local, within = LOCAL_ATTENTION.get(_kind(network)), dealt.BLOCKS if _kind(network) == dealt.KIND else ("",)
    for name, module in network.named_modules():
        processor: Any = getattr(module, "processor", None)
        if hasattr(processor, "_parallel_config") and name.startswith(within) and name.rpartition(".")[2] != local:
            yield processor


def _by_plan(network: Any, config: Any, undo: ExitStack) -> dict[str, int]:
    """Deal out by diffusers' plan; by module, the dimension that its output is to be gathered in."""
    from diffusers.hooks.context_parallel import apply_context_parallel, remove_context_parallel

    given, gathered = _parts_of(network._cp_plan, text_is_local=_kind(network) in LOCAL_ATTENTION)
    apply_context_parallel(network, config, given)
    undo.callback(remove_context_parallel, network, given)
    return gathered


def _parts_of(plan: dict[str, Any], *, text_is_local: bool) -> tuple[dict[str, Any], dict[str, int]]:
    """Of diffusers' plan: what is dealt out, but for `PER_TOKEN`, and the dimension that each output is gathered in."""
    given, gathered = {}, {}
    for name, found in plan.items():
        if not isinstance(found, dict):
            gathered[name] = found.gather_dim
            continue
        left_out = {
            argument
            for argument in found
            if argument == PER_TOKEN or (text_is_local and str(argument).startswith("encoder_"))
        }
        if kept := {argument: how for argument, how in found.items() if argument not in left_out}:
            given[name] = kept
    return given, gathered


def _deal_times(group: Any) -> Any:
    count, rank = distributed.get_world_size(group), distributed.get_rank(group)

    def given(network: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        times = kwargs.get(PER_TOKEN)
        if isinstance(times, Tensor) and times.ndim == 2 and times.shape[1] > 1:
            kwargs = {**kwargs, PER_TOKEN: times.tensor_split(count, dim=1)[rank]}
        return args, kwargs

    return given


def _gathering(dim: int, group: Any) -> Any:
    def gather(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        return gathered(output, dim, group)

    return gather


def gathered(part: Tensor, dim: int, group: Any) -> Tensor:
    """The parts of all processes, in their order, along a dimension in which they may differ."""
    count = distributed.get_world_size(group)
    sizes = torch.zeros(count, dtype=torch.int64, device=part.device)
    sizes[distributed.get_rank(group)] = part.shape[dim]
    distributed.all_reduce(sizes, group=group)
    lengths = sizes.tolist()
    moved = part.movedim(dim, 0)
    padding = (0, 0) * (moved.ndim - 1) + (0, max(lengths) - moved.shape[0])
    padded = F.pad(moved, padding).contiguous()
    parts = [torch.empty_like(padded) for _ in lengths]
    distributed.all_gather(parts, padded, group=group)
    return torch.cat([one[:length] for one, length in zip(parts, lengths, strict=True)]).movedim(0, dim).contiguous()
