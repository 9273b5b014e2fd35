"""Calls the keyring of the operating system through the package keyring, and refuses keyrings that do not protect."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from traceback import clear_frames
from typing import TYPE_CHECKING, Any

from canvas_studio._tracebacks import errors_behind
from canvas_studio.errors import TokenStoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

REMEDY = (
    "choose a keyring that encrypts (`keyring --list-backends` lists them, the variable PYTHON_KEYRING_BACKEND chooses "
    "one), or keep the tokens in a file that only you can read: `canvas-studio login --no-keyring`, or FileTokenStore"
)


LONGEST_ON_WINDOWS = 1280
"""How many UTF-16 units a credential of Windows holds: CRED_MAX_CREDENTIAL_BLOB_SIZE, in bytes, is twice this."""


class Keyring:
    """What the keyring keeps for one service."""

    def __init__(self, service: str) -> None:
        """Import the package keyring.

        Args:
            service: The name of the application, as the keyring shows it.

        Raises:
            ModuleNotFoundError: If the extra is not installed.
        """
        self._keyring: Any = import_module("keyring")
        self._service = service

    def refuse_unprotected(self) -> None:
        """Raise an error if the keyring does not protect what it keeps.

        Raises:
            TokenStoreError: If so.
        """
        get_keyring = getattr(self._keyring, "get_keyring", None)
        if get_keyring is None:
            return
        for backend in _backends(get_keyring()):
            if problem := _problem(backend):
                raise TokenStoreError(f"{problem}: {REMEDY}")

    def get(self, name: str) -> str | None:
        """Return the secret of this name, if there is one.

        Args:
            name: The name.

        Raises:
            TokenStoreError: If the keyring does not protect what it keeps.
        """
        self.refuse_unprotected()
        secret: str | None = self._keyring.get_password(self._service, name)
        return secret

    def set(self, name: str, secret: str) -> None:
        """Keep a secret under a name.

        Args:
            name: The name.
            secret: The secret.

        Raises:
            TokenStoreError: If the keyring does not protect what it keeps, or the secret is too long for it.
        """
        self.refuse_unprotected()
        self._refuse_too_long(secret)
        self._keyring.set_password(self._service, name, secret)

    def has(self, name: str) -> bool:
        """Say whether there is a secret of this name, also in a keyring that is refused.

        Args:
            name: The name.
        """
        return self._keyring.get_password(self._service, name) is not None

    def forget(self, name: str) -> None:
        """Remove the secret of this name if there is one, also from a keyring that is refused.

        Args:
            name: The name.
        """
        if self.has(name):
            self._keyring.delete_password(self._service, name)

    def _refuse_too_long(self, secret: str) -> None:
        get_keyring = getattr(self._keyring, "get_keyring", None)
        length = len(secret.encode("utf-16-le")) // 2
        if get_keyring is None or length <= LONGEST_ON_WINDOWS:
            return
        if any(type(backend).__module__ == "keyring.backends.Windows" for backend in _backends(get_keyring())):
            raise TokenStoreError(
                f"the tokens are {length:,} characters long, and the credential store of Windows takes "
                f"{LONGEST_ON_WINDOWS:,}: keep them in a file: `canvas-studio login --no-keyring`, or FileTokenStore"
            )


@contextmanager
def translate_errors(describe: Callable[[str], str]) -> Generator[None]:
    """Turn what a keyring raises, which has no class in common, into a `TokenStoreError`.

    Args:
        describe: Makes the message from the name of the class that was raised.
    """
    try:
        yield
    except TokenStoreError:
        raise
    except Exception as error:
        # The frames of the package keyring hold the secret that they were given, and so do those of the errors behind.
        for each in errors_behind(error):
            clear_frames(each.__traceback__)
        raise TokenStoreError(describe(type(error).__name__)) from error


def _backends(backend: object) -> Iterator[object]:
    """Yield a backend and those that it passes secrets on to."""
    yield backend
    # ChainerBackend has others, and MultipartKeyringWrapper of keyrings.alt one other.
    for inner in (*getattr(backend, "backends", ()), getattr(backend, "__dict__", {}).get("_keyring")):
        if inner is not None:
            yield from _backends(inner)


def _problem(backend: object) -> str | None:
    """Say why a backend does not protect what it is given, if that is known."""
    own = type(backend)
    name = f"{own.__name__} ({own.__module__})"
    classes = {f"{each.__module__}.{each.__name__}" for each in own.__mro__}
    if any("plaintext" in each.rpartition(".")[2].lower() for each in classes):
        return f"the keyring {name} stores secrets in plain text, so it is not used"
    if "keyring.backends.fail.Keyring" in classes:
        return "this system has no keyring that the package keyring can use"
    if "keyring.backends.null.Keyring" in classes or getattr(backend, "backends", None) == []:
        return f"the keyring {name} stores nothing"
    return None
