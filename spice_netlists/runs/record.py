"""The result of a job, and its form on disk: a line with the hash of all that follows, then an .npz without pickles."""

import hashlib
import io
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from spice_netlists.process import Waveforms
from tilemodel.config.arrays import read_arrays
from tilemodel.config.errors import InputError
from tilemodel.config.section import Section

__all__ = ["Attempt", "DamagedResultError", "RunRecord", "RunResult", "from_bytes", "lasting_log", "to_bytes"]

_HEAD = b"tilemodel-run-1 sha256 "
_HEAD_BYTES = len(_HEAD) + 64 + 1
_MAX_BYTES = 8 * 1024**3
_LOG_CHARACTERS = 20_000
# Lines of a log that differ from one run of a deck to the next: progress, times, memory
_PASSING = re.compile(
    r"^.*(reference value :|total (analysis|elapsed) time|elapsed time:|\bDRAM\b|program size|ngspice pages|"
    r"code\) pages|^stack =|library pages).*\n?",
    re.IGNORECASE | re.MULTILINE,
)


class DamagedResultError(InputError):
    """A stored result is not what was written."""


class Attempt(Section):
    """One start of the simulator."""

    convergence_help: str | None
    """None: the deck as it is."""
    outcome: str
    """'done', or what went wrong."""


class RunRecord(Section):
    """What a stored result came from."""

    key: str
    engine: str
    deck_sha256: str
    title: str
    """First line of the deck."""
    attempts: tuple[Attempt, ...]
    """The last one gave the result."""
    wall_second: float
    """Of all attempts together."""
    finished_utc: str

    @property
    def convergence_help(self) -> str | None:
        """The help that the result needed."""
        return self.attempts[-1].convergence_help


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """A finished job."""

    record: RunRecord
    waveforms: Waveforms


def to_bytes(result: RunResult) -> bytes:
    """`result` as the content of a file; equal waveforms and records give equal bytes."""
    waveforms, body = result.waveforms, io.BytesIO()
    np.savez(
        body,
        record=_text(result.record.model_dump_json()),
        log=_text(lasting_log(waveforms.log)),
        time_second=waveforms.time_second,
        sensed=waveforms.sensed,
        outputs_volt=waveforms.outputs_volt,
        lines=np.array(waveforms.lines, dtype=np.int64),
    )
    data = body.getvalue()
    return _HEAD + hashlib.sha256(data).hexdigest().encode() + b"\n" + data


def from_bytes(data: bytes, key: str) -> RunResult:
    """The result that `to_bytes` wrote for the job `key`. Raises `DamagedResultError` if one bit of it is another."""
    head, body = data[:_HEAD_BYTES], data[_HEAD_BYTES:]
    if head != _HEAD + hashlib.sha256(body).hexdigest().encode() + b"\n":
        raise DamagedResultError("its content does not have the hash that it was written with")
    try:
        arrays = read_arrays(io.BytesIO(body), _MAX_BYTES)
        record = RunRecord.model_validate_json(arrays["record"].tobytes())
        waveforms = _waveforms(arrays)
    except (InputError, ValidationError, KeyError) as error:
        raise DamagedResultError(f"it is no result of this version: {error}") from None
    if record.key != key:
        raise DamagedResultError(f"it belongs to the job {record.key}")
    return RunResult(record=record, waveforms=waveforms)


def lasting_log(log: str) -> str:
    """What of a simulator's log is the same whenever a deck is run, of a long one both ends."""
    lasting = _PASSING.sub("", log.replace("\r", "\n"))
    if len(lasting) <= _LOG_CHARACTERS:
        return lasting
    half = _LOG_CHARACTERS // 2 - 10
    return f"{lasting[:half]}\n[...]\n{lasting[-half:]}"


def _text(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def _waveforms(arrays: dict[str, NDArray[Any]]) -> Waveforms:
    time, sensed, outputs = (arrays[name] for name in ("time_second", "sensed", "outputs_volt"))
    lines = tuple(int(line) for line in arrays["lines"])
    floats = all(item.dtype == np.float64 for item in (time, sensed, outputs))
    if not floats or sensed.shape != (len(lines), time.size) or outputs.shape[1:] != time.shape:
        raise DamagedResultError("its arrays don't fit together")
    log = arrays["log"].tobytes().decode(errors="replace")
    return Waveforms(time_second=time, sensed=sensed, outputs_volt=outputs, lines=lines, log=log)
