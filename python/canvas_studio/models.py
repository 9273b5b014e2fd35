"""The records in Studio's answers: frozen dataclasses of the documented fields, with all others in `extra`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import date, datetime
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self, TypeAlias, cast

from canvas_studio import _core
from canvas_studio._core import (
    Collection,
    Media,
    StudioClient,
    check_group_user_change,
    check_permission_change,
)
from canvas_studio._frozen import frozen
from canvas_studio.drift import Drift
from canvas_studio.errors import DetachedError
from canvas_studio.listing import Listing

__all__ = [
    "Caption",
    "CaptionFileRequest",
    "CaptioningServiceType",
    "Course",
    "Drift",
    "Group",
    "GroupUser",
    "GroupUserChange",
    "InsightsOverview",
    "InsightsUser",
    "MediaTransfer",
    "Owner",
    "PermissionChange",
    "Permissions",
    "Perspective",
    "Source",
    "Tag",
    "UploadSlot",
    "User",
]


def _extra() -> Any:  # noqa: ANN401 - the type is that of the field
    return field(default_factory=dict[str, Any], hash=False, repr=False)


class Record:
    """The base of the records."""

    __slots__ = ("__weakref__",)

    def __init_subclass__(cls) -> None:
        # `dataclass` makes the class with slots from the one that it was given.
        if "__dataclass_fields__" in vars(cls) and cast("Any", cls).__dataclass_params__.frozen:
            frozen(cls)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as a dict that `json.dumps` takes.

        Returns:
            Every documented field, `None` where Studio sent none, then the undocumented ones as they were sent.
        """
        names = (field.name for field in dataclasses.fields(cast("Any", self)) if field.name != "extra")
        return {name: _plain(getattr(self, name)) for name in names} | dict(getattr(self, "extra", {}))

    def _repr_html_(self) -> str:
        from canvas_studio import _notebook  # noqa: PLC0415 - only a notebook needs it

        return _notebook.of_record(self)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: Callable[[object], Any]) -> object:
        """Let pydantic, and with it FastAPI, read and write the record. Called by pydantic alone."""
        from canvas_studio import _pydantic  # noqa: PLC0415 - only pydantic needs pydantic

        return _pydantic.of_record(cls, handler)


class RecordWithMethods(Record):
    """The base of the records with methods, each of which calls a method of the client that the record came from.

    The client is no field. The core sets it, once it has made the record; whatever else makes one does not.
    """

    __slots__ = ("_client",)
    if TYPE_CHECKING:
        _client: StudioClient

    def _studio(self, call: str) -> StudioClient:
        """Return the client of the record.

        Args:
            call: How to make this call with a client, such as `get_caption_text(caption)`.

        Raises:
            DetachedError: If it has none.
        """
        try:
            return self._client
        except AttributeError:
            pass
        name = type(self).__name__
        raise DetachedError(
            f"this {name} was unpickled, copied or made by hand, so it has no client: use studio.{call}"
        )


_Role: TypeAlias = Literal["Admin", "Teacher", "Student", "Observer"] | str | None


class Person(RecordWithMethods):
    """The base of `Owner`, `User` and `GroupUser`: a person in Studio, and what they have there."""

    __slots__ = ()
    if TYPE_CHECKING:
        id: int

    def media(self, *, page: int = 1, per_page: int = 50) -> Listing[Media]:
        """List the media that they have permission to.

        Args:
            page: The first page to read.
            per_page: How many media to request at once, 1 to 50.

        Returns:
            A listing of `Media`, each with their permission.

        Raises:
            DetachedError: If it was unpickled, copied or made by hand.

        Reference: User page, GET /users/{user_id}/media.
        """
        return self._studio("list_user_media(user)").list_user_media(self.id, page=page, per_page=per_page)

    def collections(self, *, page: int = 1, per_page: int = 50) -> Listing[Collection]:
        """List the collections that they have permission to.

        Args:
            page: The first page to read.
            per_page: How many collections to request at once, 1 to 50.

        Returns:
            A listing of `Collection`, each with their permission.

        Raises:
            DetachedError: If it was unpickled, copied or made by hand.

        Reference: User page, GET /users/{user_id}/collections.
        """
        studio = self._studio("list_user_collections(user)")
        return studio.list_user_collections(self.id, page=page, per_page=per_page)

    def library(self) -> Collection:
        """Get their library: the personal collection, into which their media go by default.

        Returns:
            The collection.

        Raises:
            DetachedError: If it was unpickled, copied or made by hand.
            PermissionDeniedError: 403, if the caller may not see it.
            NotFoundError: 404, if they are no longer there.

        Reference: User page, GET /users/{user_id}/library.
        """
        return self._studio("get_user_library(user)").get_user_library(self.id)

    async def library_async(self) -> Collection:
        """Get their library: the personal collection, into which their media go by default.

        Returns:
            The collection.

        Raises:
            DetachedError: If it was unpickled, copied or made by hand.
            PermissionDeniedError: 403, if the caller may not see it.
            NotFoundError: 404, if they are no longer there.

        Reference: User page, GET /users/{user_id}/library.
        """
        return await self._studio("get_user_library(user)").get_user_library_async(self.id)


