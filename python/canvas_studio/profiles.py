"""Profiles: the saved settings of each school, and how a client finds the settings that it was not given."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Never, TypeAlias, cast

from canvas_studio._core import OUT_OF_BAND, StudioClient, replace_file, school_url
from canvas_studio._files import exposure, home, make_private_folder, read_variable
from canvas_studio._frozen import frozen
from canvas_studio._keyring import Keyring, translate_errors
from canvas_studio._tracebacks import clears_locals
from canvas_studio.errors import InvalidArgumentError, StudioError, TokenStoreError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from canvas_studio.auth import FileTokenStore, KeyringTokenStore, OAuth, Tokens, TokenStore

__all__ = [
    "OUT_OF_BAND",
    "SERVICE",
    "Profile",
    "Settings",
    "StoreKind",
    "check_keyring",
    "check_name",
    "choose",
    "delete",
    "find",
    "forget",
    "forget_tokens",
    "home",
    "is_name",
    "is_set_up",
    "load",
    "names",
    "save",
    "school_url",
]

StoreKind: TypeAlias = Literal["file", "keyring"]

SERVICE: Final = "canvas-studio"
LOGIN: Final = "canvas-studio login"

KEY_VARIABLES: Final = ("CANVAS_STUDIO_CLIENT_ID", "CANVAS_STUDIO_CLIENT_SECRET", "CANVAS_STUDIO_TOKEN_FILE")
REQUIRED: Final = ("url", "client_id")
OPTIONAL: Final = ("client_secret", "redirect_uri", "store", "proxy", "ca_bundle")

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# Windows gives these names to devices, whatever comes after a dot. A profile may move to another machine.
DEVICE: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
FIRST_LINE: Final = "# A profile of canvas-studio. It may hold a secret: keep it private."


@frozen
@dataclass(frozen=True, slots=True, weakref_slot=True, kw_only=True)
class Profile:
    """The saved settings of one school.

    Attributes:
        name: Its name: letters, digits, dots, dashes and underscores.
        url: The school's URL.
        client_id: The id of the developer key.
        client_secret: Its secret; `None` if it is in the keyring.
        redirect_uri: The redirect URI registered on the key.
        store: Where the tokens and the client secret are: in files, or in the keyring.
        proxy: The proxy, if not that of the environment.
        ca_bundle: The file of certificates to trust, if not the system's.
    """

    name: str
    url: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    redirect_uri: str = OUT_OF_BAND
    store: StoreKind = "file"
    proxy: str | None = field(default=None, repr=False)
    ca_bundle: str | None = None

    @property
    def path(self) -> Path:
        """The file of the profile."""
        return _profile_path(self.name)

    @clears_locals
    def token_store(self) -> FileTokenStore | KeyringTokenStore:
        """Make the store that holds its tokens.

        Returns:
            The store.

        Raises:
            TokenStoreError: If it is the keyring, and the keyring cannot be used.
        """
        if self.store == "keyring":
            check_keyring()
        return _token_store(self)

    @clears_locals
    def secret(self) -> str:
        """Return the client secret of the profile, or of its keyring.

        Returns:
            The secret.

        Raises:
            TokenStoreError: If it cannot be read.
        """
        secret = self.client_secret
        if not secret:
            with _keyring() as keyring:
                secret = keyring.get(_secret_name(self.name))
        if not secret:
            raise TokenStoreError(f"the keyring has no client secret of the profile {self.name!r}: {LOGIN} {self.name}")
        return secret

    @clears_locals
    def oauth(self, store: TokenStore | None = None) -> OAuth:
        """Make the `OAuth` of this profile.

        Args:
            store: Where to keep the tokens; the store of the profile if left out.

        Returns:
            The `OAuth`.

        Raises:
            InvalidArgumentError: If a value of the profile is invalid.
            TokenStoreError: If the client secret cannot be read, or if others can read the tokens.
        """
        from canvas_studio.auth import OAuth  # noqa: PLC0415 - only who signs in needs it

        if store is None and (readable := exposure(_tokens_path(self.name))):
            raise TokenStoreError(f"the tokens of the profile {self.name!r} are not private: {readable}")
        return OAuth(
            self.client_id,
            self.secret(),
            store=store or self.token_store(),
            url=self.url,
            redirect_uri=self.redirect_uri,
            proxy=self.proxy or read_variable("CANVAS_STUDIO_PROXY"),
            ca_bundle=self.ca_bundle or read_variable("CANVAS_STUDIO_CA_BUNDLE"),
        )


@frozen
@dataclass(frozen=True, slots=True, weakref_slot=True, kw_only=True)
class Settings:
    """The settings of a client, and where they came from. Exactly one of `token` and `auth` is set.

    Attributes:
        url: The school's URL.
        token: The access token.
        auth: The `OAuth` that refreshes the tokens.
        proxy: The proxy, if it is not that of the environment.
        ca_bundle: The file of certificates to trust, if it is not the system's.
        timeout: Seconds for one call, of `CANVAS_STUDIO_TIMEOUT`.
        max_rate: Requests to start per second at most, of `CANVAS_STUDIO_MAX_RATE`.
        profile: The profile, if one was used.
        url_from: Where the URL came from, in words.
        credentials_from: Where the token or the key came from, in words.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    auth: OAuth | None = None
    proxy: str | None = field(default=None, repr=False)
    ca_bundle: str | None = None
    timeout: float | None = None
    max_rate: float | None = None
    profile: Profile | None = None
    url_from: str
    credentials_from: str

    @clears_locals
    def client(self, **options: Any) -> StudioClient:  # noqa: ANN401 - StudioClient's
        """Make a client.

        Args:
            **options: Other options of `StudioClient`, such as `timeout`.

        Returns:
            The client.

        Raises:
            InvalidArgumentError: If a setting is invalid.
        """
        limits = {"timeout": self.timeout, "max_rate": self.max_rate}
        options = {name: value for name, value in limits.items() if value is not None} | options
        return StudioClient(
            self.url, token=self.token, auth=self.auth, proxy=self.proxy, ca_bundle=self.ca_bundle, **options
        )


