"""Lays a plan on loaded networks for the length of a run. Knows networks by their stage, and no family.

The VAE is small and stays on the device in every plan: families read its device and its statistics outside of its own
calls. What takes turns, or comes layer by layer, waits in main memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn

from praxino.accel.networks import Network, networks, set_device
from praxino.accel.plan import Plan
from praxino.accel.threads import sparing
from praxino.accel.weight import Stage

HOME = torch.device("cpu")
"""Where networks of plans other than resident are loaded, and wait."""


@contextmanager
def placed(parts: Any, plan: Plan, device: str) -> Iterator[None]:
    """While the block runs, `parts` compute on `device` as the plan says; afterwards they are as they were.

    Of plans that are not resident, the networks lie in main memory before and after.
    """
    found, target = networks(parts), torch.device(device)
    with ExitStack() as undo:
        if plan.placement != "resident":
            undo.callback(_go_home, parts, found)
            set_device(parts, target)
            for network in found:
                if network.stage == "vae":
                    network.module.to(target)
        if plan.placement == "offload":
            _take_turns(found, target, undo)
        elif plan.placement == "group":
            _come_in_groups(found, target, undo)
        if not plan.exact:
            _tile(found, undo)
        undo.enter_context(sparing(found, device))
        yield


def store_in_float8(parts: Any) -> None:
    """Keep the weights of the denoiser's matrices in 8 bits, for good; each layer computes in the format that it had.

    Source: diffusers, hooks/layerwise_casting.py, with each class's own list of layers that are left alone.
    """
    for network in networks(parts):
        module: Any = network.module
        if network.stage == "denoise" and hasattr(module, "enable_layerwise_casting"):
            module.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=module.dtype)
            module.to = _keeping_formats(module.to)


def _keeping_formats(to: Callable[..., Any]) -> Callable[..., Any]:
    """A pipeline that is made over a network asks it for its number format again, which would widen all of it."""

    def moved(*args: Any, **kwargs: Any) -> Any:
        places = [arg for arg in args if not isinstance(arg, torch.dtype)]
        return to(*places, **{name: value for name, value in kwargs.items() if name != "dtype"})

    return moved


def _go_home(parts: Any, found: list[Network]) -> None:
    for network in found:
        network.module.to(HOME)
    set_device(parts, HOME)


def _tile(found: list[Network], undo: ExitStack) -> None:
    for network in found:
        module: Any = network.module
        if network.stage == "vae" and getattr(module, "use_tiling", None) is False:
            module.enable_tiling()
            undo.callback(module.disable_tiling)


class _Turns:
    """One stage at a time is on the device; the others wait at home."""

    def __init__(self, found: list[Network], device: torch.device) -> None:
        self._found = found
        self._device = device

    def take(self, stage: Stage, module: nn.Module) -> None:
        """Bring a network of a stage to the device, after those of other stages have left it."""
        for network in self._found:
            if network.stage not in (stage, "vae"):
                network.module.to(HOME)
        module.to(self._device)


def _take_turns(found: list[Network], device: torch.device, undo: ExitStack) -> None:
    from accelerate.hooks import ModelHook
    from accelerate.utils import send_to_device

    turns = _Turns(found, device)
    hook: Any = ModelHook()
    hook.execution_device = device  # where a diffusers pipeline makes its tensors

    def begins(stage: Stage) -> Callable[..., Any]:
        def before(module: nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any]:
            turns.take(stage, module)
            return send_to_device(args, device), send_to_device(kwargs, device)

        return before

    for network in found:
        module: Any = network.module
        module._hf_hook = hook
        undo.callback(delattr, module, "_hf_hook")
        if network.stage != "vae":
            undo.callback(module.register_forward_pre_hook(begins(network.stage), with_kwargs=True).remove)
            continue
        begin = partial(turns.take, "vae", module)
        decoder = getattr(module, "decoder", None)
        if decoder is not None:  # families that decode in chunks call it by itself
            undo.callback(decoder.register_forward_pre_hook(lambda *_, begin=begin: begin()).remove)
        for name in ("encode", "decode"):
            setattr(module, name, _alone(getattr(module, name), begin))
            undo.callback(delattr, module, name)


def _alone(call: Callable[..., Any], begin: Callable[[], None]) -> Callable[..., Any]:
    def begun(*args: Any, **kwargs: Any) -> Any:
        begin()
        return call(*args, **kwargs)

    return begun


def _come_in_groups(found: list[Network], device: torch.device, undo: ExitStack) -> None:
    from diffusers.hooks.group_offloading import apply_group_offloading
    from diffusers.hooks.hooks import HookRegistry

    for network in found:
        if network.stage != "vae":
            apply_group_offloading(network.module, device, HOME, offload_type="leaf_level")
            registry = HookRegistry.check_if_exists_or_initialize(network.module)
            undo.callback(registry.remove_hook, "group_offloading")
