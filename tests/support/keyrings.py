"""Stand-ins for the package `keyring`."""

from __future__ import annotations

import types


class FakeKeyring(types.ModuleType):
    """What of the package keyring is used; the extra need not be there."""

    def __init__(self) -> None:
        super().__init__("keyring")
        self.kept: dict[tuple[str, str], str] = {}
        self.locked = False
        self.errors = types.ModuleType("keyring.errors")
        self.errors.PasswordDeleteError = LookupError  # type: ignore[attr-defined]

    def get_password(self, service: str, name: str) -> str | None:
        """As keyring does, unless it is locked."""
        if self.locked:
            raise RuntimeError("the keyring is locked")
        return self.kept.get((service, name))

    def set_password(self, service: str, name: str, secret: str) -> None:
        """Likewise."""
        self.get_password(service, name)
        self.kept[service, name] = secret

    def delete_password(self, service: str, name: str) -> None:
        """Likewise."""
        self.get_password(service, name)
        del self.kept[service, name]


class Refusing(FakeKeyring):
    """A keyring that can be read, and does not take everything."""

    refused = ""

    def set_password(self, service: str, name: str, secret: str) -> None:
        """Take it, or not."""
        if name == self.refused:
            raise RuntimeError("denied")
        super().set_password(service, name, secret)