def unfrozen_twin(cls: type[Record]) -> type[Record]:
    """Make a class like that of a record, with the client as one more field if it has one, but not frozen.

    Only the core calls it. A frozen dataclass sets its fields through `object.__setattr__`, which takes five times as
    long as an assignment. So the core fills an object of the twin, and then gives it the class of the record.

    Args:
        cls: The class of the record.
    """
    fields = [*cast("Any", cls).__match_args__, *(["_client"] if issubclass(cls, RecordWithMethods) else [])]
    bases = cls.__bases__
    return dataclasses.make_dataclass(cls.__name__, fields, bases=bases, slots=True, eq=False, repr=False)


def _plain(value: object) -> object:
    match value:
        case Record() | Collection():
            return value.to_dict()
        case tuple():
            return [_plain(item) for item in cast("tuple[object, ...]", value)]
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case _:
            return value


@dataclass(frozen=True, slots=True)
class Owner(Person):
    """The owner of a collection or a media.

    Attributes:
        id: Studio's id of the person, which is not the Canvas one.
        full_name: The full name.
        display_name: The name that Studio shows.
        email: The e-mail address; Studio does not require one, so it may be missing.
        extra: Fields that are not documented, as they were sent.
    """

    id: int
    full_name: str | None = None
    display_name: str | None = None
    email: str | None = None
    extra: Mapping[str, Any] = _extra()


@dataclass(frozen=True, slots=True)
class User(Person):
    """A person, with their permission or their roles.

    Attributes:
        id: Studio's id of the person, which is not the Canvas one.
        full_name: The full name.
        display_name: The name that Studio shows.
        email: The e-mail address. It may be missing, or hold the login id in Canvas.
        permission: What they may do; only where something is shared. The words are not documented; those in the type
            hint are expected.
        role_names: Their roles; only `search_users`, `get_user` and `find_user` set it. The words are not documented;
            those in the type hint are expected.
        extra: Fields that are not documented, as they were sent.
    """

    id: int
    full_name: str | None = None
    display_name: str | None = None
    email: str | None = None
    permission: Literal["access", "view", "edit", "owner"] | str | None = None
    role_names: tuple[Literal["Admin", "Subaccount admin", "Teacher", "Student", "Observer"] | str, ...] | None = None
    extra: Mapping[str, Any] = _extra()


@dataclass(frozen=True, slots=True)
class GroupUser(Person):
    """A person in a group.

    Attributes:
        id: Studio's id of the person, which is not the Canvas one.
        full_name: The full name.
        display_name: The name that Studio shows.
        email: The e-mail address. It may be missing, or hold the login id in Canvas.
        permission: What they are in the group. `manager` is documented, `member` is inferred; any other word is kept.
        extra: Fields that are not documented, as they were sent.
    """

    id: int
    full_name: str | None = None
    display_name: str | None = None
    email: str | None = None
    permission: Literal["manager", "member"] | str | None = None
    extra: Mapping[str, Any] = _extra()