def check_keyring() -> None:
    """Check that the keyring can be used.

    Raises:
        TokenStoreError: If the extra is not installed, if there is no keyring, or if it is in plain text.
    """
    with _keyring() as keyring:
        keyring.get("nobody")


def is_name(name: str) -> bool:
    """Say whether a profile can have this name.

    Args:
        name: The name.

    Returns:
        Whether it can, on every operating system.
    """
    return bool(NAME.fullmatch(name)) and not DEVICE.fullmatch(name)


@clears_locals
def check_name(name: str) -> str:
    """Raise if a profile cannot have this name.

    Args:
        name: The name.

    Returns:
        The name.

    Raises:
        InvalidArgumentError: If it cannot.
    """
    if "://" in name:
        _refuse(
            "profile",
            "must be the name of a profile, not a URL: use a name, such as myschool; or leave it out, if "
            "CANVAS_STUDIO_URL and a token are set",
        )
    if not is_name(name):
        # It may be a URL with a password.
        shown = "what was given" if set(name) & set(":/@?") else repr(name)
        _refuse(
            "profile",
            f"{shown} is not a valid name: use at most 64 letters (A to Z), digits, dots, dashes and underscores, "
            "begin with a letter or a digit, and use no name of a Windows device",
        )
    return name


def names() -> list[str]:
    """List the profiles.

    Returns:
        Their names, sorted.

    Raises:
        OSError: If the folder cannot be read.
    """
    try:
        files = [file.stem for file in (home() / "profiles").iterdir() if file.suffix == ".toml"]
    except FileNotFoundError:
        return []
    return sorted(name for name in files if is_name(name))


@clears_locals
def load(name: str) -> Profile:
    """Read a profile, but not the secrets in the keyring.

    Args:
        name: Its name.

    Returns:
        The profile.

    Raises:
        InvalidArgumentError: If it does not exist, if it is invalid, or if others can read it.
        OSError: If it cannot be read.
    """
    path = _profile_path(name)
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        known = names()
        there_are = f"there are {_listed(known, 'and')}" if known else "there are none yet"
        variables = _variables_without_profile()
        way_out = f"; or leave the profile out, to use {variables}" if variables else ""
        _refuse("profile", f"{name!r} does not exist ({there_are}): sign in with `{LOGIN} {name}`{way_out}")
    if readable := exposure(path):
        _refuse("profile", f"{name!r} is not private: {readable}")
    return _from_toml(name, path, text)


