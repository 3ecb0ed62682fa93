"""The user's Python file that says what `tilemodel evaluate` evaluates."""

import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tilemodel.config.errors import InputError, TileModelError

if TYPE_CHECKING:
    from tilemodel.torch import Task

__all__ = ["load_task"]

_MODULE = "tilemodel_task_file"


def load_task(text: str) -> "Task":
    """What the function of `FILE.py` or `FILE.py:function` (default: `task`) returns.

    The file's folder is searched for what it imports, as if Python ran the file. Raises `InputError` for a file or a
    function that is missing, for whatever they raise, and for anything else than a `tilemodel.torch.Task`.
    """
    from tilemodel.torch import Task

    path, name = _split(text)
    function = getattr(_module_of(path), name, None)
    if not callable(function):
        raise InputError(
            f"{path}: has no function {name}; define `def {name}() -> tilemodel.torch.Task`, "
            f"or name another: --task {path}:FUNCTION"
        )
    found = _guarded(path, f"{name}()", function)
    if not isinstance(found, Task):
        raise InputError(
            f"{path}: {name}() returned a {type(found).__name__}; return a tilemodel.torch.Task (docs/evaluation.md)"
        )
    return found


def _split(text: str) -> tuple[Path, str]:
    path, colon, name = text.rpartition(":")
    return (Path(path), name) if colon and name.isidentifier() and path else (Path(text), "task")


def _module_of(path: Path) -> ModuleType:
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the Python file that defines the task: --task FILE.py[:function]")
    if path.suffix != ".py":
        raise InputError(f"{path}: not a Python file; its name must end in .py")
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module  # dataclasses and pickles look their module up
    sys.path.insert(0, str(path.resolve().parent))
    loader = spec.loader
    _guarded(path, "running the file", lambda: loader.exec_module(module))
    return module


def _guarded(path: Path, what: str, function: Callable[[], Any]) -> Any:
    """`function()`; what the user's code raises as an `InputError` that names the line."""
    try:
        return function()
    except TileModelError as error:
        raise InputError(f"{path}: {what}: {error}") from error
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if Path(frame.filename).resolve() == path.resolve()]
        if isinstance(error, SyntaxError) and not lines:
            lines = [error.lineno]
        at = f", line {lines[-1]}" if lines else ""
        remedy = "install what it imports" if isinstance(error, ModuleNotFoundError) else "correct the file"
        raise InputError(f"{path}{at}: {what} raised {type(error).__name__}: {error}; {remedy}") from error