@dataclass(frozen=True, slots=True)
class Group(RecordWithMethods):
    """A group and its permission.

    Attributes:
        id: Studio's id of the group.
        name: Its name.
        permission: What its members may do. The words are not documented; those in the type hint are expected.
        extra: Fields that are not documented, as they were sent.
    """

    id: int
    name: str | None = None
    permission: Literal["view", "edit"] | str | None = None
    extra: Mapping[str, Any] = _extra()

    def users(self) -> Listing[GroupUser]:
        """List its users.

        Returns:
            A listing of `GroupUser`.

        Raises:
            DetachedError: If it was unpickled, copied or made by hand.

        Reference: Group page, GET /groups/{group_id}/users.
        """
        return self._studio("list_group_users(group)").list_group_users(self)

    def change_users(self, changes: Iterable[GroupUserChange | Mapping[str, Any]]) -> tuple[GroupUser, ...]:
        """Add users to it, change what they are in it, or remove them.

        Args:
            changes: `GroupUserChange` objects, or dicts with the same names; one for each user.

        Returns:
            All its users after the changes.

        Raises:
            DetachedError: If it was unpickled, copied or made by hand.
            PermissionDeniedError: 403, if the caller is not an administrator.
            UnprocessableEntityError: 422, if something is not valid, such as an action.

        Reference: Group page, POST /groups/{group_id}/users/batch_update.
        """
        return self._studio("change_group_users(group, changes)").change_group_users(self, changes)

    async def change_users_async(self, changes: Iterable[GroupUserChange | Mapping[str, Any]]) -> tuple[GroupUser, ...]:
        """Add users to it, change what they are in it, or remove them.

        Args:
            changes: `GroupUserChange` objects, or dicts with the same names; one for each user.

        Returns:
            All its users after the changes.

        Raises:
            DetachedError: If it was unpickled, copied or made by hand.
            PermissionDeniedError: 403, if the caller is not an administrator.
            UnprocessableEntityError: 422, if something is not valid, such as an action.

        Reference: Group page, POST /groups/{group_id}/users/batch_update.
        """
        studio = self._studio("change_group_users(group, changes)")
        return await studio.change_group_users_async(self, changes)


@dataclass(frozen=True, slots=True)
class Permissions(Record):
    """The people and the groups with whom something is shared.

    Attributes:
        users: The people.
        groups: The groups.
        extra: Fields that are not documented, as they were sent.
    """

    users: tuple[User, ...] = ()
    groups: tuple[Group, ...] = ()
    extra: Mapping[str, Any] = _extra()


@dataclass(frozen=True, slots=True)
class Course(RecordWithMethods):
    """A course that contains a media. Its fields are inferred to be those of a collection.

    Attributes:
        id: Studio's id of the course's collection, which is not the Canvas one.
        name: The name; it may be missing.
        type: The type of the collection.
        permission: What the caller may do.
        owner: The owner.
        created_at: When it was made, in UTC.
        course_id: The id of the course in Canvas.
        archived_at: When it was archived, in UTC; `None` unless it is archived.
        extra: Fields that are not documented, as they were sent.
    """

    id: int
    name: str | None = None
    type: Literal["user", "course_wide"] | str | None = None
    permission: Literal["access", "view", "edit", "owner"] | str | None = None
    owner: Owner | None = None
    created_at: datetime | None = None
    course_id: int | None = None
    archived_at: datetime | None = None
    extra: Mapping[str, Any] = _extra()

    def media(self, *, page: int = 1, per_page: int = 50) -> Listing[Media]:
        """List the media in its collection.

        Args:
            page: The page to start at.
            per_page: How many items to request at once, 1 to 50.

        Returns:
            A listing of `Media`.

        Raises:
            DetachedError: If it was unpickled, copied or made by hand.

        Reference: Collection page, GET /collections/{collection_id}/media.
        """
        studio = self._studio("list_collection_media(course.id)")
        return studio.list_collection_media(self.id, page=page, per_page=per_page)

    def perspectives(self) -> Listing[Perspective]:
        """List its perspectives: the media in it, each with the UUID that its insights have.

        Returns:
            A listing of `Perspective`.

        Raises:
            DetachedError: If it was unpickled, copied or made by hand.
            TypeError: If it has no `course_id`.

        Reference: Courses page, GET /courses/{course_id}/perspectives.
        """
        return self._studio("list_course_perspectives(course)").list_course_perspectives(self)


@dataclass(frozen=True, slots=True)
class InsightsUser(Record):
    """How much a user watched of a perspective: a row of a table, read by its headers.

    Attributes:
        name: The name.
        email: The e-mail address; `None` if the cell is empty.
        roles: The roles, one or more. The words are not documented; those in the type hint are expected. That a comma,
            a semicolon, a bar or a line break stands between several is a guess.
        completion_rate: How much of it they watched, in percent.
        viewership: The time-based columns by their headers, in order: numbers, or `None` where the cell is empty. That
            their headers begin with a digit, such as `00:01:30`, is a guess; columns with others stand in `extra`.
        extra: The other columns by their headers, as text; and cells that are not what their column says.
    """

    name: str | None = None
    email: str | None = None
    roles: tuple[Literal["Admin", "Subaccount admin", "Teacher", "Student", "Observer"] | str, ...] | None = None
    completion_rate: float | None = None
    viewership: Mapping[str, float | None] = _extra()
    extra: Mapping[str, Any] = _extra()