@clears_locals
def save(profile: Profile, tokens: Tokens | None = None) -> None:
    """Write a profile; it replaces one of the same name. If that fails, nothing changes.

    Args:
        profile: The profile, with its client secret.
        tokens: The tokens to save in its store; if left out, the store does not change.

    Raises:
        InvalidArgumentError: If its name or a value is invalid.
        OSError: If it cannot be written.
        TokenStoreError: If the tokens cannot be saved, or the keyring does not take the secret.
    """
    path = _profile_path(profile.name)
    values = {each: cast("str | None", getattr(profile, each)) for each in (*REQUIRED, *OPTIONAL)}
    if profile.store == "keyring":
        values["client_secret"] = None
    lines = [f"{key} = {_quoted(key, value)}" for key, value in values.items() if value is not None]
    for folder in (path.parent, home() / "tokens"):
        make_private_folder(folder)
    with contextlib.ExitStack() as done:
        if tokens is not None:
            done.enter_context(_with_tokens(profile, tokens))
        if profile.store == "keyring" and profile.client_secret is not None:
            done.enter_context(_with_secret(_secret_name(profile.name), profile.client_secret))
        replace_file(path, "\n".join([FIRST_LINE, *lines, ""]).encode())


@clears_locals
def forget(profile: Profile) -> None:
    """Remove the tokens of a profile and, if it is in the keyring, the client secret. The profile's file stays.

    Args:
        profile: The profile.

    Raises:
        OSError: If a file cannot be removed.
        TokenStoreError: If the keyring cannot delete them.
    """
    forget_tokens(profile)
    if profile.store == "keyring":
        with _keyring() as keyring:
            keyring.forget(_secret_name(profile.name))


@clears_locals
def forget_tokens(profile: Profile) -> None:
    """Remove the tokens of a profile, also from a keyring that is refused for new ones. The developer key stays.

    Args:
        profile: The profile.

    Raises:
        OSError: If a file cannot be removed.
        TokenStoreError: If the keyring cannot delete them.
    """
    store = _token_store(profile)
    if profile.store == "keyring":
        with _keyring() as keyring:
            # Without tokens there is nothing to lock.
            if not keyring.has(profile.name):
                return
    with store.lock():
        _put(profile, store, None)


@clears_locals
def delete(name: str) -> None:
    """Delete a profile with its developer key and its tokens, even if it cannot be read.

    Args:
        name: Its name.

    Raises:
        InvalidArgumentError: If the name is invalid.
        OSError: If a file cannot be removed.
        TokenStoreError: If the keyring may still hold something of it. The files are removed even so.
    """
    path = _profile_path(name)
    kind, is_told = _where_kept(name, path)
    try:
        forget(Profile(name=name, url="", client_id="", store=kind))
    except TokenStoreError as error:
        if kind == "file":
            raise
        if is_told:
            held = f"{name!r} and {_secret_name(name)!r} of the service {SERVICE!r}"
            message = f"the profile {name!r} is removed, but the keyring may still hold {held}: {error}"
            raise TokenStoreError(message) from error
    finally:
        _tokens_path(name).unlink(missing_ok=True)
        path.unlink(missing_ok=True)


def _where_kept(name: str, path: Path) -> tuple[StoreKind, bool]:
    """Return where the secrets of a profile are or may be, and whether something is probably there."""
    text = b""
    try:
        text = path.read_bytes()
        return _from_toml(name, path, text).store, True
    except FileNotFoundError:
        return "keyring", False
    except OSError:
        return "keyring", True
    except InvalidArgumentError:
        # A profile with its secret in the file has nothing in the keyring.
        return "keyring", b"client_secret" not in text


@clears_locals
def choose(name: str | None = None) -> str:
    """Choose a profile.

    Args:
        name: The one that was asked for, if any was.

    Returns:
        That; else what `CANVAS_STUDIO_PROFILE` names; else the only profile that there is.

    Raises:
        InvalidArgumentError: If there is none, or several.
        OSError: If the profiles cannot be listed.
    """
    if chosen := name or read_variable("CANVAS_STUDIO_PROFILE"):
        return chosen
    known = names()
    if len(known) != 1:
        which = f"choose {_listed(known)}, or set CANVAS_STUDIO_PROFILE" if known else f"`{LOGIN}` makes one"
        _refuse("profile", f"is missing, and there are {len(known) or 'none'}: {which}")
    return known[0]


