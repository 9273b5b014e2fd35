"""Installs a wheel into fresh environments of every Python here that it is for, and types in the README's first screen.

`python release/first_screen.py WHEEL`. A version of Python that is not on this machine is named and left out.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
VERSIONS = ("3.11", "3.12", "3.13", "3.14", "3.15")
UV = shutil.which("uv", path=os.fspath(Path(sys.executable).parent)) or "uv"


def interpreter(version: str) -> str | None:
    """Find a Python: one of pyenv's, or one on the path that runs.

    Args:
        version: Its version, such as `3.12`.

    Returns:
        Its path, if there is one.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    on_path = shutil.which(f"python{version}")
    for found in (*sorted(pyenv.glob(f"versions/{version}.*/bin/python")), on_path):
        if found and subprocess.run([found, "--version"], capture_output=True, check=False).returncode == 0:
            return os.fspath(found)
    return None


def first_screen() -> str:
    """Return the first Python of the README."""
    found = re.search(r"```python\n(.*?)```", (CHECKOUT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    if found is None:
        raise SystemExit("the README has no Python")
    return found[1]


def main(wheel: Path) -> None:
    """Try a wheel.

    Args:
        wheel: The wheel.

    Raises:
        SystemExit: If there is no Python to try it with.
    """
    found = {version: interpreter(version) for version in VERSIONS}
    for version, python in found.items():
        if python is None:
            sys.stdout.write(f"   Python {version}: not on this machine\n")
            continue
        with tempfile.TemporaryDirectory() as folder:
            own = Path(folder, "bin", "python")
            package = f"canvas-studio[polars] @ {wheel.absolute().as_uri()}"
            subprocess.run([UV, "venv", "--quiet", "--python", python, folder], check=True)
            subprocess.run([UV, "pip", "install", "--quiet", "--python", own, package], check=True)
            typed = [os.fspath(own), "-I", "-W", "error", "-c", first_screen()]
            printed = subprocess.run(typed, cwd=folder, check=True, capture_output=True, encoding="utf-8").stdout
        sys.stdout.write(f"   Python {version}: {printed.splitlines()[0]}\n")
    if not any(found.values()):
        raise SystemExit("there is no Python here to try the wheel with")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