@dataclass(frozen=True, slots=True)
class InsightsOverview(Record):
    """How much a perspective was watched in all: a table, read by its labels.

    A number is `None` if the table has no such row, and 0 if the row has no value (observed).

    Attributes:
        views: How often it was viewed.
        minutes_viewed: How long it was viewed in all, in minutes.
        unique_viewers: How many people viewed it.
        viewership: The time-based rows by their labels, in order. That these begin with a digit, such as `00:01:30`, is
            a guess; rows with others stand in `extra`.
        csv: The table as Studio sent it.
        extra: The other rows by their labels, as text; and values that are no numbers. The first row is left out if it
            is a title.
    """

    views: int | None = None
    minutes_viewed: float | None = None
    unique_viewers: int | None = None
    viewership: Mapping[str, float | None] = _extra()
    csv: str | None = field(default=None, repr=False)
    extra: Mapping[str, Any] = _extra()


@dataclass(frozen=True, slots=True)
class Perspective(RecordWithMethods):
    """A media in one of its collections.

    Attributes:
        uuid: Its id, by which its insights are found.
        title: The title there.
        collection: The collection.
        extra: Fields that are not documented, as they were sent.
    """

    uuid: str
    title: str | None = None
    collection: Collection | None = None
    extra: Mapping[str, Any] = _extra()

    def insights_overview(self, role: _Role = None) -> InsightsOverview:
        """Get how much it was watched in all.

        Args:
            role: Only by people with this role; by everybody if omitted. The words are not documented.

        Returns:
            The overview.

        Raises:
            DetachedError: If it was unpickled, copied or made by hand.
            PermissionDeniedError: 403, if the caller may not see that.
            NotFoundError: 404, if it is no longer there.
            UnprocessableEntityError: 422, if something is not valid, such as the role.
            ResponseDecodeError: If the answer is no such table.

        Reference: Insights page, GET /perspectives/{perspective_uuid}/insights/overview.
        """
        return self._studio("get_insights_overview(perspective)").get_insights_overview(self, role=role)

    async def insights_overview_async(self, role: _Role = None) -> InsightsOverview:
        """Get how much it was watched in all.

        Args:
            role: Only by people with this role; by everybody if omitted. The words are not documented.

        Returns:
            The overview.

        Raises:
            DetachedError: If it was unpickled, copied or made by hand.
            PermissionDeniedError: 403, if the caller may not see that.
            NotFoundError: 404, if it is no longer there.
            UnprocessableEntityError: 422, if something is not valid, such as the role.
            ResponseDecodeError: If the answer is no such table.

        Reference: Insights page, GET /perspectives/{perspective_uuid}/insights/overview.
        """
        return await self._studio("get_insights_overview(perspective)").get_insights_overview_async(self, role=role)

    def insights_users(self, role: _Role = None) -> Listing[InsightsUser]:
        """List how much each user watched of it.

        Args:
            role: Only people with this role; everybody if omitted. The words are not documented.

        Returns:
            A listing of `InsightsUser`.

        Raises:
            DetachedError: If it was unpickled, copied or made by hand.

        Reference: Insights page, GET /perspectives/{perspective_uuid}/insights/users.
        """
        return self._studio("list_insights_users(perspective)").list_insights_users(self, role=role)


@dataclass(frozen=True, slots=True)
class Source(Record):
    """A file or a stream of a media. Its fields are those that real clients rely on; the reference names none.

    Attributes:
        url: Its URL, which may be signed, so `repr` leaves out the query.
        mime_type: Such as `video/mp4`, or `application/dash+xml` for a stream's manifest.
        definition: The quality, such as `low`.
        download_url: The URL for downloading the file; likewise.
        extra: Fields that are not documented, as they were sent.
    """

    url: str | None = None
    mime_type: str | None = None
    definition: str | None = None
    download_url: str | None = None
    extra: Mapping[str, Any] = _extra()

    def __repr__(self) -> str:
        url, download_url = (_without_query(url) for url in (self.url, self.download_url))
        return f"Source({url=}, mime_type={self.mime_type!r}, definition={self.definition!r}, {download_url=})"