def is_set_up() -> bool:
    """Say whether `StudioClient.from_env()` has anything to go by: one of the variables that it reads, or a profile.

    A program that runs on a sandbox otherwise asks this first. What is set may still be incomplete or wrong.

    Returns:
        Whether it has.

    Raises:
        OSError: If the profiles cannot be listed.
    """
    variables = ("CANVAS_STUDIO_URL", "CANVAS_STUDIO_TOKEN", "CANVAS_STUDIO_PROFILE", *KEY_VARIABLES)
    return any(map(read_variable, variables)) or bool(names())


@clears_locals
def find(  # noqa: PLR0911 - one for each place
    *,
    profile: str | None = None,
    url: str | None = None,
    token: str | None = None,
    auth: OAuth | None = None,
    proxy: str | None = None,
    ca_bundle: str | os.PathLike[str] | None = None,
) -> Settings:
    """Find the settings of a client: in the arguments, then in the environment, then in a profile.

    Settings that belong together come from one source. With the argument `profile`, the environment says nothing of the
    school, the token and the key; what it says of this machine's network holds with every profile.

    Args:
        profile: The name of a profile.
        url: The school.
        token: The access token.
        auth: The `OAuth` that refreshes the tokens.
        proxy: The proxy.
        ca_bundle: The file of certificates to trust.

    Returns:
        What was found.

    Raises:
        InvalidArgumentError: If a setting is missing, or if two settings conflict.
        OSError: If a profile cannot be read.
        TokenStoreError: If a client secret cannot be read.
    """
    if token is not None and auth is not None:
        _refuse("token", "and auth exclude each other: give one of the two")
    bundle = read_variable("CANVAS_STUDIO_CA_BUNDLE") if ca_bundle is None else os.fspath(ca_bundle)
    rest: dict[str, Any] = {
        "proxy": read_variable("CANVAS_STUDIO_PROXY") if proxy is None else proxy,
        "ca_bundle": bundle,
        "timeout": _read_number("CANVAS_STUDIO_TIMEOUT"),
        "max_rate": _read_number("CANVAS_STUDIO_MAX_RATE"),
    }
    given = ("the argument url", school_url(url)) if url is not None else None

    if token is not None or auth is not None:
        rest |= {
            "token": token,
            "auth": auth,
            "credentials_from": f"the argument {'auth' if token is None else 'token'}",
        }
        if given:
            return Settings(url=given[1], url_from=given[0], **rest)
        if auth is not None and auth.url is not None:
            return Settings(url=auth.url, url_from="the argument auth", **rest)
        if profile is None and (variable := _url_variable()):
            return Settings(url=variable[1], url_from=variable[0], **rest)
        if named := profile or read_variable("CANVAS_STUDIO_PROFILE"):
            return _with_profile(load(named), **rest)
        _refuse("url", "is missing: pass it, or set CANVAS_STUDIO_URL")

    if profile is not None:
        return _of_profile(profile, given, rest)

    variable = _url_variable()
    if credentials := _credential_variables():
        return _of_environment(credentials, given, variable, rest)
    if not (read_variable("CANVAS_STUDIO_PROFILE") or names()):
        missing = [name for name, where in (("url", given or variable), ("token", None)) if not where]
        variables = " and ".join(f"CANVAS_STUDIO_{name.upper()}" for name in missing)
        _refuse(missing[0], f"is missing: pass it, set {variables}, or sign in with `{LOGIN}`")
    return _of_profile(choose(), given or variable, rest)


def _of_profile(name: str, given: tuple[str, str] | None, rest: dict[str, Any]) -> Settings:
    """Return the settings of a profile. Refuse if the URL that was given is another school's."""
    found = load(name)
    if given and given[1] != found.url:
        where, url = given
        _refuse(
            "url" if where.startswith("the argument") else where,
            f"is {url}, but the profile {name!r} is of {found.url}, and its tokens are sent only there: "
            "choose another profile, or leave the URL out",
        )
    credentials_from = f"the profile {name!r}, tokens in {_place_of_tokens(found)}"
    return _with_profile(found, auth=found.oauth(), credentials_from=credentials_from, **rest)


