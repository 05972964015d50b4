"""Register routers from a file that the user names.

The code of the file is executed, so that only the user may name a file.

A plugin imports modules that are beside it, as a script does. Its modules are its own: no other plugin and no other
module of the process can import them, so that two plugins can each have a `helper.py`.
"""

import builtins
import hashlib
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from moebench.errors import BadInput
from moebench.routers import registry

_PREFIX = "moebench_plugin_"
_NEVER_BESIDE = sys.stdlib_module_names | {__name__.partition(".")[0]}
"""Names that mean the standard library or this package, whatever else is in the plugin's folder."""


class Plugin:
    """A plugin file and the modules beside it, as read by this process.

    The text of each module is read once: the executed code equals the result of `read`, also after an edit.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.module = f"{_PREFIX}{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
        """Return the name of the plugin's module, whose submodules are the modules beside the file."""
        self._texts: dict[Path, bytes] = {}
        self.locate = cache(self._located)

    def _located(self, name: str) -> Path | None:
        """Return the file of a module by the plugin's name for the module.

        "" names the plugin itself, and other modules give None.
        """
        if not name:
            return self.path
        return None if name.partition(".")[0] in _NEVER_BESIDE else module_file(self.path.parent, name)

    def read(self, file: Path) -> bytes:
        """Return the text of one of the plugin's files as first read.

        Raises:
            OSError: the file cannot be read.
        """
        if file not in self._texts:
            self._texts[file] = file.read_bytes()
        return self._texts[file]

    @property
    def files(self) -> Sequence[Path]:
        """Files that were read, in the order of reading."""
        return tuple(self._texts)

    def is_edited(self) -> bool:
        """Return whether one of the files that were read has changed."""
        try:
            return any(file.read_bytes() != text for file, text in self._texts.items())
        except OSError:
            return True


_PLUGINS: dict[str, Plugin] = {}
"""The plugins of this process by the name of their module."""
_EDITIONS: Counter[str] = Counter()
"""Number of edits of each plugin that were found."""


def plugin_of(module: str) -> Plugin | None:
    """Return the plugin that a module belongs to; None for a module of no plugin."""
    return _PLUGINS.get(module.partition(".")[0])


def module_file(folder: Path, name: str) -> Path | None:
    """Return the file of a module or package in a folder of modules, or None."""
    place = folder.joinpath(*name.split("."))
    files = (place / "__init__.py", place.parent / f"{place.name}.py")
    return next((file for file in files if file.is_file()), None)


def load_plugin(path: Path) -> tuple[str, ...]:
    """Run a file that registers routers and return their names.

    An unchanged file runs once in a process. If the file, or a module beside it that it imports, was edited since, all
    of them run again and their routers replace the earlier ones.

    Raises:
        BadInput: the file cannot be run, or registers nothing; the message names the file and the reason.
    """
    plugin = Plugin(path.absolute())
    known = _PLUGINS.get(plugin.module)
    if known is not None and known.is_edited():
        _EDITIONS[plugin.module] += 1
    return _load(plugin.path, _EDITIONS[plugin.module])


@cache
def _load(path: Path, edition: int) -> tuple[str, ...]:
    plugin = Plugin(path)
    try:
        plugin.read(path)
    except OSError as error:
        raise BadInput(f"cannot read the plugin {path}: {error.strerror}.", key="plugins") from error
    _forget(plugin)
    _PLUGINS[plugin.module] = plugin
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
    try:
        import_module(plugin.module)
        found = tuple(name for name in registry.registered() if plugin_of(registry.find(name).__module__) is plugin)
        if not found:
            raise BadInput("registers no router: put @moebench.routers.register('my-router') above its class.")
    except BadInput as error:
        _forget(plugin)
        raise BadInput(f"plugin {path}: {error}", key="plugins") from error
    except (Exception, SystemExit) as error:
        _forget(plugin)
        raise BadInput(f"plugin {path}{_line(error, plugin)} raises {in_words(error)}.", key="plugins") from error
    return found


def _forget(plugin: Plugin) -> None:
    """Remove the modules and routers of a plugin before its edited file runs."""
    _PLUGINS.pop(plugin.module, None)
    for name in [name for name in sys.modules if name.partition(".")[0] == plugin.module]:
        del sys.modules[name]
    registry.unregister(plugin.module)


class _Finder:
    """A finder of the modules of plugins, by their names in this process."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return the specification of a plugin's module; None for any other module."""
        plugin = plugin_of(name)
        file = plugin.locate(name.partition(".")[2]) if plugin else None
        if plugin is None or file is None:
            return None
        # The plugin itself is a package as well: its submodules are the modules beside it.
        folder = [str(file.parent)] if file.name == "__init__.py" or name == plugin.module else None
        loader = _Loader(name, str(file), plugin)
        return spec_from_file_location(name, file, loader=loader, submodule_search_locations=folder)


_FINDER = _Finder()


class _Loader(SourceFileLoader):
    """Loader of a plugin's modules, whose imports find the modules beside the plugin.

    Compiled files are neither written nor read: they would be beside the user's files, and their times do not
    distinguish two edits within a second.
    """

    def __init__(self, name: str, file: str, plugin: Plugin) -> None:
        super().__init__(name, file)
        self.plugin = plugin

    def get_data(self, path: str) -> bytes:
        return self.plugin.read(Path(path))

    def path_stats(self, path: str) -> Mapping[str, Any]:
        raise OSError("no compiled file is kept")

    def exec_module(self, module: ModuleType) -> None:
        """Run a module, whose `import` statements, also in functions, search beside the plugin first."""
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _importing(self.plugin)}
        super().exec_module(module)


def _importing(plugin: Plugin) -> Callable[..., Any]:
    """Return the function that `import` calls in the modules of a plugin."""

    def importing(
        name: str, globals: Any = None, locals: Any = None, fromlist: Sequence[str] | None = None, level: int = 0
    ) -> Any:
        root = name.partition(".")[0]
        file = None if level else plugin.locate(root)
        if file is None:
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        if file == plugin.path:  # a module beside the plugin imports the plugin, which must not run twice
            return sys.modules[plugin.module]
        full = f"{plugin.module}.{name}"
        if fromlist:
            return builtins.__import__(full, globals, locals, fromlist, 0)
        import_module(full)
        return sys.modules[f"{plugin.module}.{root}"]

    return importing


def in_words(error: BaseException) -> str:
    """Return an exception in one line, without a full stop at its end."""
    try:
        text = " ".join(str(error).split()).rstrip(".")
    except Exception:  # a class whose __str__ raises
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _line(error: BaseException, plugin: Plugin) -> str:
    """Return the place in the plugin's files at which an error was raised.

    The result is empty if the traceback has no such place.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return _place(Path(error.filename), error.lineno, plugin)
    frames = traceback.extract_tb(error.__traceback__)
    places = [(Path(frame.filename), frame.lineno) for frame in frames if Path(frame.filename) in plugin.files]
    return _place(*places[-1], plugin) if places else ""


def _place(file: Path, line: int | None, plugin: Plugin) -> str:
    return f", line {line}," if file == plugin.path else f", line {line} of {file.name},"