def _without_query(url: str | None) -> str | None:
    address, mark, _ = (url or "").partition("?")
    return f"{address}?***" if mark else url


@dataclass(frozen=True, slots=True)
class Caption(RecordWithMethods):
    """A caption file of a media, in one language.

    A media can have several, also in one language. Whether it counts as captioned is for you to decide: by `status`,
    `srclang` and `provider`.

    Attributes:
        id: Its id.
        url: Where Studio itself has it. It may be relative, may answer with JSON, and may be missing: use `text` and
            `download`, which do without it.
        srclang: The language, such as `en` or `pt-BR`.
        subtitle_format: The format, such as `srt`.
        label: The language as viewers see it.
        status: `published` and `uploaded` are usable (observed); the other words are not documented.
        created_at: When it was made, in UTC.
        provider: Who made it: `notorious` is a machine (observed). Not documented.
        is_empty: Whether it is empty. Not documented.
        number_of_errors: How many errors Studio found in it. Not documented.
        extra: Fields that are not documented, as they were sent.
    """

    id: int
    url: str | None = field(default=None, repr=False)
    srclang: str | None = None
    subtitle_format: str | None = None
    label: str | None = None
    status: Literal["published", "uploaded", "unpublished"] | str | None = None
    created_at: datetime | None = None
    provider: Literal["notorious"] | str | None = None
    is_empty: bool | None = None
    number_of_errors: int | None = None
    extra: Mapping[str, Any] = _extra()

    def text(self) -> str:
        """Get its text, such as SubRip or WebVTT.

        Returns:
            The text.

        Raises:
            DetachedError: If it was unpickled, copied or made by hand.
            PermissionDeniedError: 403, if the caller may not have it.
            NotFoundError: 404, if it is no longer there.
            ResponseDecodeError: If JSON or a page came instead, or text in an encoding that nothing names.

        Reference: Captions page, GET /caption_files/{caption_file_id}/download.
        """
        return self._studio("get_caption_text(caption)").get_caption_text(self)

    async def text_async(self) -> str:
        """Get its text, such as SubRip or WebVTT.

        Returns:
            The text.

        Raises:
            DetachedError: If it was unpickled, copied or made by hand.
            PermissionDeniedError: 403, if the caller may not have it.
            NotFoundError: 404, if it is no longer there.
            ResponseDecodeError: If JSON or a page came instead, or text in an encoding that nothing names.

        Reference: Captions page, GET /caption_files/{caption_file_id}/download.
        """
        return await self._studio("get_caption_text(caption)").get_caption_text_async(self)

    def download(self, path: str | PathLike[str]) -> Path:
        """Download it into a file, byte for byte. The file gets its name only when it is whole.

        Args:
            path: The file. An existing one is replaced.

        Returns:
            The path.

        Raises:
            DetachedError: If it was unpickled, copied or made by hand.
            PermissionDeniedError: 403, if the caller may not have it.
            NotFoundError: 404, if it is no longer there.
            ResponseDecodeError: If JSON or a page came instead.
            OSError: If the file cannot be written.

        Reference: Captions page, GET /caption_files/{caption_file_id}/download.
        """
        return self._studio("download_caption(caption, path)").download_caption(self, path)

    async def download_async(self, path: str | PathLike[str]) -> Path:
        """Download it into a file, byte for byte. The file gets its name only when it is whole.

        Args:
            path: The file. An existing one is replaced.

        Returns:
            The path.

        Raises:
            DetachedError: If it was unpickled, copied or made by hand.
            PermissionDeniedError: 403, if the caller may not have it.
            NotFoundError: 404, if it is no longer there.
            ResponseDecodeError: If JSON or a page came instead.
            OSError: If the file cannot be written.

        Reference: Captions page, GET /caption_files/{caption_file_id}/download.
        """
        return await self._studio("download_caption(caption, path)").download_caption_async(self, path)


@dataclass(frozen=True, slots=True)
class CaptionFileRequest(Record):
    """A request for captions of a professional service. What is in one is not documented, so look into `extra`.

    Attributes:
        id: Its id (inferred).
        provider: Whose it is (inferred).
        status: Its state (inferred), such as `requested`.
        extra: All other fields, as they were sent.
    """

    id: int | None = None
    provider: Literal["professional"] | str | None = None
    status: Literal["requested", "processing", "fulfilled", "failed"] | str | None = None
    extra: Mapping[str, Any] = _extra()


