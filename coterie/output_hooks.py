"""`install_output_hooks`: makes printable what Python itself prints on stderr: warnings and uncaught errors.

Their texts may come from peers, as those of the log do. What asyncio's loops report goes to the log, and needs no hook:
see `log_options.py`. The hooks belong to a whole process, so only the command line installs them: a library leaves
those of its program alone.
"""

from __future__ import annotations

import sys
import threading
import warnings
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from coterie.runtime.observing.error_texts import error_text, value_text
from coterie.terminal_output import print_error, print_traceback

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

__all__ = ["install_output_hooks"]


def install_output_hooks() -> None:
    """Replace the hooks of this process for warnings, uncaught errors, and those of threads and finalizers."""
    sys.excepthook = _show_uncaught
    sys.unraisablehook = _show_unraisable
    threading.excepthook = _show_of_thread
    warnings.showwarning = _show_warning


def _show_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    del kind, trace  # `error` has both
    print_traceback("uncaught error", error)


def _show_unraisable(unraisable: UnraisableHookArgs) -> None:
    head = f"{unraisable.err_msg or 'error ignored in'}: {value_text(unraisable.object)}"
    _show(head, unraisable.exc_type, unraisable.exc_value)


def _show_of_thread(args: threading.ExceptHookArgs) -> None:
    if not issubclass(args.exc_type, SystemExit):
        name = "unknown" if args.thread is None else args.thread.name
        _show(f"uncaught error in thread {name}", args.exc_type, args.exc_value)


def _show(head: str, kind: type[BaseException], error: BaseException | None) -> None:
    if error is None:  # the interpreter has not made one, or cannot
        print_error(f"{head}: {kind.__name__}")
    else:
        print_traceback(head, error)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning on one line of stderr (`file` and `line` are not used: nothing of ours passes them)."""
    del file, line
    text = error_text(message) if isinstance(message, Warning) else message
    print_error(f"{filename}:{lineno}: {category.__name__}: {text}")