def _with_profile(found: Profile, *, proxy: str | None, ca_bundle: str | None, **rest: Any) -> Settings:  # noqa: ANN401
    return Settings(
        url=found.url,
        url_from=f"the profile {found.name!r} ({found.path})",
        profile=found,
        proxy=proxy or found.proxy,
        ca_bundle=ca_bundle or found.ca_bundle,
        **rest,
    )


def _of_environment(
    credentials: dict[str, str], given: tuple[str, str] | None, variable: tuple[str, str] | None, rest: dict[str, Any]
) -> Settings:
    """Return settings with a token or a key of the environment. Their URL never comes from a profile."""
    which = next(iter(credentials))
    if given and variable and given[1] != variable[1]:
        _refuse(
            "url",
            f"is {given[1]}, but CANVAS_STUDIO_URL is {variable[1]}, and {which} belongs to that: "
            "pass a token too, or unset the variables",
        )
    chosen = given or variable
    if chosen is None:
        only = read_variable("CANVAS_STUDIO_PROFILE") or next(iter(names()), None)
        but = f"; {which} is not sent to the school of the profile {only!r}" if only else ""
        _refuse("url", f"is missing: pass it, or set CANVAS_STUDIO_URL{but} (unset {which} to use profiles)")
    where, url = chosen
    if which == "CANVAS_STUDIO_TOKEN":
        return Settings(url=url, token=credentials[which], url_from=where, credentials_from=which, **rest)

    from canvas_studio.auth import FileTokenStore, OAuth  # noqa: PLC0415 - only who signs in needs it

    client_id, secret, file = (credentials[name] for name in KEY_VARIABLES)
    path = Path(file).expanduser()
    if readable := exposure(path):
        _refuse("CANVAS_STUDIO_TOKEN_FILE", f"is not private: {readable}")
    store = FileTokenStore(path)
    auth = OAuth(client_id, secret, store=store, url=url, proxy=rest["proxy"], ca_bundle=rest["ca_bundle"])
    return Settings(
        url=url, auth=auth, url_from=where, credentials_from=f"CANVAS_STUDIO_CLIENT_ID, tokens in {path}", **rest
    )


def _credential_variables() -> dict[str, str]:
    """Return the variables of a token or of a key. A key needs all three of its variables."""
    token = read_variable("CANVAS_STUDIO_TOKEN")
    key = {name: value for name in KEY_VARIABLES if (value := read_variable(name))}
    if token and key:
        _refuse("CANVAS_STUDIO_TOKEN", f"and {_listed(key, 'and')} exclude each other: unset one or the other")
    if token:
        return {"CANVAS_STUDIO_TOKEN": token}
    if missing := [name for name in KEY_VARIABLES if key and name not in key]:
        them = "them" if len(key) > 1 else "it"
        _refuse(
            missing[0],
            f"is missing, and {_listed(key, 'and')} cannot be used without it: set {_listed(missing, 'and')}, "
            f"or unset {them} and choose a profile",
        )
    return key


def _variables_without_profile() -> str | None:
    """Return the variables that a client takes if no profile is named, in words; `None` if they are not all set."""
    kinds = (("CANVAS_STUDIO_TOKEN",), KEY_VARIABLES)
    credentials = next((kind for kind in kinds if all(map(read_variable, kind))), None)
    return (
        _listed(("CANVAS_STUDIO_URL", *credentials), "and")
        if credentials and read_variable("CANVAS_STUDIO_URL")
        else None
    )


def _read_number(name: str) -> float | None:
    """Return a variable that is a number above zero."""
    if not (value := read_variable(name)):
        return None
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not number > 0:  # which NaN is not, either
        _refuse(name, "must be a number above zero, such as 30")
    return number


def _url_variable() -> tuple[str, str] | None:
    if not (value := read_variable("CANVAS_STUDIO_URL")):
        return None
    try:
        return "CANVAS_STUDIO_URL", school_url(value)
    except InvalidArgumentError as error:
        _refuse("CANVAS_STUDIO_URL", f"is invalid: {error}")


