"""The networks that stay in memory between runs, so that the next run of the same model starts at once.

Those that were not used for longest go first: when there are more than the budget allows, or when a run needs the room.
Knows what it keeps by its size alone. Used by one thread.
"""

from __future__ import annotations

import dataclasses
import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from praxino import settings
from praxino.accel.memory import Memory, memory_of

SHARE = 0.5
"""Of a device's memory, unless PRAXINO_MEMORY_BUDGET says otherwise."""


@dataclass(frozen=True)
class Key:
    """What has to be alike for loaded networks to be used again."""

    path: str
    revision: str
    dtype: str
    home: str
    """The device that they lie on between runs."""
    in_float8: bool
    quantised: str = ""
    """The format that linear layers are computed in (`praxino.accel.quantised`); empty: in their own."""


@dataclass
class _Held:
    model: str
    parts: Any
    num_bytes: int


_held: dict[Key, _Held] = {}
"""The last one was used last."""


def models() -> tuple[str, ...]:
    """The names that loaded models were asked for by."""
    return tuple(dict.fromkeys(held.model for held in _held.values()))


def memory(device: str) -> Memory:
    """The device's memory, as it would be if nothing were kept."""
    found, main = memory_of(device), _bytes_on("cpu")
    free = None if found.device_free is None else found.device_free + _bytes_on(device)
    waits = None if found.main_free is None else found.main_free + main
    return dataclasses.replace(found, device_free=free, main_free=waits)


def take(key: Key, model: str, load: Callable[[], Any], expected_bytes: int) -> Any:
    """The networks of a key: those that are kept, or else what `load` gives, for which there is room then.

    Args:
        key: which.
        model: the name that they are asked for by.
        load: reads them.
        expected_bytes: what they will take.
    """
    held = _held.pop(key, None)
    if held is None:
        _drop_until(key.home, lambda: _bytes_on(key.home) + expected_bytes <= _budget(key.home))
        held = _Held(model, load(), expected_bytes)
    held.model = model
    _held[key] = held
    return held.parts


def measure(key: Key) -> None:
    """Tell a run's networks by their real size, with all that was laid over them; others go where that is too much."""
    from praxino.accel.networks import num_bytes

    _held[key].num_bytes = num_bytes(_held[key].parts)
    _drop_until(key.home, lambda: _bytes_on(key.home) <= _budget(key.home), but=key)


def make_room(device: str, num_bytes: int | None, but: Key) -> None:
    """Let others than `but` go until so much of a device is free beside it, or nothing is left that could go."""
    if num_bytes is None or _oldest(device, but) is None:
        return
    free = memory_of(device).device_free
    if free is None:
        return
    own = _held[but].num_bytes if but in _held and but.home == device else 0
    goal = num_bytes - own
    before = _bytes_on(device)
    _drop_until(device, lambda: free + before - _bytes_on(device) >= goal, but)


def forget() -> None:
    """Let everything go, as after running out of memory."""
    _held.clear()
    _give_back()


def _drop_until(home: str, is_enough: Callable[[], bool], but: Key | None = None) -> None:
    dropped = False
    while (oldest := _oldest(home, but)) is not None and not is_enough():
        del _held[oldest]
        dropped = True
    if dropped:
        _give_back()


def _oldest(home: str, but: Key | None) -> Key | None:
    """Which networks would go first. Asked before the memory is, which takes longer."""
    return next((key for key in _held if key.home == home and key != but), None)


def _bytes_on(home: str) -> int:
    return sum(held.num_bytes for key, held in _held.items() if key.home == home)


def _budget(home: str) -> int:
    given = settings.memory_budget_bytes()
    total = memory_of(home).device_total
    return given if given is not None else int(SHARE * (total or 0))


def _give_back() -> None:
    """Networks are in cycles with their hooks, and torch keeps what it was given."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
