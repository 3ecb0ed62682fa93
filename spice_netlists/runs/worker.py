"""The worker processes of the local pool: they end their simulators and themselves when told to, or left alone."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection

__all__ = ["WorkerStop", "start_worker"]

_STOP = threading.Event()
# What a worker has to end its simulator and to clear up
_GRACE_SECOND = 3.0


class WorkerStop:
    """The stop signal of the process that it is used in."""

    def is_set(self) -> bool:
        return _STOP.is_set()


def start_worker(pipe: Connection, environment: Mapping[str, str]) -> None:
    """Prepare a worker: the environment of the process that owns it, and a watch over `pipe`.

    Something in the pipe is the order to stop; its end is the death of the owner. Ctrl-C is the owner's to handle.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: _leave_soon())
    os.environ.clear()
    os.environ.update(environment)
    threading.Thread(target=_watch, args=(pipe,), daemon=True).start()


def _watch(pipe: Connection) -> None:
    with contextlib.suppress(EOFError, OSError):
        pipe.poll(None)
    _end()


def _leave_soon() -> None:
    threading.Thread(target=_end, daemon=True).start()


def _end() -> None:
    _STOP.set()
    time.sleep(_GRACE_SECOND)
    os._exit(1)
