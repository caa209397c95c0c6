"""The processes that draw one job together, one a GPU: how they find one another, agree and exchange predictions.

They were started together by torchrun, or by `praxino --gpus` (`praxino.cli.gpus`). Rank 0 decides, and is the only one
that writes or speaks. Small things go through the launcher's store; tensors of a step through gloo on processors, NCCL
on GPUs. Knows no family and no recipe.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from praxino import errors
from praxino.accel.launched import RENDEZVOUS, count_launched, rank_here
from praxino.accel.split import Split
from praxino.errors import ModelError, PraxinoError, UserError

if TYPE_CHECKING:
    from torch import Tensor

    from praxino.families._passes import Pass

TOLD_SECONDS = 10.0
"""How long a rank that failed waits for rank 0 to say so."""
FAILED, ENDED = "failed", "ended"


def device_here(device: str) -> str:
    """The device of this rank, where the machine's is `device`.

    Raises:
        UserError: there is no such kind of device for several, or not as many.
    """
    if device == "cpu":
        return device
    if device != "cuda":
        raise UserError(f"several GPUs are cuda's, one a process; got the device {device}. Leave --device out.")
    import torch

    local, here = int(os.environ.get("LOCAL_RANK", "0")), int(os.environ.get("LOCAL_WORLD_SIZE", count_launched()))
    if here > (found := torch.cuda.device_count()):
        raise UserError(f"{here} GPUs are asked for; this machine has {found}. Ask for so many, or for fewer.")
    torch.cuda.set_device(local)
    return f"cuda:{local}"


class Ranks:
    """This process among those that draw one job. Waits until all of them have come."""

    def __init__(self, device: str) -> None:
        from torch import distributed

        self.rank, self.count, self.device = rank_here(), count_launched(), device
        backend = "gloo" if device == "cpu" else "cpu:gloo,cuda:nccl"
        file = os.environ.get(RENDEZVOUS)
        method = "env://" if file is None else f"file://{file}"
        distributed.init_process_group(backend, method, rank=self.rank, world_size=self.count)
        self._store: Any = distributed.distributed_c10d._get_default_store()
        self._num_told = 0

    @property
    def leads(self) -> bool:
        """Whether this is rank 0."""
        return self.rank == 0

    def told(self, message: bytes | None = None) -> bytes:
        """What rank 0 says, by which alone it is given; for each thing that is said, all ranks call it once."""
        name = f"told.{self._num_told}"
        self._num_told += 1
        if self.leads:
            self._store.set(name, message or b"")
        return self._store.get(name)

    def failed(self, problem: BaseException) -> bool:
        """Tell rank 0 that this one failed, and let go of the others; whether rank 0 says so to the user."""
        if not self._is_there(ENDED):
            kind = type(problem).__name__ if isinstance(problem, PraxinoError) else ModelError.__name__
            told = {"kind": kind, "message": f"rank {self.rank} of {self.count}: {problem}"}
            self._store.set(FAILED, json.dumps(told))
        self.leave()
        return self._is_there(ENDED, TOLD_SECONDS)

    def problem_of(self, own: BaseException) -> BaseException:
        """What rank 0 ends with: its own problem, or that of another which left it alone. All others end then."""
        self._store.set(ENDED, "1")
        if isinstance(own, PraxinoError | KeyboardInterrupt):
            return own
        if self._is_there(FAILED, 1.0):
            told = json.loads(self._store.get(FAILED))
            return getattr(errors, told["kind"])(told["message"])
        return ModelError(f"one of {self.count} processes ended without a word: {own}") if _is_lost(own) else own

    def ended(self) -> None:
        """All is drawn: wait for the others."""
        from torch import distributed

        distributed.barrier()
        self.leave()

    def leave(self) -> None:
        """Be alone again; whoever waits for this one gets an error."""
        from torch import distributed

        if distributed.is_initialized():
            distributed.destroy_process_group()

    def _is_there(self, name: str, seconds: float = 0.0) -> bool:
        until = time.monotonic() + seconds
        while not (found := self._store.check([name])) and time.monotonic() < until:
            time.sleep(0.05)
        return found

    @contextmanager
    def splitting(self, parts: Any, split: Split) -> Iterator[None]:
        """While it holds, what a family has loaded is computed by all ranks together."""
        from torch.distributed.device_mesh import init_device_mesh

        from praxino.accel import context
        from praxino.families._passes import shared

        kind, shape = self.device.partition(":")[0], (split.passes, 1, split.context)
        mesh = init_device_mesh(kind, shape, mesh_dim_names=("passes", "ring", "ulysses"))
        with ExitStack() as undo:
            if split.passes > 1:
                undo.enter_context(shared(_Passes(mesh["passes"].get_group()).share))
            if split.context > 1:
                undo.enter_context(context.split(parts, mesh["ring", "ulysses"]))
            yield


class _Passes:
    """The passes of a step, made in turns by the ranks of a group."""

    def __init__(self, group: Any) -> None:
        self._group = group

    def share(self, passes: Sequence[Pass]) -> list[Tensor]:
        """See `praxino.families._passes.Share`. One pass alone is made by each: that costs no time."""
        import torch
        from torch import distributed

        rank, count = distributed.get_rank(self._group), distributed.get_world_size(self._group)
        if len(passes) < count:
            return [one() for one in passes]
        own = {index: one().contiguous() for index, one in enumerate(passes) if index % count == rank}
        like, found = own[rank], []
        for index in range(len(passes)):
            tensor = own[index] if index in own else torch.empty_like(like)
            distributed.broadcast(tensor, group=self._group, group_src=index % count)
            found.append(tensor)
        return found


def _is_lost(problem: BaseException) -> bool:
    """Whether a collective failed as another process is gone."""
    from torch import distributed

    return isinstance(problem, distributed.DistError) or (isinstance(problem, RuntimeError) and "peer" in str(problem))
