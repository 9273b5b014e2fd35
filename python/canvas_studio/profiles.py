"""Profiles: what is kept about each school between two runs, and from where a client takes what it was not given."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Never, TypeAlias, cast

from canvas_studio._core import StudioClient, replace_file, school_url
from canvas_studio._files import exposure, home, make_private_folder, read_variable
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
    "load",
    "names",
    "save",
    "school_url",
]

StoreKind: TypeAlias = Literal["file", "keyring"]

OUT_OF_BAND: Final = "urn:ietf:wg:oauth:2.0:oob"
SERVICE: Final = "canvas-studio"
LOGIN: Final = "canvas-studio login"

KEY_VARIABLES: Final = ("CANVAS_STUDIO_CLIENT_ID", "CANVAS_STUDIO_CLIENT_SECRET", "CANVAS_STUDIO_TOKEN_FILE")
REQUIRED: Final = ("url", "client_id")
OPTIONAL: Final = ("client_secret", "redirect_uri", "store", "proxy", "ca_bundle")

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# Windows gives these names to devices, whatever comes after a dot. A profile may move to another machine.
DEVICE: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
FIRST_LINE: Final = "# A profile of canvas-studio. It may hold a secret: keep it private."


@dataclass(frozen=True, slots=True, weakref_slot=True, kw_only=True)
class Profile:
    """What is kept about one school.

    Attributes:
        name: Its name: letters, digits, dots, dashes and underscores.
        url: The school's URL.
        client_id: The id of the developer key.
        client_secret: Its secret; `None` if that is in the keyring.
        redirect_uri: The redirect URI that is registered on the key.
        store: Where the tokens are, and the client secret with them: in files, or in the keyring.
        proxy: The proxy, if it is not that of the environment.
        ca_bundle: The file of certificates to trust, if it is not the system's.
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
        """The file that it is kept in."""
        return _profile_path(self.name)

    @clears_locals
    def token_store(self) -> FileTokenStore | KeyringTokenStore:
        """Make the store that holds its tokens.

        Returns:
            The store.

        Raises:
            TokenStoreError: If it is the keyring, and that cannot be used.
        """
        if self.store == "keyring":
            check_keyring()
        return _token_store(self)

    @clears_locals
    def secret(self) -> str:
        """Return the client secret, from the keyring if it is there.

        Returns:
            The secret.

        Raises:
            TokenStoreError: If it cannot be had.
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
        """Make what signs in with its key.

        Args:
            store: Where the tokens are kept; in the store of the profile if left out.

        Returns:
            The `OAuth`.

        Raises:
            InvalidArgumentError: If a value of the profile cannot be right.
            TokenStoreError: If the client secret cannot be had, or others can read the tokens.
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
            proxy=self.proxy,
            ca_bundle=self.ca_bundle,
        )


