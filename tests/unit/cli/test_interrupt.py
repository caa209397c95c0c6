import signal
import subprocess
import sys
import threading
import time

import pytest

from praxino.cli.interrupt import interruptible
from praxino.errors import Cancelled


def test_before_the_first_step_a_signal_ends_it_at_once():
    with interruptible(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_between_steps_the_next_step_ends_it(number):
    with interruptible() as interrupt:
        interrupt.check()
        signal.raise_signal(number)
        with pytest.raises(Cancelled):
            interrupt.check()


def test_a_second_signal_does_not_wait():
    with interruptible() as interrupt:
        interrupt.check()
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
            time.sleep(1)


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with interruptible():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_other_threads_leave_signals_alone():
    seen = []

    def work():
        with interruptible() as interrupt:
            interrupt.check()
            seen.append(interrupt.asked)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]


STUCK = """
import hashlib
from praxino.cli.interrupt import interruptible
with interruptible() as interrupt:
    interrupt.check()
    print("stuck", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of other processes are POSIX")
def test_a_second_signal_ends_a_process_that_is_inside_native_code():
    with subprocess.Popen([sys.executable, "-c", STUCK], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "stuck\n"
        child.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert child.poll() is None
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=120) == 130
