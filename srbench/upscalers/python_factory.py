"""`python:pkg.module:factory` and `python:FILE.py:factory`: the user's code that builds a model."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from torch import nn

from srbench.errors import UnknownNameError, UpscalerError
from srbench.spec_paths import looks_like_path, recorded_path
from srbench.upscalers.base import blaming
from srbench.upscalers.factory_args import FactoryArgs
from srbench.upscalers.source import is_installed, source_sha256

# Modules that the files of earlier specs imported. They are imported again for the next spec, which may have other
# modules of the same names next to it, or edited ones.
_brought: set[str] = set()


@dataclass(frozen=True)
class Factory:
    """A function or class that builds a model: `factory(scale=4)`.

    `spec` is the model spec as records hold it, without folders of this machine.
    """

    spec: str
    name: str
    call: Callable[..., object]
    module: str

    def build(self, scale: int, arguments: FactoryArgs) -> nn.Module | Callable[..., object]:
        """The model at a scale: a torch module, or a function of tensors.

        Raises:
            UpscalerError, UnknownNameError: parameters that do not fit, an error inside, or no model as the result.
        """
        self._require_parameters(dict(arguments))
        said = ", ".join([f"scale={scale}", *(f"{name}={value!r}" for name, value in arguments)])
        with blaming(self.spec, f"{self.name}({said})"):
            model = self.call(scale=scale, **dict(arguments))
        if inspect.isclass(model):
            raise UpscalerError(
                f"{self.spec}: expected the factory to return a model, got the class {model.__name__}; "
                f"return an instance of it, {model.__name__}(…)"
            )
        if not callable(model):
            raise UpscalerError(
                f"{self.spec}: expected the factory to return a torch module or a function of tensors, "
                f"got {type(model).__name__}"
            )
        return model

    def source_sha256(self) -> str | None:
        """Return the hash of the factory's code and of everything that it imports; call it after `build`."""
        is_code = inspect.isfunction(self.call) or inspect.isclass(self.call)
        return source_sha256(self.module, self.call.__module__ if is_code else self.module)

    def _require_parameters(self, arguments: dict[str, object]) -> None:
        if "scale" in arguments:
            raise UpscalerError(
                f"{self.spec}: expected the scale from --scale, got --factory-arg scale too; leave it out"
            )
        try:
            signature = inspect.signature(self.call)
        except (TypeError, ValueError):
            return  # built in or written in C: calling it shows whether it works
        parameters = signature.parameters.values()
        named = {p.name: p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
        if "scale" not in named and not takes_any:
            raise UpscalerError(
                f"{self.spec}: expected a factory with a parameter scale, got {self.name}{signature}; write one that "
                f"passes it on, such as def factory(scale): return {self.name}(…)"
            )
        if not takes_any and (unknown := sorted(arguments.keys() - named.keys())):
            raise UnknownNameError(f"--factory-arg of {self.name}", unknown[0], named.keys() - {"scale"})
        required = {name for name, p in named.items() if p.default is p.empty} - {"scale"} - arguments.keys()
        if required:
            missing = sorted(required)
            raise UpscalerError(
                f"{self.spec}: expected a value for {', '.join(missing)}, which {self.name} requires; "
                f"add --factory-arg {missing[0]}=VALUE"
            )


def find_factory(rest: str) -> Factory:
    """The factory that a spec `python:REST` names; REST is split at its last colon, so that drive letters work.

    Raises:
        UpscalerError: no such module, file or factory, or code that cannot be imported.
    """
    spec = f"python:{rest}"
    location, colon, name = rest.rpartition(":")
    if not colon or not location or not all(part.isidentifier() for part in name.split(".")):
        missing = "module or file" if colon and not location else "factory"
        raise UpscalerError(f"{spec}: expected python:pkg.module:factory or python:FILE.py:factory, got no {missing}")
    if looks_like_path(location):
        spec = f"python:{recorded_path(location)}:{name}"
        module = _load_file(spec, Path(location).expanduser())
    else:
        module = _import(spec, location)
    return Factory(spec, name, _attribute(spec, module, name), module.__name__)


def _attribute(spec: str, module: ModuleType, name: str) -> Callable[..., object]:
    found: object = module
    for part in name.split("."):
        if not hasattr(found, part):
            choices = [key for key, value in vars(found).items() if callable(value) and not key.startswith("_")]
            error = UnknownNameError("factory", part, choices)
            raise UpscalerError(f"{spec}: expected a function or class that is defined there, got {error}")
        found = getattr(found, part)
    if isinstance(found, nn.Module):
        raise UpscalerError(
            f"{spec}: expected a function or class that is called with scale=…, got a model that is already built; "
            f"write def factory(scale): return {name}"
        )
    if not callable(found):
        raise UpscalerError(
            f"{spec}: expected a function or class that is called with scale=…, got {type(found).__name__}"
        )
    return found


def _import(spec: str, name: str) -> ModuleType:
    if "" not in sys.path:
        sys.path.insert(0, "")  # the user's modules are in the folder in which srbench is started
    with blaming(spec, f"import {name}"):
        try:
            return importlib.import_module(name)
        except ImportError as error:
            raise UpscalerError(
                f"{spec}: expected an importable module with that factory, got {error}; run srbench where the module "
                "can be found, set PYTHONPATH, or name its file as python:FILE.py:factory"
            ) from error


def _load_file(spec: str, path: Path) -> ModuleType:
    """Run a Python file as a new module that can import the files next to it, also with relative imports."""
    if not path.is_file():
        raise UpscalerError(f"{spec}: expected a Python file, found none at {path}; check the path")
    path = path.resolve()
    top, package = _package_of(path.parent)
    name = f"{package}.{path.stem.replace('.', '_')}"
    with _neighbours_first(top, path.parent), blaming(spec, path.name):
        importlib.import_module(package)
        found = importlib.util.spec_from_file_location(name, path)
        if found is None:  # an ending that is not Python's
            raise UpscalerError(f"{spec}: expected a Python file ending in .py, got {path.name}; rename it")
        module = importlib.util.module_from_spec(found)
        sys.modules[name] = module
        # Compiled from the text, because cached bytecode misses an edit within a second that keeps the size.
        exec(compile(path.read_bytes(), str(path), "exec"), vars(module))  # the spec asks to run this file
    return module


def _package_of(folder: Path) -> tuple[Path, str]:
    """Return the folder above the packages that contain a file, and the import name of the file's own folder.

    The name starts with one that is made of the folder, so that files of equal names in two folders get different
    names.
    """
    top, parts = folder, [""]
    while (top / "__init__.py").is_file():
        top, parts = top.parent, [top.name, *parts]
    root = f"_srbench_{hashlib.sha256(str(top).encode()).hexdigest()[:12]}"
    for name in [name for name in sys.modules if name == root or name.startswith(f"{root}.")]:
        del sys.modules[name]
    package = ModuleType(root)
    package.__path__ = [str(top)]
    sys.modules[root] = package
    return top, ".".join([root, *parts]).rstrip(".")


@contextmanager
def _neighbours_first(*folders: Path) -> Iterator[None]:
    """Make absolute imports find the modules in these folders before other modules with the same names."""
    for folder in folders:
        _forget_others(folder)
        sys.path[:] = [str(folder), *(entry for entry in sys.path if entry != str(folder))]
    importlib.invalidate_caches()
    before, writing = set(sys.modules), sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.dont_write_bytecode = writing
        _brought.update(sys.modules.keys() - before)


def _forget_others(folder: Path) -> None:
    """Remove loaded modules that hide a module of the folder, and those that an earlier spec imported."""
    own = {path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()} - {"__main__", "__init__"}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name.partition(".")[0] not in own or not file or is_installed(Path(file).resolve()):
            continue
        if name in _brought or not Path(file).resolve().is_relative_to(folder):
            del sys.modules[name]