@dataclass(frozen=True, slots=True, weakref_slot=True, kw_only=True)
class Settings:
    """What a client is made with, and where it came from. Of `token` and `auth` there is exactly one.

    Attributes:
        url: The school's URL.
        token: The access token.
        auth: What signs in and keeps the tokens.
        proxy: The proxy, if it is not that of the environment.
        ca_bundle: The file of certificates to trust, if it is not the system's.
        profile: The profile, if one was used.
        url_from: Where the URL came from, in words.
        credentials_from: Where the token or the key came from, in words.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    auth: OAuth | None = None
    proxy: str | None = field(default=None, repr=False)
    ca_bundle: str | None = None
    profile: Profile | None = None
    url_from: str
    credentials_from: str

    @clears_locals
    def client(self, **options: Any) -> StudioClient:  # noqa: ANN401 - StudioClient's
        """Make a client.

        Args:
            **options: What else `StudioClient` takes, such as `timeout`.

        Returns:
            The client.

        Raises:
            InvalidArgumentError: If something cannot be right.
        """
        return StudioClient(
            self.url, token=self.token, auth=self.auth, proxy=self.proxy, ca_bundle=self.ca_bundle, **options
        )


def check_keyring() -> None:
    """Make sure that the keyring can be used.

    Raises:
        TokenStoreError: If the extra is not installed, if there is no keyring, or if it is one in plain text.
    """
    with _keyring() as keyring:
        keyring.get("nobody")


def is_name(name: str) -> bool:
    """Tell whether a profile may be called so.

    Args:
        name: The name.

    Returns:
        Whether it may, on every operating system.
    """
    return bool(NAME.fullmatch(name)) and not DEVICE.fullmatch(name)


@clears_locals
def check_name(name: str) -> str:
    """Refuse what is no name for a profile.

    Args:
        name: The name.

    Returns:
        The name.

    Raises:
        InvalidArgumentError: If a profile cannot be called so.
    """
    if not is_name(name):
        # A URL that was given in its place may hold a password.
        shown = "what was given" if set(name) & set(":/@?") else repr(name)
        _refuse(
            "profile",
            f"{shown} cannot be a name: at most 64 letters (A to Z), digits, dots, dashes and underscores, "
            "the first of them a letter or a digit, and no name of a device of Windows",
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
    """Read a profile. A secret in the keyring is not asked for yet.

    Args:
        name: Its name.

    Returns:
        The profile.

    Raises:
        InvalidArgumentError: If there is none, it cannot be right, or others can read it.
        OSError: If it cannot be read.
    """
    path = _profile_path(name)
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        known = names()
        there_are = f"there are {_listed(known)}" if known else "there are none yet"
        _refuse("profile", f"{name!r} does not exist ({there_are}): sign in with `{LOGIN} {name}`")
    if readable := exposure(path):
        _refuse("profile", f"{name!r} is not private: {readable}")
    return _from_toml(name, path, text)


@clears_locals
def save(profile: Profile, tokens: Tokens | None = None) -> None:
    """Write a profile, in the place of one of the same name. If that fails, all stays as it was.

    Args:
        profile: The profile, with its client secret.
        tokens: The tokens to put into its store; if left out, that stays as it is.

    Raises:
        InvalidArgumentError: If its name or a value cannot be right.
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
        TokenStoreError: If the keyring does not give up what it holds.
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
        TokenStoreError: If the keyring does not give up what it holds.
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
    """Remove a profile, with its key and its tokens. One that cannot be read is removed, too.

    Args:
        name: Its name.

    Raises:
        InvalidArgumentError: If the name cannot be right.
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
    """Where the secrets of a profile are or may be, whoever can read it; and whether it is probable."""
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
    """Find what a client is made with: in the arguments, then in the environment, then in a profile.

    What belongs together comes from one place. A profile that is named by the argument is an argument: the environment
    is not asked then.

    Args:
        profile: The name of a profile.
        url: The school.
        token: The access token.
        auth: What signs in and keeps the tokens.
        proxy: The proxy.
        ca_bundle: The file of certificates to trust.

    Returns:
        What was found.

    Raises:
        InvalidArgumentError: If something is missing, or two of them disagree.
        OSError: If a profile cannot be read.
        TokenStoreError: If a client secret cannot be had.
    """
    if token is not None and auth is not None:
        _refuse("token", "and auth exclude each other: give one of the two")
    bundle = None if ca_bundle is None else os.fspath(ca_bundle)
    rest: dict[str, Any] = {"proxy": proxy, "ca_bundle": bundle}
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
        return _of_profile(profile, given, proxy, bundle)

    variable = _url_variable()
    if credentials := _credential_variables():
        return _of_environment(credentials, given, variable, rest)
    if not (read_variable("CANVAS_STUDIO_PROFILE") or names()):
        missing = [name for name, where in (("url", given or variable), ("token", None)) if not where]
        variables = " and ".join(f"CANVAS_STUDIO_{name.upper()}" for name in missing)
        _refuse(missing[0], f"is missing: pass it, set {variables}, or sign in with `{LOGIN}`")
    return _of_profile(choose(), given or variable, proxy, bundle)


def _of_profile(name: str, given: tuple[str, str] | None, proxy: str | None, ca_bundle: str | None) -> Settings:
    """What a profile says, unless it is of another school than the one that was asked for."""
    found = load(name)
    if given and given[1] != found.url:
        where, url = given
        _refuse(
            "url" if where.startswith("the argument") else where,
            f"is {url}, but the profile {name!r} is of {found.url}, and its tokens go nowhere else: "
            "name another profile, or leave the URL out",
        )
    credentials_from = f"the profile {name!r}, tokens in {_place_of_tokens(found)}"
    return _with_profile(found, auth=found.oauth(), proxy=proxy, ca_bundle=ca_bundle, credentials_from=credentials_from)


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
    """A token or a key from the environment, with a URL that does not come from a profile."""
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
    """The variables that authorize, of which either one is enough or all three of a key are needed."""
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
            f"is missing, without which {_listed(key, 'and')} cannot be used: set {_listed(missing, 'and')}, "
            f"or unset {them} and name a profile",
        )
    return key


def _url_variable() -> tuple[str, str] | None:
    if not (value := read_variable("CANVAS_STUDIO_URL")):
        return None
    try:
        return "CANVAS_STUDIO_URL", school_url(value)
    except InvalidArgumentError as error:
        _refuse("CANVAS_STUDIO_URL", f"cannot be right: {error}")


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
            wrong(f"there is no setting {key!r}, only {_listed(known, 'and')}")
        if not isinstance(value, str) or not value:
            wrong(f"{key} must be a text that is not empty")
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
    """What a file says, or what is wrong with it: the error itself holds the whole text, and with it the secret."""
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
        _refuse(key, "must be text that can be written down")
    # JSON escapes what TOML wants escaped, but for one letter.
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
    """Put tokens into the store of a profile, and those of before back if what is done with that fails."""
    store = profile.token_store()
    before = None
    with store.lock():
        # Tokens that cannot be read are no loss.
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
        # A file that says that there are none.
        _tokens_path(profile.name).unlink(missing_ok=True)


@contextlib.contextmanager
def _with_secret(name: str, secret: str) -> Generator[None]:
    """Put a secret into the keyring, and that of before back if what is done with that fails."""
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
    """Open the keyring, and turn what it raises into errors of ours."""
    try:
        keyring = Keyring(SERVICE)
    except ModuleNotFoundError as error:
        raise TokenStoreError("this needs keyring: pip install keyring") from error
    with translate_errors(
        lambda kind: f"the keyring does not work ({kind}): is it unlocked? Without one, keep the tokens in a file"
    ):
        yield keyring


def _listed(words: Iterable[str], last: str = "or") -> str:
    *others, final = words
    return f"{', '.join(others)} {last} {final}" if others else final


def _refuse(argument: str, problem: str) -> Never:
    raise InvalidArgumentError(f"{argument} {problem}", argument=argument)
