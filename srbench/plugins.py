"""Plugins: installed packages that add networks, metrics, protocols, datasets and upscalers without editing srbench.

A plugin has an entry point in the group `srbench.plugins` that names a module. Importing the module registers entries
with `Registry.register`. Plugins are loaded when a registry is first read. A broken plugin gives a warning that names
it, leaves nothing behind, and stops nothing else.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections import UserDict
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from srbench.errors import PluginError

GROUP = "srbench.plugins"
"""The group of entry points that plugins use."""

SWITCH = "SRBENCH_NO_PLUGINS"
"""The environment variable that keeps plugins from being loaded, also in child processes."""

Entry = TypeVar("Entry")


class PluginWarning(UserWarning):
    """A plugin that was not loaded, and the reason."""


class Registry(UserDict[str, Entry], Generic[Entry]):
    """Entries by name: those of srbench, and those that plugins register. Reading it loads the plugins.

    Args:
        kind: what an entry is, for messages, such as "metric".
        entries: the entries of srbench by name.
        check: raises PluginError for an entry that cannot be used.
    """

    def __init__(
        self, kind: str, entries: dict[str, Entry], check: Callable[[str, Entry], None] = lambda name, entry: None
    ) -> None:
        super().__init__()
        self.kind, self._check = kind, check
        self._entries, self._own = dict(entries), dict(entries)
        _REGISTRIES.append(self)

    @property
    def data(self) -> dict[str, Entry]:
        """The entries, including those of plugins, which are loaded first."""
        load_plugins()
        return self._entries

    @data.setter
    def data(self, entries: dict[str, Entry]) -> None:
        self._entries = entries

    def register(self, name: str, entry: Entry) -> None:
        """Add an entry. Raises PluginError for a name that is taken or an entry that cannot be used."""
        if name.lower() in map(str.lower, self._entries):
            raise PluginError(f"expected a new name of a {self.kind}, got {name}, which is taken; choose another")
        self._check(name, entry)
        self._entries[name] = entry

    def snapshot(self) -> dict[str, Entry]:
        """Return the current entries, to restore them if a plugin fails."""
        return dict(self._entries)

    def restore(self, entries: dict[str, Entry] | None) -> None:
        """Restore the entries of a snapshot; without one, those of srbench."""
        self._entries = dict(self._own if entries is None else entries)


_REGISTRIES: list[Registry] = []  # type: ignore[type-arg]  # of every kind of entry
_LOADED: dict[str, str] = {}
_LOCK = threading.RLock()
_BEGUN = threading.Event()


def load_plugins() -> None:
    """Load all installed plugins, once in a process. The environment variable `SRBENCH_NO_PLUGINS` prevents it."""
    if os.environ.get(SWITCH):
        return
    with _LOCK:
        points = () if _BEGUN.is_set() else sorted(entry_points(group=GROUP), key=lambda point: point.name)
        _BEGUN.set()  # before loading: plugins read registries while they are loaded
        for point in points:
            _load(point)


def disable_plugins() -> None:
    """Keep plugins from being loaded in this process and its children. Pages must not depend on what is installed."""
    os.environ[SWITCH] = "1"


def loaded_plugins() -> dict[str, str]:
    """Return the names of the loaded plugins with the versions of their packages."""
    load_plugins()
    return {} if os.environ.get(SWITCH) else dict(_LOADED)


def _load(point: EntryPoint) -> None:
    before = {id(registry): registry.snapshot() for registry in _REGISTRIES}
    try:
        if point.name in _LOADED:
            raise PluginError(f"expected plugins of different names, got two named {point.name}; uninstall one")
        point.load()
    except Exception as error:  # noqa: BLE001  # whatever a plugin raises must stop nothing else
        for registry in _REGISTRIES:  # also those in modules that this plugin imported first
            registry.restore(before.get(id(registry)))
        warnings.warn(f"the plugin {point.name} was not loaded: {_reason(error)}", PluginWarning, stacklevel=2)
        return
    _LOADED[point.name] = point.dist.version if point.dist else "unknown"


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
