"""The modules that the Rust core imports by name, written down for tools that look for imports in Python alone.

PyInstaller, cx_Freeze and Nuitka leave out of a frozen program what they see no import of. Nothing here runs.
"""
# ruff: noqa: F401, PLC0415 - that is what it is for
# pyright: reportUnusedImport=false, reportUnusedFunction=false

from __future__ import annotations


def _by_name() -> None:
    import asyncio
    import builtins
    import contextvars
    import errno
    import functools
    import inspect
    import io
    import json
    import os
    import sys
    import warnings

    import canvas_studio._development
    import canvas_studio._logs
    import canvas_studio._notebook
    import canvas_studio._pickles
    import canvas_studio._progress
    import canvas_studio._pydantic
    import canvas_studio._tracebacks
    import canvas_studio._upload_rows
    import canvas_studio._user_stores
    import canvas_studio._waking
    import canvas_studio.byte_stream
    import canvas_studio.errors
    import canvas_studio.listing
    import canvas_studio.many_calls
    import canvas_studio.models
    import canvas_studio.profiles
    import canvas_studio.response
    import canvas_studio.uploads
    import canvas_studio.user_errors
