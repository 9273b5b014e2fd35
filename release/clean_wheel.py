"""Takes the builder's folder out of a wheel's list of crates: `python release/clean_wheel.py WHEEL ...`.

maturin names the crate itself by the path that it was built in. The wheel is written anew with its record, in place. A
wheel that still names a folder of the builder after that is refused: rustflags.py should have kept it out.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import sys
import zipfile
from pathlib import Path

FOLDER = re.compile(rb"path\+file://[^\"#]*#")
BUILDERS = re.compile(
    rb"[/\\]registry[/\\]src[/\\]|"
    + rb"|".join(
        re.escape(os.fspath(folder)).encode() + rb"[/\\]" for folder in (Path(__file__).parents[1], Path.home())
    )
)


def clean(wheel: Path) -> None:
    """Write a wheel anew, without the folder that it was built in.

    Args:
        wheel: The wheel.

    Raises:
        SystemExit: If a file in it names a folder of the builder all the same.
    """
    written = wheel.with_suffix(".clean")
    with (
        zipfile.ZipFile(wheel) as before,
        zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as after,
    ):
        record = next(info for info in before.infolist() if info.filename.endswith(".dist-info/RECORD"))
        lines = before.read(record).decode().splitlines()
        for info in before.infolist():
            if info is record:
                continue
            content = before.read(info)
            if "/sboms/" in info.filename:
                content = FOLDER.sub(b"path+file:///canvas-studio#", content)
                digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
                entry = f"{info.filename},sha256={digest},{len(content)}"
                lines = [entry if line.startswith(f"{info.filename},") else line for line in lines]
            if found := BUILDERS.search(content):
                near = content[max(found.start() - 40, 0) : found.end() + 40]
                raise SystemExit(f"{wheel.name}: {info.filename} names a folder of the builder: {near!r}")
            after.writestr(info, content, zipfile.ZIP_DEFLATED, 9)
        after.writestr(record, "\n".join(lines) + "\n", zipfile.ZIP_DEFLATED, 9)
    written.replace(wheel)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        clean(Path(name))
