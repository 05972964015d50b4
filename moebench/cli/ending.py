"""How a command begins and ends: open streams, signals, exit codes, one-sentence errors."""

import contextlib
import errno
import io
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any, NoReturn

import typer

from moebench.cli.options import say
from moebench.errors import BadInput, concise
from moebench.spec.jax_trouble import jax_trouble

OK, FAILED, BAD_INPUT = 0, 1, 2
_BY_SIGNAL = 128
"""The exit code of a program that a signal ended is this number plus the signal's, as in shells."""
_ENDING = ("SIGTERM", "SIGHUP")
_WORDS = (
    (r"Input should be a valid integer.*", "this is no whole number"),
    (r"Input should be a valid (?:number|float).*", "this is no number"),
    (r"Input should be greater than or equal to (\S+).*", r"this is less than \1"),
    (r"Input should be less than or equal to (\S+).*", r"this is more than \1"),
    (r"Input should be ", "this should be "),
)
"""Beginnings of messages of pydantic, which typer checks values with, and their replacements."""
_UNWRITABLE = (errno.ENOSPC, errno.EIO, errno.EBADF, errno.EDQUOT, errno.EFBIG)


class Terminated(KeyboardInterrupt):
    """A signal that ends the process like Ctrl-C: finished work is kept, unfinished work removed."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def run(app: typer.Typer, arguments: Sequence[str] | None) -> int:
    """Run a command and return its exit code.

    Args:
        app: the command line.
        arguments: words after the program's name; None takes those of the process.

    Returns:
        0 done; 1 a cell or the machine failed; 2 bad input; 128 plus the number of the signal that ended the command:
        130 for Ctrl-C, 141 if no process reads the output any more.
    """
    _open_streams()
    try:
        with _ending_on_signals():
            code = _invoke(app, sys.argv[1:] if arguments is None else list(arguments))
            for stream in (sys.stdout, sys.stderr):
                stream.flush()  # a failure here is a failure of the command, not of the end of the process
            return code
    except BrokenPipeError:
        _discard_output()
        return _BY_SIGNAL + signal.SIGPIPE
    except KeyboardInterrupt as interrupt:
        _complain("interrupted.")
        return exit_code(interrupt)
    except BadInput as error:
        _complain(str(error))
        return BAD_INPUT
    except OSError as error:
        _discard_output()
        _complain(_of_the_system(error))
        return FAILED
    except MemoryError:
        _complain("the machine has no memory left for this.")
        return FAILED


def exit_code(interrupt: KeyboardInterrupt) -> int:
    """Return the exit code of a command that a signal ended."""
    return _BY_SIGNAL + int(interrupt.number if isinstance(interrupt, Terminated) else signal.SIGINT)


def _invoke(app: typer.Typer, arguments: list[str]) -> int:
    command = typer.main.get_command(app)
    try:
        with command.make_context("moebench", arguments) as context:
            command.invoke(context)
    except typer.Exit as ending:
        return ending.exit_code
    except typer.Abort as error:  # an interrupt during a prompt or in the parser
        raise KeyboardInterrupt from error
    except (BadInput, OSError, MemoryError):
        raise
    except Exception as error:
        # A word that the parser does not know; typer's versions define the class of this mistake in different places.
        if show := getattr(error, "show", None):
            vars(error)["message"] = _in_our_words(str(getattr(error, "message", "")))
            shown = io.StringIO()
            show(file=shown)
            say(concise(shown.getvalue().rstrip("\n")), err=True)
            return BAD_INPUT
        from moebench.executors import ExecutorError

        if isinstance(error, ExecutorError):
            _complain(str(error))
            return FAILED
        if sentence := jax_trouble(error):
            raise BadInput(sentence) from error
        raise
    return OK


def _in_our_words(message: str) -> str:
    """Return a sentence about a wrong value; messages of the parser's library are replaced."""
    for theirs, ours in _WORDS:
        message = re.sub(theirs, ours, message)
    return message


def _open_streams() -> None:
    """Open an input, an output and an error output that accept every text.

    The next opened file would get the descriptor of a closed stream, and a character outside the locale would end the
    command. A closed stream therefore becomes the null device, and such a character an escape sequence.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free descriptor, the one that was closed
    sys.stdout = sys.stdout or io.TextIOWrapper(io.BytesIO())
    sys.stderr = sys.stderr or io.TextIOWrapper(io.BytesIO())
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def _ending_on_signals() -> Iterator[None]:
    """Handle SIGTERM and SIGHUP like Ctrl-C while the block lasts.

    Signals that the process was started to ignore stay ignored.
    """
    before: dict[signal.Signals, signal.Handlers | Callable[[int, FrameType | None], Any] | int | None] = {}

    def end(number: int, _: FrameType | None) -> NoReturn:
        for other in before:  # a second signal should not interrupt the clean-up
            signal.signal(other, signal.SIG_IGN)
        raise Terminated(number)

    for name in _ENDING:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            with contextlib.suppress(ValueError):  # only the main thread receives signals
                before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _discard_output() -> None:
    """Redirect the output to the null device.

    Writing the buffered rest would fail again at exit.
    """
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def _complain(message: str) -> None:
    with contextlib.suppress(OSError):
        say(f"moebench: {message}", err=True)


def _of_the_system(error: OSError) -> str:
    """Return a sentence about the operation that the system refused."""
    what = error.strerror or str(error) or type(error).__name__
    if error.filename is not None:
        return f"{error.filename}: {what}."
    return f"cannot write the output: {what}." if error.errno in _UNWRITABLE else f"{what}."
