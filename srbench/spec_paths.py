"""Paths in model specs for records, keys and submissions: without the folders of a machine."""

from __future__ import annotations

import re
from pathlib import Path, PureWindowsPath


def looks_like_path(text: str) -> bool:
    """Return whether a `python:` spec names a file and not a module: it ends in .py, or has a slash or backslash."""
    return text.lower().endswith(".py") or "/" in text or "\\" in text


def recorded_path(text: str) -> str:
    """Return a path for a record, without the folders of the machine.

    A relative path stays as it was typed. An absolute one is made relative to the current folder if it is inside,
    and otherwise only its last part is kept; the same for paths that leave the current folder.

    Examples:
        >>> recorded_path("nets/net.onnx"), recorded_path("/home/me/net.onnx"), recorded_path("C:\\\\me\\\\net.onnx")
        ('nets/net.onnx', 'net.onnx', 'net.onnx')
    """
    path, windows = Path(text), PureWindowsPath(text)
    leaves = path.is_absolute() or bool(windows.anchor) or ".." in windows.parts or text.startswith("~")
    if path.is_absolute() and path.is_relative_to(Path.cwd()) and path != Path.cwd():
        return path.relative_to(Path.cwd()).as_posix()
    return (windows.name or path.resolve().name) if leaves else text


def without_folders(spec: str) -> str:
    """Return a model spec with only the last part of its path.

    Examples:
        >>> without_folders("onnx:nets/net.onnx"), without_folders("python:C:\\\\me\\\\net.py:make")
        ('onnx:net.onnx', 'python:net.py:make')
    """
    return re.sub(r"(?:(?<![A-Za-z])[A-Za-z]:)?[^:@]*[/\\]", "", spec)