def _from_toml(name: str, path: Path, text: bytes) -> Profile:
    def wrong(problem: object) -> Never:
        remedy = f"correct it, or remove it with `canvas-studio logout --all {name}`"
        _refuse("profile", f"{name!r} cannot be read: {path}: {problem}: {remedy}")

    document = _document(text)
    if isinstance(document, str):
        wrong(document)
    known = (*REQUIRED, *OPTIONAL)
    for key, value in document.items():
        if key not in known:
            wrong(f"{key!r} is no setting; the settings are {_listed(known, 'and')}")
        if not isinstance(value, str) or not value:
            wrong(f"{key} must be a string that is not empty")
    if document.setdefault("store", "file") not in {"file", "keyring"}:
        wrong('store must be "file" or "keyring"')
    needed = (*REQUIRED, "client_secret") if document["store"] == "file" else REQUIRED
    if missing := [key for key in needed if key not in document]:
        wrong(f"it has no {_listed(missing)}")
    try:
        document["url"] = school_url(document["url"])
    except InvalidArgumentError as error:
        wrong(error)
    return Profile(name=name, **document)


def _document(text: bytes) -> dict[str, Any] | str:
    """Return the content of a file, or what is wrong with it: the error of `tomllib` would hold the secret."""
    try:
        return tomllib.loads(text.decode())
    except tomllib.TOMLDecodeError as error:
        return str(error)
    except UnicodeDecodeError:
        return "it is not UTF-8"


def _quoted(key: str, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        _refuse(key, "must be text without lone surrogates")
    # JSON escapes all characters that TOML wants escaped, except this one.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


def _profile_path(name: str) -> Path:
    return home() / "profiles" / f"{check_name(name)}.toml"


def _tokens_path(name: str) -> Path:
    return home() / "tokens" / f"{check_name(name)}.json"


def _secret_name(name: str) -> str:
    return f"{name}/client_secret"


def _place_of_tokens(profile: Profile) -> str:
    return str(_tokens_path(profile.name)) if profile.store == "file" else "the keyring"


@contextlib.contextmanager
def _with_tokens(profile: Profile, tokens: Tokens) -> Generator[None]:
    """Save tokens in the store of a profile; if the block fails, restore the previous ones."""
    store = profile.token_store()
    before = None
    with store.lock():
        # If the previous tokens cannot be read, they are of no use.
        with contextlib.suppress(StudioError):
            before = store.load()
        store.save(tokens)
        try:
            yield
        except BaseException:
            with contextlib.suppress(Exception):
                _put(profile, store, before)
            raise


def _token_store(profile: Profile) -> FileTokenStore | KeyringTokenStore:
    from canvas_studio.auth import FileTokenStore, KeyringTokenStore  # noqa: PLC0415 - only who signs in needs it

    if profile.store == "keyring":
        with _keyring():
            return KeyringTokenStore(profile.name, service=SERVICE)
    return FileTokenStore(_tokens_path(profile.name))


def _put(profile: Profile, store: FileTokenStore | KeyringTokenStore, tokens: Tokens | None) -> None:
    store.save(tokens)
    if tokens is None and profile.store == "file":
        # The store has written a file that says "no tokens".
        _tokens_path(profile.name).unlink(missing_ok=True)


@contextlib.contextmanager
def _with_secret(name: str, secret: str) -> Generator[None]:
    """Save a secret in the keyring; if the block fails, restore the previous one."""
    with _keyring() as keyring:
        before = keyring.get(name)
        keyring.set(name, secret)
    try:
        yield
    except BaseException:
        with contextlib.suppress(StudioError), _keyring() as keyring:
            keyring.set(name, before) if before else keyring.forget(name)
        raise


@contextlib.contextmanager
def _keyring() -> Generator[Keyring]:
    """Open the keyring, and raise its errors as `TokenStoreError`."""
    try:
        keyring = Keyring(SERVICE)
    except ModuleNotFoundError as error:
        raise TokenStoreError("this needs keyring: pip install keyring") from error
    with translate_errors(lambda kind: f"the keyring failed ({kind}): unlock it, or keep the tokens in a file"):
        yield keyring


def _listed(words: Iterable[str], last: str = "or") -> str:
    *others, final = words
    return f"{', '.join(others)} {last} {final}" if others else final


def _refuse(argument: str, problem: str) -> Never:
    raise InvalidArgumentError(f"{argument} {problem}", argument=argument)
