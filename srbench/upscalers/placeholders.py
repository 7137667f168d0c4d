"""Placeholders for a package that cannot be imported, for as long as another package imports names from it."""

from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from types import ModuleType

from srbench.errors import UpscalerError


@contextmanager
def placeholders(package: str) -> Iterator[None]:
    """Let the body import any name from `package` and its submodules; each name is a placeholder.

    Afterwards, also after an error, the modules of the package in `sys.modules` and the way it is imported are
    restored. A placeholder raises UpscalerError when it is called or asked for a value.
    """
    before = _modules_of(package)
    finder = _Finder(package)
    _forget(package)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        _forget(package)
        sys.modules.update(before)


class _Placeholder:
    """A name that was imported and must not be used."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, *args: object, **kwargs: object) -> object:
        raise _unusable(self.__name__)

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        raise _unusable(self.__name__)


class _Module(ModuleType):
    """A module in which every public name is a placeholder."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Placeholder(f"{self.__name__}.{name}")


class _Finder(MetaPathFinder, Loader):
    """Finds a package and all of its submodules as modules of placeholders."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not _belongs(fullname, self.package):
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """A module of placeholders has no code."""


def _unusable(name: str) -> UpscalerError:
    package = name.partition(".")[0]
    return UpscalerError(f"{name}: {package} cannot be imported next to this torch; install a {package} made for it")


def _belongs(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _modules_of(package: str) -> dict[str, ModuleType]:
    return {name: module for name, module in sys.modules.items() if _belongs(name, package)}


def _forget(package: str) -> None:
    for name in _modules_of(package):
        del sys.modules[name]
