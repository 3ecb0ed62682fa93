"""Entry point of `tilemodel`: parse, run, and turn every failure into one message and an exit status."""

import argparse
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from typing import NoReturn

from tilemodel.config.errors import TileModelError
from tilemodel_cli.arguments import build_parser

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status.

    0 done, 1 a spec was missed, 2 an error, 130 interrupted, 141 the reader of the output has left, 143 terminated.
    When interrupted or terminated, running simulators are ended and nothing is written.
    """
    options = build_parser().parse_args(arguments)
    warnings.showwarning = _show_warning
    before = {number: signal.signal(number, _terminate) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        status: int = options.run(options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever read the output has left, such as `| head`; files are written by then
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except TileModelError as error:
        simulated = hasattr(error, "fault")  # a SimulatorError: importing it would cost every command half a second
        return _complain(options.command, f"{error}{_kept(options) if simulated else ''}", 2)
    except MemoryError:
        return _complain(options.command, "out of memory; use fewer vectors or a smaller tile", 2)
    except OSError as error:
        return _complain(options.command, f"{error}; check the disk and the permissions", 2)
    except KeyboardInterrupt:
        return _complain(options.command, f"interrupted; nothing was written{_kept(options)}", 130)
    except _Terminated:
        return _complain(options.command, f"terminated; nothing was written{_kept(options)}", 143)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Terminated(BaseException):
    """SIGTERM or SIGHUP, raised so that everything is cleaned up on the way out."""


def _terminate(_signal: int, _frame: object) -> NoReturn:
    raise _Terminated


def _kept(options: argparse.Namespace) -> str:
    """What is not lost, said of the commands that keep what has finished."""
    if not hasattr(options, "kept") or options.no_store:
        return ""
    return f"; {options.kept} that had finished are kept, and the same command goes on from there"


def _complain(command: str, message: str, status: int) -> int:
    sys.stderr.write(f"tilemodel {command}: {message}\n")
    return status


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    sys.stderr.write(f"tilemodel: warning: {message}\n")


if __name__ == "__main__":
    sys.exit(main())
