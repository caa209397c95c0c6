"""Processes that draw one job together, on the CPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from praxino.accel.launched import RENDEZVOUS
from praxino.families import families

PROGRAMS = Path(__file__).parent
MOST_SECONDS = 240
"""After that a test fails: processes that wait for each other would wait for ever."""


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    return {
        **os.environ,
        "PRAXINO_HOME": str(tmp_path_factory.mktemp("together")),
        "PRAXINO_DEVICE": "cpu",
        "OMP_NUM_THREADS": "1",
        "ATEN_CPU_CAPABILITY": "avx2",
        "GLOO_SOCKET_IFNAME": "lo",
    }


@pytest.fixture(scope="session")
def miniatures(tmp_path_factory):
    """A folder in which miniatures lie by their family's name; made when they are asked for."""
    folder = tmp_path_factory.mktemp("miniatures")

    def made(*names):
        for name in names:
            if not (folder / name).exists():
                families()[name].miniature(folder / name)
        return folder

    return made


@pytest.fixture(scope="session")
def told(environment, tmp_path_factory):
    """What each process of a program of this folder prints, as JSON; each in a working folder of its own."""

    def run(program, arguments, folders, device="cpu"):
        meeting = tmp_path_factory.mktemp("meeting") / "store"
        shared = {**environment, "PRAXINO_DEVICE": device, RENDEZVOUS: str(meeting)}
        shared["WORLD_SIZE"] = str(len(folders))
        command = [sys.executable, str(PROGRAMS / program), *map(str, arguments)]
        ranks = []
        try:
            for rank, folder in enumerate(folders):
                own = {**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}
                ranks.append(subprocess.Popen(command, env=own, cwd=folder, stdout=subprocess.PIPE, text=True))
            return [json.loads(rank.communicate(timeout=MOST_SECONDS)[0]) for rank in ranks]
        finally:
            for rank in ranks:
                rank.kill()
                rank.wait()
                rank.stdout.close()

    return run


@pytest.fixture(scope="session")
def drawn(miniatures, told, tmp_path_factory):
    """What each of `count` processes tells of a table of cases: name -> (family, fields of the request).

    `elsewhere`: all but the first look for the model in another folder, where it is not.
    """

    def draw(cases, count=2, elsewhere=False, device="cpu"):
        folder = miniatures(*{model for model, _ in cases.values()})
        table = tmp_path_factory.mktemp("cases") / "cases.json"
        table.write_text(json.dumps(cases))
        others = table.parent if elsewhere else folder
        return told("rank.py", [table, table.parent], [folder, *[others] * (count - 1)], device)

    return draw