@dataclass(frozen=True, slots=True)
class CaptioningServiceType(Record):
    """The type of a captioning service.

    Attributes:
        id: Its id.
        key: Its name for machines, which comes with requests for captions.
        label: Its name for people.
        is_asr: Whether a machine makes the captions (automatic speech recognition).
        description: What it is (inferred).
        languages: The languages that it is for (inferred).
        extra: Fields that are not documented, as they were sent.
    """

    id: int
    key: str | None = None
    label: str | None = None
    is_asr: bool | None = None
    description: str | None = None
    languages: tuple[str, ...] | None = None
    extra: Mapping[str, Any] = _extra()


@dataclass(frozen=True, slots=True)
class MediaTransfer(Record):
    """What a transfer of media left with the first user.

    Attributes:
        not_transferred_perspective_ids: The perspectives that were not transferred.
        not_transferred_collection_ids: The collections that were not transferred.
        extra: Fields that are not documented, as they were sent.
    """

    not_transferred_perspective_ids: tuple[str, ...] = ()
    not_transferred_collection_ids: tuple[int, ...] = ()
    extra: Mapping[str, Any] = _extra()


@dataclass(frozen=True, slots=True)
class Tag(Record):
    """A tag of a media.

    Attributes:
        id: Its id.
        name: Its name.
        extra: Fields that are not documented, as they were sent.
    """

    id: int
    name: str | None = None
    extra: Mapping[str, Any] = _extra()


@dataclass(frozen=True, slots=True)
class UploadSlot(Record):
    """An upload that was created: the place for a file, which is no media until the upload is completed.

    Attributes:
        id: The id that the media has once the upload is completed.
        url: The signed URL for the file. Whoever has it can send one, so `repr` leaves out the query, and a slot is
            not pickled.
        extra: Fields that are not documented, as they were sent.
    """

    id: int
    url: str | None = None
    extra: Mapping[str, Any] = _extra()

    def __repr__(self) -> str:
        return f"UploadSlot(id={self.id!r}, url={_without_query(self.url)!r})"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "an UploadSlot is not pickled, since its URL is a secret: pickle its id, which complete_upload takes"
        )


@dataclass(frozen=True, slots=True)
class PermissionChange(Record):
    """One change of a permission, for `change_collection_permissions` and `change_media_permissions`.

    Args:
        action: `create`, `update` or `destroy`.
        id: Studio's id of the user or of the group.
        share_type: `user` or `group`.
        permission_type: What they may do from now on. Studio's own default is `view`; the other words are not
            documented (`edit` is expected), so any is sent. Not sent with `destroy`.

    Raises:
        InvalidArgumentError: If `action` or `share_type` is another word, or `id` or `permission_type` cannot be right.
        TypeError: If `id` is not an int, or another one not a str.
    """

    action: Literal["create", "update", "destroy"]
    _: KW_ONLY
    id: int
    share_type: Literal["user", "group"]
    permission_type: Literal["view", "edit"] | str = "view"

    def __post_init__(self) -> None:
        check_permission_change(self.action, self.id, self.share_type, self.permission_type)


@dataclass(frozen=True, slots=True)
class GroupUserChange(Record):
    """One change of a group's users, for `change_group_users`.

    Args:
        action: `add`, `update`, or the word that removes somebody. That word is not documented: `remove` is a guess.
            Any other word is sent.
        user_id: Studio's id of the user.
        permission: What they are in the group from now on, `manager` or `member`; any other word is sent. If left out,
            Studio chooses. Not with `remove`.

    Raises:
        InvalidArgumentError: If `action` is empty, `user_id` or `permission` cannot be right, or `permission` comes
            with `remove`.
        TypeError: If `user_id` is not an int, or another one not a str.
    """

    action: Literal["add", "update", "remove"] | str
    user_id: int
    permission: Literal["manager", "member"] | str | None = None

    def __post_init__(self) -> None:
        check_group_user_change(self.action, self.user_id, self.permission)


_classes = {
    name: value for name, value in globals().items() if isinstance(value, type) and value.__module__ == __name__
}
globals().update(_core._first_classes(__name__, _classes))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
