"""Where profiles and tokens are kept and who else can read them; reads environment variables."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from canvas_studio import _core
from canvas_studio._core import changed_by_others
from canvas_studio.errors import InvalidArgumentError


def read_variable(name: str) -> str | None:
    """Read a variable of the environment, without the white space around it, such as the newline of a file.

    Args:
        name: Its name.

    Returns:
        Its value; `None` if it is not set, or empty.

    Raises:
        InvalidArgumentError: If it is in quotation marks, as `set NAME="value"` on Windows and some `.env` files do.
    """
    value = os.environ.get(name, "").strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        raise InvalidArgumentError(f"{name} is in quotation marks: set it without them", argument=name)
    return value or None


def home() -> Path:
    """Return the folder that profiles and tokens are kept in, which need not exist.

    Returns:
        `CANVAS_STUDIO_HOME`, or else the folder in which the operating system wants such things to be.

    Raises:
        InvalidArgumentError: If there is no such folder for this user.
    """
    try:
        if given := read_variable("CANVAS_STUDIO_HOME"):
            return Path(given).expanduser()
        if sys.platform == "win32":
            return Path(read_variable("APPDATA") or Path.home() / "AppData" / "Roaming") / "canvas-studio"
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Application Support" / "canvas-studio"
        configuration = Path(read_variable("XDG_CONFIG_HOME") or "~/.config")
        # A relative one is to be ignored, says the XDG specification.
        configuration = configuration if configuration.is_absolute() else Path("~/.config")
        return configuration.expanduser() / "canvas-studio"
    except RuntimeError:
        name = "CANVAS_STUDIO_HOME"
        problem = "is missing, and this user has no home folder: set it to a folder for profiles"
        raise InvalidArgumentError(f"{name} {problem}", argument=name) from None


def exposure(path: Path) -> str | None:
    """Say whether others can change a file, or read one of this user.

    Who can read a file of root is up to root.

    Args:
        path: The file.

    Returns:
        What is wrong and what to do; `None` if the file is private.
    """
    if sys.platform == "win32":
        return None
    if problem := changed_by_others(path):
        return problem
    try:
        state = path.stat()
        if state.st_uid != os.getuid() or not state.st_mode & 0o077:
            return None
        # Where chmod cannot help, there is nothing that this user could do.
        if os.statvfs(path).f_flag & os.ST_RDONLY or not _keeps_modes(path.parent):
            return None
    except OSError:
        return None
    return f"others can read or change {path}: chmod 600 '{path}'"


def make_private_folder(folder: Path) -> None:
    """Make a folder that only its owner can look into, with those above it, and close one that is there.

    Args:
        folder: The folder.

    Raises:
        OSError: If it cannot be made.
    """
    _core.make_private_folder(folder)
    if sys.platform != "win32":
        folder.chmod(0o700)


def _keeps_modes(folder: Path) -> bool:
    """Whether files in a folder can be private; on some drives (FAT, shares, those of Windows in WSL) none can."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            return not os.fstat(probe.fileno()).st_mode & 0o077
    except OSError:
        return True
