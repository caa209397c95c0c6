"""How the process of the command ends."""

import subprocess
import sys

SCRIPT = """
import atexit, sys, threading, time, types
sys.modules["torch"] = types.ModuleType("torch")  # its being there is what matters
from praxino import cli
cli.main = lambda: (threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start(), sys.exit({code}))
atexit.register(print, "at exit")
class Taken:
    def __del__(self):
        print("taken apart")
kept = Taken()
cli.program()
"""


def ended(code):
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(code=code)], capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.stderr == ""
    return ran.returncode, ran.stdout.split("\n")[:-1]


def test_it_waits_for_threads_and_exit_functions_and_takes_nothing_apart():
    assert ended(0) == (0, ["thread", "at exit"])
    assert ended(130) == (130, ["thread", "at exit"])
