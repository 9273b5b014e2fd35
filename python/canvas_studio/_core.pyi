"""
The compiled part of `canvas_studio`. Import from `canvas_studio` instead.
"""

from canvas_studio.errors import StudioError
from _typeshed import SupportsWrite
from canvas_studio.auth import AsyncTokenStore, TokenStore
from canvas_studio.byte_stream import ByteStream
from canvas_studio.listing import Listing, Reports
from canvas_studio.many_calls import Map
from canvas_studio.models import (
    Caption,
    CaptionFileRequest,
    CaptioningServiceType,
    Course,
    Group,
    GroupUser,
    GroupUserChange,
    InsightsOverview,
    InsightsUser,
    MediaTransfer,
    Owner,
    PermissionChange,
    Permissions,
    Perspective,
    Source,
    Tag,
    UploadSlot,
    User,
)
from canvas_studio.uploads import UploadReport
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, final, overload
from uuid import UUID

__all__ = [
    "OUT_OF_BAND",
    "__version__",
    "ArrowBatch",
    "ArrowTable",
    "ByteReader",
    "CallBuilder",
    "CallQueue",
    "Checkpoint",
    "Collection",
    "FileTokenStore",
    "ListingSource",
    "Media",
    "MemoryTokenStore",
    "OAuth",
    "PageReader",
    "PreparedCall",
    "SandboxServer",
    "StoreLock",
    "StudioClient",
    "Tokens",
    "_decode_media_page",
    "_first_classes",
    "_text",
    "changed_by_others",
    "check_captions",
    "check_group_user_change",
    "check_permission_change",
    "forked",
    "make_private_folder",
    "print_no_panics",
    "put_in_place",
    "read_bool",
    "read_int",
    "read_json",
    "read_path",
    "read_seconds",
    "replace_file",
    "school_url",
    "shut_down",
    "temporary_path",
    "without_formula",
]

OUT_OF_BAND: Final[str]
__version__: Final[str]

@final
class ArrowBatch:
    """
    A batch of rows of a listing, as columns.
    """
    def __arrow_c_array__(self, /, requested_schema: Any | None = None) -> tuple[Any, Any]: ...
    def __arrow_c_schema__(self, /) -> Any: ...
    @property
    def num_rows(self, /) -> int:
        """
        The number of rows.
        """

@final
class ArrowTable:
    """
    Several batches as one table.
    """
    def __arrow_c_schema__(self, /) -> Any: ...
    def __arrow_c_stream__(self, /, requested_schema: Any | None = None) -> Any: ...
    def __new__(cls, /, source: ListingSource, batches: Sequence[ArrowBatch], flatten: bool) -> ArrowTable: ...

@final
class ByteReader:
    """
    Reads the bytes of one file.
    """
    def close(self, /) -> None:
        """
        End the request. Nothing can be read any more.
        """
    @property
    def length(self, /) -> int | None:
        """
        The length of the file, once the storage host has said it.
        """
    def next_chunk(self, /) -> bytes | None:
        """
        Read the next chunk: `None` at the end of the file; no bytes if another thread was faster.
        """
    async def next_chunk_async(self, /) -> bytes | None:
        """
        Read the next chunk: `None` at the end of the file; no bytes if another thread was faster.
        """

@final
class CallBuilder:
    """
    Makes calls: each method has the arguments of the client's method of that name, checks them, and sends nothing.
    """
    @staticmethod
    def find_user(email: str) -> PreparedCall: ...
    @staticmethod
    def get_caption_text(id: int | Caption) -> PreparedCall: ...
    @staticmethod
    def get_collection(id: int | Collection) -> PreparedCall: ...
    @staticmethod
    def get_collection_permissions(id: int | Collection) -> PreparedCall: ...
    @staticmethod
    def get_course(course_id: int | Course | Collection) -> PreparedCall: ...
    @staticmethod
    def get_download_url(id: int | Media, *, quality: str | None = None) -> PreparedCall: ...
    @staticmethod
    def get_insights_overview(
        perspective: str | UUID | Perspective,
        role: Literal["Admin", "Teacher", "Student", "Observer"] | str | None = None,
    ) -> PreparedCall: ...
    @staticmethod
    def get_media(id: int | Media) -> PreparedCall: ...
    @staticmethod
    def get_media_permissions(id: int | Media) -> PreparedCall: ...
    @staticmethod
    def get_user(id: int | Owner | User | GroupUser) -> PreparedCall: ...
    @staticmethod
    def get_user_library(id: int | Owner | User | GroupUser) -> PreparedCall: ...
    @staticmethod
    def list_caption_requests(provider: "str" = "professional", status: "str" = "requested") -> PreparedCall: ...
    @staticmethod
    def list_captioning_services() -> PreparedCall: ...
    @staticmethod
    def list_captions(media_id: int | Media) -> PreparedCall: ...
    @staticmethod
    def list_collection_media(id: int | Collection, *, page: "int" = 1, per_page: "int" = 50) -> PreparedCall: ...
    @staticmethod
    def list_collections(*, page: "int" = 1, per_page: "int" = 50) -> PreparedCall: ...
    @staticmethod
    def list_course_perspectives(course_id: int | Course | Collection) -> PreparedCall: ...
    @staticmethod
    def list_group_users(group_id: int | Group) -> PreparedCall: ...
    @staticmethod
    def list_insights_users(
        perspective: str | UUID | Perspective,
        role: Literal["Admin", "Teacher", "Student", "Observer"] | str | None = None,
    ) -> PreparedCall: ...
    @staticmethod
    def list_media_courses(id: int | Media) -> PreparedCall: ...
    @staticmethod
    def list_media_perspectives(id: int | Media) -> PreparedCall: ...
    @staticmethod
    def list_media_sources(id: int | Media) -> PreparedCall: ...
    @staticmethod
    def list_media_users(
        id: int | Media, *, min_permission: "Literal['access', 'view', 'edit']" = "access"
    ) -> PreparedCall: ...
    @staticmethod
    def list_tags(media_id: int | Media) -> PreparedCall: ...
    @staticmethod
    def list_user_collections(
        id: int | Owner | User | GroupUser, *, page: "int" = 1, per_page: "int" = 50
    ) -> PreparedCall: ...
    @staticmethod
    def list_user_media(
        id: int | Owner | User | GroupUser, *, page: "int" = 1, per_page: "int" = 50
    ) -> PreparedCall: ...
    @staticmethod
    def paginate(
        path: str, *, key: str, params: Mapping[str, Any] | None = None, page: "int" = 1, per_page: "int" = 50
    ) -> PreparedCall: ...
    @staticmethod
    def search_media(
        *,
        title: str | None = None,
        min_size: int | None = None,
        max_size: int | None = None,
        start_date: date | str | None = None,
        end_date: date | str | None = None,
        last_viewed_start_date: date | str | None = None,
        last_viewed_end_date: date | str | None = None,
        last_viewed_by_student_start_date: date | str | None = None,
        last_viewed_by_student_end_date: date | str | None = None,
        owner: str | None = None,
        tag: str | None = None,
        source: str | None = None,
        page: "int" = 1,
        per_page: "int" = 50,
    ) -> PreparedCall: ...
    @staticmethod
    def search_users(
        *,
        email: str | None = None,
        role: Literal["Admin", "Teacher", "Student", "Observer"] | str | None = None,
        page: "int" = 1,
        per_page: "int" = 50,
    ) -> PreparedCall: ...

@final
class CallQueue:
    """
    The calls of one loop over a `Map`.
    """
    def __new__(cls, /, studio: StudioClient, raises: bool, consistent: bool) -> CallQueue: ...
    def add(self, /, call: PreparedCall) -> None:
        """
        Add a call at the end. `next_results` sends it.
        """
    @property
    def capacity(self, /) -> int:
        """
        How many calls it should hold at this moment: under way, ended, or waiting.
        """
    def next_results(self, /, wait: bool) -> list[Any]:
        """
        Send as many calls as may be under way. Return the results that have come, in the order of the calls, each with
        the fields of the drift of a list, or `None`. If none has come, wait for the first.
        """
    async def next_results_async(self, /, wait: bool) -> list[Any]:
        """
        Send as many calls as may be under way. Return the results that have come, in the order of the calls, each with
        the fields of the drift of a list, or `None`. If none has come, wait for the first.
        """
    def stop(self, /) -> None:
        """
        End what is under way. `next_results` sends it again, and a call that failed too.
        """

@final
class Checkpoint:
    """
    The position of a reading in a list: exactly after the last item that was yielded.

    `StudioClient.resume` continues there, in any process. It can be pickled and written as JSON. It contains no token,
    but it contains the query of the list, which may name a person.
    """
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __reduce__(self, /) -> tuple[Any, tuple[str]]: ...
    def __repr__(self, /) -> str: ...
    @staticmethod
    def from_json(text: str) -> Checkpoint:
        """
        Make a checkpoint from the text of `to_json`.

        Args:
            text: The JSON.

        Returns:
            The checkpoint.

        Raises:
            InvalidArgumentError: If the text is not a checkpoint.
        """
    @property
    def items(self, /) -> int:
        """
        How many items were yielded so far.
        """
    def to_json(self, /) -> str:
        """
        Return it as JSON text.

        Returns:
            JSON on one line.
        """

@final
class Collection:
    """
    A collection of media.

    It is a snapshot of Studio's answer: it does not change, and reading an attribute sends no request. Every attribute
    but `id` may be `None`.
    """

    __match_args__: Final[
        tuple[
            Literal["id"],
            Literal["name"],
            Literal["type"],
            Literal["permission"],
            Literal["owner"],
            Literal["created_at"],
            Literal["course_id"],
            Literal["archived_at"],
        ]
    ]
    def __copy__(self, /) -> Collection: ...
    def __deepcopy__(self, /, _memo: Any) -> Collection: ...
    def __eq__(self, other: object, /) -> bool: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, /, source: Any, handler: Any) -> Any:
        """
        Let pydantic, and with it FastAPI, read and write the object. Only pydantic calls this.
        """
    def __hash__(self, /) -> int: ...
    def __reduce__(self, /) -> tuple[Any, tuple[dict[str, Any]]]: ...
    def __repr__(self, /) -> str: ...
    def _repr_html_(self, /) -> str: ...
    def archive(self, /) -> Collection | None:
        """
        Archive it with all its media and perspectives.

        Returns:
            The collection, or `None` if Studio's answer holds none (its body is not documented).

        Raises:
            PermissionDeniedError: 403, if the caller may not archive it.
            NotFoundError: 404, if it is no longer there.

        Reference: Collection page, POST /collections/{collection_id}/archive.
        """
    async def archive_async(self, /) -> Collection | None:
        """
        Archive it with all its media and perspectives.

        Returns:
            The collection, or `None` if Studio's answer holds none (its body is not documented).

        Raises:
            PermissionDeniedError: 403, if the caller may not archive it.
            NotFoundError: 404, if it is no longer there.

        Reference: Collection page, POST /collections/{collection_id}/archive.
        """
    @property
    def archived_at(self, /) -> datetime | None:
        """
        When it was archived, in UTC; `None` unless it is archived (inferred).
        """
    def change_permissions(self, /, changes: Iterable[PermissionChange | Mapping[str, Any]]) -> Permissions:
        """
        Change with whom it is shared.

        Args:
            changes: `PermissionChange` objects, or dicts with the same names. Whether Studio applies all of them or
                none is not documented.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if one to update or destroy does not exist, or one to create already exists.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.
            ResponseDecodeError: If Studio accepts the change, but its list shows that it did not make it.

        Reference: Collection page, POST /collections/{collection_id}/permissions.
        """
    async def change_permissions_async(self, /, changes: Iterable[PermissionChange | Mapping[str, Any]]) -> Permissions:
        """
        Change with whom it is shared.

        Args:
            changes: `PermissionChange` objects, or dicts with the same names. Whether Studio applies all of them or
                none is not documented.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if one to update or destroy does not exist, or one to create already exists.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.
            ResponseDecodeError: If Studio accepts the change, but its list shows that it did not make it.

        Reference: Collection page, POST /collections/{collection_id}/permissions.
        """
    @property
    def course_id(self, /) -> int | None:
        """
        The id of the course in Canvas, for a course's collection.
        """
    def create_media(
        self,
        /,
        url: str,
        *,
        title: str | None = None,
        description: str | None = None,
        user_id: int | Owner | User | GroupUser | None = None,
        auto_caption: bool | None = None,
        is_external: bool | None = None,
    ) -> Media:
        """
        Create a media from a URL in it. Studio fetches the file afterwards, or shows the video of YouTube or Vimeo.

        It is never repeated if it may have been carried out: after a 5xx or a broken connection, look for the media before
        you call it again.

        Args:
            url: The URL, which begins with `http://` or `https://`: of a file that Studio fetches, or of a video of YouTube or
                Vimeo. A signed URL must stay good until Studio has fetched the file; when that is, is unknown.
            title: The title. Studio requires one, unless `is_external` is `True`.
            description: The description.
            user_id: The Studio user (an id, an `Owner` or a `User`) who will own it; the caller if omitted. Only an
                administrator may create one for another user.
            auto_caption: Whether Studio makes captions automatically. The account must have that.
            is_external: Whether it is a video of YouTube or Vimeo, which stays there. For a URL of these it must be given;
                Studio takes anything else for a file if omitted.

        Returns:
            The media, which Studio may still be fetching: see `Media.wait_until_ready`.

        Raises:
            InvalidArgumentError: If the URL or the title cannot be right. No request was sent.
            PermissionDeniedError: 403, if the caller may not create it there, or an administrator forbids external media.
            NotFoundError: 404, if the collection is no longer there, or there is no such user.
            UnprocessableEntityError: 422, if Studio does not accept the URL or something else.
            InternalServerError: 501, if captions cannot be made automatically.

        Reference: Media Upload page, POST /collections/{collection_id}/media.
        """
    async def create_media_async(
        self,
        /,
        url: str,
        *,
        title: str | None = None,
        description: str | None = None,
        user_id: int | Owner | User | GroupUser | None = None,
        auto_caption: bool | None = None,
        is_external: bool | None = None,
    ) -> Media:
        """
        Create a media from a URL in it. Studio fetches the file afterwards, or shows the video of YouTube or Vimeo.

        It is never repeated if it may have been carried out: after a 5xx or a broken connection, look for the media before
        you call it again.

        Args:
            url: The URL, which begins with `http://` or `https://`: of a file that Studio fetches, or of a video of YouTube or
                Vimeo. A signed URL must stay good until Studio has fetched the file; when that is, is unknown.
            title: The title. Studio requires one, unless `is_external` is `True`.
            description: The description.
            user_id: The Studio user (an id, an `Owner` or a `User`) who will own it; the caller if omitted. Only an
                administrator may create one for another user.
            auto_caption: Whether Studio makes captions automatically. The account must have that.
            is_external: Whether it is a video of YouTube or Vimeo, which stays there. For a URL of these it must be given;
                Studio takes anything else for a file if omitted.

        Returns:
            The media, which Studio may still be fetching: see `Media.wait_until_ready`.

        Raises:
            InvalidArgumentError: If the URL or the title cannot be right. No request was sent.
            PermissionDeniedError: 403, if the caller may not create it there, or an administrator forbids external media.
            NotFoundError: 404, if the collection is no longer there, or there is no such user.
            UnprocessableEntityError: 422, if Studio does not accept the URL or something else.
            InternalServerError: 501, if captions cannot be made automatically.

        Reference: Media Upload page, POST /collections/{collection_id}/media.
        """
    @property
    def created_at(self, /) -> datetime | None:
        """
        When it was created, in UTC.
        """
    def delete(self, /) -> Collection | None:
        """
        Delete it with all its media and perspectives. This cannot be undone.

        Returns:
            The collection as it was, or `None` if Studio's answer holds none (its body is hardly documented).

        Raises:
            PermissionDeniedError: 403, if the caller may not delete it.
            NotFoundError: 404, if it is no longer there.

        Reference: Collection page, DELETE /collections/{collection_id}.
        """
    async def delete_async(self, /) -> Collection | None:
        """
        Delete it with all its media and perspectives. This cannot be undone.

        Returns:
            The collection as it was, or `None` if Studio's answer holds none (its body is hardly documented).

        Raises:
            PermissionDeniedError: 403, if the caller may not delete it.
            NotFoundError: 404, if it is no longer there.

        Reference: Collection page, DELETE /collections/{collection_id}.
        """
    @property
    def extra(self, /) -> dict[str, Any]:
        """
        Undocumented fields, as they were sent.
        """
    @staticmethod
    def from_dict(fields: Mapping[str, Any]) -> Collection:
        """
        Make an object from a dict such as `to_dict()` returns. It has no client.

        Args:
            fields: The fields; all but `id` may be missing.

        Returns:
            The object.

        Raises:
            InvalidArgumentError: If there is no `id` that can be read, or if it cannot be JSON. Any other field
                that cannot be read stands in `extra`.
        """
    @property
    def id(self, /) -> int:
        """
        Studio's id of the collection.
        """
    def media(self, /, *, page: "int" = 1, per_page: "int" = 50) -> Listing[Media]:
        """
        List the media in it.

        Args:
            page: The page to start at.
            per_page: How many items to request at once, 1 to 50.

        Returns:
            A listing of `Media`.

        Reference: Collection page, GET /collections/{collection_id}/media.
        """
    @property
    def name(self, /) -> str | None:
        """
        The name. Some collections of courses have none.
        """
    @property
    def owner(self, /) -> Owner | None:
        """
        The owner.
        """
    @property
    def permission(self, /) -> Literal["access", "view", "edit", "owner"] | str | None:
        """
        What the caller may do with it. The values are not documented; those in the type hint are expected.
        """
    def permissions(self, /) -> Permissions:
        """
        Get the users and groups with whom it is shared.

        Returns:
            The users and the groups, each with a permission.

        Raises:
            PermissionDeniedError: 403, if the caller may not see that.
            NotFoundError: 404, if it is no longer there.

        Reference: Collection page, GET /collections/{collection_id}/permissions.
        """
    async def permissions_async(self, /) -> Permissions:
        """
        Get the users and groups with whom it is shared.

        Returns:
            The users and the groups, each with a permission.

        Raises:
            PermissionDeniedError: 403, if the caller may not see that.
            NotFoundError: 404, if it is no longer there.

        Reference: Collection page, GET /collections/{collection_id}/permissions.
        """
    def perspectives(self, /) -> Listing[Perspective]:
        """
        List the perspectives of its course in Canvas: the media in it, each with the UUID that its insights have.

        Returns:
            A listing of `Perspective`.

        Raises:
            InvalidArgumentError: If it is no collection of a course: it has no `course_id`.

        Reference: Courses page, GET /courses/{course_id}/perspectives.
        """
    def refresh(self, /) -> Collection:
        """
        Fetch it again.

        Returns:
            The collection as it is now; this object does not change.

        Raises:
            NotFoundError: 404, if it is no longer there.

        Reference: Collection page, GET /collections/{collection_id}.
        """
    async def refresh_async(self, /) -> Collection:
        """
        Fetch it again.

        Returns:
            The collection as it is now; this object does not change.

        Raises:
            NotFoundError: 404, if it is no longer there.

        Reference: Collection page, GET /collections/{collection_id}.
        """
    def set_permissions(self, /, permissions: Mapping[Any, str | None], *, keep_others: "bool" = True) -> Permissions:
        """
        Set the levels of several users and groups. The permissions are read, and only what differs is sent, in one request.

        Call it as often as you like. The owner stays the owner. The level `access`, which comes from courses and collections,
        is raised if you name its user or group, and never taken away.

        Args:
            permissions: A dict from users and groups (an id of a user, an `Owner`, `User` or `Group`) to `view`, `edit`, or
                `None` to stop sharing with them.
            keep_others: Whether everybody else keeps what they have. If `False`, it is no longer shared with them.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            InvalidArgumentError: If somebody is named twice, or a level is another word. No request was sent.
            BadRequestError: 400, if Studio refuses, and a change is still to be made. The others of the same call may have
                been made.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.
            APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and a change
                is not made so far. Call it again.

        Reference: Collection page, /collections/{collection_id}/permissions: GET, then POST.
        """
    async def set_permissions_async(
        self, /, permissions: Mapping[Any, str | None], *, keep_others: "bool" = True
    ) -> Permissions:
        """
        Set the levels of several users and groups. The permissions are read, and only what differs is sent, in one request.

        Call it as often as you like. The owner stays the owner. The level `access`, which comes from courses and collections,
        is raised if you name its user or group, and never taken away.

        Args:
            permissions: A dict from users and groups (an id of a user, an `Owner`, `User` or `Group`) to `view`, `edit`, or
                `None` to stop sharing with them.
            keep_others: Whether everybody else keeps what they have. If `False`, it is no longer shared with them.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            InvalidArgumentError: If somebody is named twice, or a level is another word. No request was sent.
            BadRequestError: 400, if Studio refuses, and a change is still to be made. The others of the same call may have
                been made.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.
            APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and a change
                is not made so far. Call it again.

        Reference: Collection page, /collections/{collection_id}/permissions: GET, then POST.
        """
    def share(
        self, /, who: int | Owner | User | GroupUser | Group, level: "Literal['view', 'edit']" = "view"
    ) -> Permissions:
        """
        Share it with a user or a group. If they have another level, it is changed to this one.

        Call it as often as you like: the permissions are read first, and nothing is sent if they have the level. The owner
        stays the owner.

        Args:
            who: The Studio user (an id, an `Owner` or a `User`), or a `Group`. For a group's id, pass `Group(id)`.
            level: `view` or `edit`.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if Studio refuses, and the level is still missing: there is no such user or group, say.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.
            APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and the level
                is missing so far. Call it again.

        Reference: Collection page, /collections/{collection_id}/permissions: GET, then POST.
        """
    async def share_async(
        self, /, who: int | Owner | User | GroupUser | Group, level: "Literal['view', 'edit']" = "view"
    ) -> Permissions:
        """
        Share it with a user or a group. If they have another level, it is changed to this one.

        Call it as often as you like: the permissions are read first, and nothing is sent if they have the level. The owner
        stays the owner.

        Args:
            who: The Studio user (an id, an `Owner` or a `User`), or a `Group`. For a group's id, pass `Group(id)`.
            level: `view` or `edit`.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if Studio refuses, and the level is still missing: there is no such user or group, say.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.
            APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and the level
                is missing so far. Call it again.

        Reference: Collection page, /collections/{collection_id}/permissions: GET, then POST.
        """
    def to_dict(self, /) -> dict[str, Any]:
        """
        Return it as a dict that `json.dumps` accepts.

        Returns:
            Every documented field, `None` where Studio sent none, then the undocumented ones as they were sent.
        """
    @property
    def type(self, /) -> Literal["user", "course_wide"] | str | None:
        """
        The type: `user` is somebody's own library, `course_wide` a course's; others exist.
        """
    def unarchive(self, /) -> Collection | None:
        """
        Unarchive it, with all its media and perspectives.

        Returns:
            The collection, or `None` if Studio's answer holds none (its body is not documented).

        Raises:
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.

        Reference: Collection page, /collections/{collection_id}/unarchive (the method, POST, is inferred).
        """
    async def unarchive_async(self, /) -> Collection | None:
        """
        Unarchive it, with all its media and perspectives.

        Returns:
            The collection, or `None` if Studio's answer holds none (its body is not documented).

        Raises:
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.

        Reference: Collection page, /collections/{collection_id}/unarchive (the method, POST, is inferred).
        """
    def unshare(self, /, who: int | Owner | User | GroupUser | Group) -> Permissions:
        """
        Stop sharing it with a user or a group.

        Call it as often as you like: nothing is sent if it is not shared with them. The owner stays the owner, and the level
        `access`, which comes from courses and collections, stays.

        Args:
            who: The Studio user (an id, an `Owner` or a `User`), or a `Group`. For a group's id, pass `Group(id)`.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if Studio refuses, and it is still shared with them.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.
            APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and it is
                shared with them so far. Call it again.

        Reference: Collection page, /collections/{collection_id}/permissions: GET, then POST.
        """
    async def unshare_async(self, /, who: int | Owner | User | GroupUser | Group) -> Permissions:
        """
        Stop sharing it with a user or a group.

        Call it as often as you like: nothing is sent if it is not shared with them. The owner stays the owner, and the level
        `access`, which comes from courses and collections, stays.

        Args:
            who: The Studio user (an id, an `Owner` or a `User`), or a `Group`. For a group's id, pass `Group(id)`.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if Studio refuses, and it is still shared with them.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.
            APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and it is
                shared with them so far. Call it again.

        Reference: Collection page, /collections/{collection_id}/permissions: GET, then POST.
        """
    def upload(
        self,
        /,
        path: str | PathLike[str],
        *,
        title: str | None = None,
        description: str | None = None,
        user_id: int | Owner | User | GroupUser | None = None,
        auto_caption: bool | None = None,
        progress: bool | Callable[[int, int | None], object] | None = None,
        check: "bool" = True,
    ) -> Media:
        """
        Upload a file into it, which becomes a media. Studio transcodes it afterwards: see `Media.wait_until_ready`.

        Args:
            path: The file. It is streamed; if a connection breaks, it is sent again from its first byte.
            title: The title; the file's name without its ending if omitted.
            description: The description.
            user_id: The Studio user (an id, an `Owner` or a `User`) who will own it; the caller if omitted. Only an
                administrator may upload for another user.
            auto_caption: Whether Studio makes captions automatically. The account must have that.
            progress: As for `StudioClient.upload_media`.
            check: As for `StudioClient.upload_media`.

        Returns:
            The media.

        Raises:
            InvalidArgumentError: If the file is empty or too large, or the title is empty. No request was sent.
            PermissionDeniedError: 403, if the caller may not upload there, or the storage host rejects the file.
            NotFoundError: 404, if there is no such user or collection.
            FileChangedError: If the file changed while it was sent.
            OSError: If the file cannot be read.

        Reference: Media Upload page.
        """
    async def upload_async(
        self,
        /,
        path: str | PathLike[str],
        *,
        title: str | None = None,
        description: str | None = None,
        user_id: int | Owner | User | GroupUser | None = None,
        auto_caption: bool | None = None,
        progress: bool | Callable[[int, int | None], object] | None = None,
        check: "bool" = True,
    ) -> Media:
        """
        Upload a file into it, which becomes a media. Studio transcodes it afterwards: see `Media.wait_until_ready`.

        Args:
            path: The file. It is streamed; if a connection breaks, it is sent again from its first byte.
            title: The title; the file's name without its ending if omitted.
            description: The description.
            user_id: The Studio user (an id, an `Owner` or a `User`) who will own it; the caller if omitted. Only an
                administrator may upload for another user.
            auto_caption: Whether Studio makes captions automatically. The account must have that.
            progress: As for `StudioClient.upload_media`.
            check: As for `StudioClient.upload_media`.

        Returns:
            The media.

        Raises:
            InvalidArgumentError: If the file is empty or too large, or the title is empty. No request was sent.
            PermissionDeniedError: 403, if the caller may not upload there, or the storage host rejects the file.
            NotFoundError: 404, if there is no such user or collection.
            FileChangedError: If the file changed while it was sent.
            OSError: If the file cannot be read.

        Reference: Media Upload page.
        """
    def upload_folder(
        self,
        /,
        folder: str | PathLike[str],
        *,
        pattern: str | None = None,
        recursive: "bool" = False,
        user_id: int | Owner | User | GroupUser | None = None,
        jobs: "int" = 4,
        journal: str | PathLike[str] | None = None,
        progress: bool | Callable[[int, int | None], object] | None = None,
        dry_run: "bool" = False,
    ) -> UploadReport:
        """
        Upload the files of a folder into it, as `StudioClient.upload_folder` does.

        Args:
            folder: The folder.
            pattern: Which files, such as `"*.mp4"`; all if omitted.
            recursive: Whether to upload the files of the folders inside, too, except hidden ones.
            user_id: The user, or their Studio id, to upload for. Only an administrator may upload for others.
            jobs: How many files to upload at once, 1 to 64.
            journal: The file of the journal; `.canvas-studio-uploads.jsonl` in the folder if omitted.
            progress: As for `StudioClient.upload_folder`.
            dry_run: Whether to send nothing, and only report what would be done.

        Returns:
            What was uploaded, what was skipped and why, what failed, and which uploads were never completed.

        Raises:
            InvalidArgumentError: If an argument is invalid, or the journal is that of another school, or damaged.
            PermissionDeniedError: 403, if the caller may not upload there.
            NotFoundError: 404, if there is no such user or collection.
            OSError: If the folder cannot be read, or the journal cannot be written or is in use by another run.

        Reference: Media Upload page.
        """
    async def upload_folder_async(
        self,
        /,
        folder: str | PathLike[str],
        *,
        pattern: str | None = None,
        recursive: "bool" = False,
        user_id: int | Owner | User | GroupUser | None = None,
        jobs: "int" = 4,
        journal: str | PathLike[str] | None = None,
        progress: bool | Callable[[int, int | None], object] | None = None,
        dry_run: "bool" = False,
    ) -> UploadReport:
        """
        Upload the files of a folder into it, as `StudioClient.upload_folder` does.

        Args:
            folder: The folder.
            pattern: Which files, such as `"*.mp4"`; all if omitted.
            recursive: Whether to upload the files of the folders inside, too, except hidden ones.
            user_id: The user, or their Studio id, to upload for. Only an administrator may upload for others.
            jobs: How many files to upload at once, 1 to 64.
            journal: The file of the journal; `.canvas-studio-uploads.jsonl` in the folder if omitted.
            progress: As for `StudioClient.upload_folder`.
            dry_run: Whether to send nothing, and only report what would be done.

        Returns:
            What was uploaded, what was skipped and why, what failed, and which uploads were never completed.

        Raises:
            InvalidArgumentError: If an argument is invalid, or the journal is that of another school, or damaged.
            PermissionDeniedError: 403, if the caller may not upload there.
            NotFoundError: 404, if there is no such user or collection.
            OSError: If the folder cannot be read, or the journal cannot be written or is in use by another run.

        Reference: Media Upload page.
        """

@final
class FileTokenStore:
    """
    Keeps tokens in a file, for all processes that know its path.

    Only its owner can read the file. It is replaced atomically, so it is always complete, and it is locked through a
    second file beside it, `PATH.lock`. Missing folders are created.

    Args:
        path: The file.

    Raises:
        InvalidArgumentError: If the path is a folder.
    """
    def __new__(cls, /, path: str | PathLike[str]) -> FileTokenStore: ...
    def __reduce__(self, /) -> tuple[Any, tuple[str]]: ...
    def __repr__(self, /) -> str: ...
    def load(self, /) -> Tokens | None:
        """
        Read the tokens.

        Returns:
            The tokens, or `None` if there are none.

        Raises:
            TokenStoreError: If the file cannot be read, or does not contain tokens.
        """
    def lock(self, /) -> StoreLock:
        """
        Lock out refreshes by other processes and other threads.

        Returns:
            A context manager for one `with` block.
        """
    @property
    def path(self, /) -> Path:
        """
        The file.
        """
    def save(self, /, tokens: Tokens | None) -> None:
        """
        Replace the tokens.

        Args:
            tokens: The new tokens; `None` deletes them.

        Raises:
            TokenStoreError: If the file cannot be written.
        """

@final
class ListingSource:
    """
    The source from which a `Listing` reads.
    """
    def __reduce__(self, /) -> tuple[Any, tuple[StudioClient, Checkpoint]]: ...
    @property
    def fields(self, /) -> list[str]:
        """
        The names of the documented fields; none if the items have no type.
        """
    @property
    def first_page(self, /) -> int | None:
        """
        The page to start at; `None` for a list without pages, or one that is resumed.
        """
    @property
    def item(self, /) -> str:
        """
        The name of the class of its items; empty if they have no type.
        """
    @property
    def per_page(self, /) -> int | None:
        """
        How many items to request at once.
        """
    def range(self, /, first: int, last: int | None) -> ListingSource:
        """
        The pages from the first to the last, or to the end.
        """
    def read(self, /, limit: int | None, consistent: bool) -> PageReader:
        """
        Start a reading. Nothing is sent.
        """
    @property
    def request(self, /) -> str:
        """
        The request for the first page, without its host.
        """
    def total(self, /) -> int:
        """
        Ask Studio how many items there are.
        """
    async def total_async(self, /) -> int:
        """
        Ask Studio how many items there are.
        """
    def within(self, /, seconds: float) -> ListingSource:
        """
        The same list with a time limit in seconds, and without retries.
        """

@final
class Media:
    """
    A video or an audio recording.

    It is a snapshot of Studio's answer: it does not change, and reading an attribute sends no request. Every attribute
    but `id` may be `None`; lists send fewer of them than `get_media`.
    """

    __match_args__: Final[
        tuple[
            Literal["id"],
            Literal["title"],
            Literal["description"],
            Literal["duration"],
            Literal["created_at"],
            Literal["last_viewed"],
            Literal["last_viewed_by_student"],
            Literal["thumbnail_url"],
            Literal["transcoding_status"],
            Literal["owner"],
            Literal["size"],
            Literal["source"],
            Literal["embed_id"],
            Literal["lti_launch_id"],
            Literal["archived_at"],
            Literal["permission"],
            Literal["collection"],
        ]
    ]
    def __copy__(self, /) -> Media: ...
    def __deepcopy__(self, /, _memo: Any) -> Media: ...
    def __eq__(self, other: object, /) -> bool: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, /, source: Any, handler: Any) -> Any:
        """
        Let pydantic, and with it FastAPI, read and write the object. Only pydantic calls this.
        """
    def __hash__(self, /) -> int: ...
    def __reduce__(self, /) -> tuple[Any, tuple[dict[str, Any]]]: ...
    def __repr__(self, /) -> str: ...
    def _repr_html_(self, /) -> str: ...
    def add_caption(
        self, /, file: str | PathLike[str] | BinaryIO | tuple[str, bytes | str | PathLike[str]], *, srclang: str
    ) -> Caption:
        """
        Add captions to it: a file in one language.

        The file is read before it is sent. UTF-8 is sent byte for byte. UTF-16 with a byte order mark is converted to it,
        and so is Windows-1252 in a language that is written with it; another encoding is refused.

        Args:
            file: A path, an open binary file, or `(name, bytes)`: SubRip named `.srt`, or WebVTT named `.vtt`.
            srclang: The language of the captions, as a tag of BCP 47 such as `en` or `pt-BR`.

        Returns:
            The caption. Whether viewers see it is told by its `status`.

        Raises:
            InvalidArgumentError: If the file is empty, has no cues, is of another format or encoding, or has a cue that
                players would show wrongly; the message names the line.
            CaptionWarning: As a warning, if the file had to be converted, or is odd in a way that players put up with.
            OSError: If the file cannot be read.
            PermissionDeniedError: 403, if the caller may not add captions to it.
            NotFoundError: 404, if it is no longer there.
            UnprocessableEntityError: 422, if something is not valid.

        Reference: Captions page, POST /media/{media_id}/caption_files.
        """
    async def add_caption_async(
        self, /, file: str | PathLike[str] | BinaryIO | tuple[str, bytes | str | PathLike[str]], *, srclang: str
    ) -> Caption:
        """
        Add captions to it: a file in one language.

        The file is read before it is sent. UTF-8 is sent byte for byte. UTF-16 with a byte order mark is converted to it,
        and so is Windows-1252 in a language that is written with it; another encoding is refused.

        Args:
            file: A path, an open binary file, or `(name, bytes)`: SubRip named `.srt`, or WebVTT named `.vtt`.
            srclang: The language of the captions, as a tag of BCP 47 such as `en` or `pt-BR`.

        Returns:
            The caption. Whether viewers see it is told by its `status`.

        Raises:
            InvalidArgumentError: If the file is empty, has no cues, is of another format or encoding, or has a cue that
                players would show wrongly; the message names the line.
            CaptionWarning: As a warning, if the file had to be converted, or is odd in a way that players put up with.
            OSError: If the file cannot be read.
            PermissionDeniedError: 403, if the caller may not add captions to it.
            NotFoundError: 404, if it is no longer there.
            UnprocessableEntityError: 422, if something is not valid.

        Reference: Captions page, POST /media/{media_id}/caption_files.
        """
    def add_tag(self, /, name: str) -> Tag:
        """
        Add a tag to it.

        What Studio does with a tag that it has already is unknown. So the request is not sent again if it may have been
        carried out: after such an error, list the tags first.

        Args:
            name: The name of the tag.

        Returns:
            The tag.

        Raises:
            InvalidArgumentError: If the name is empty.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.

        Reference: Tags page, POST /media/{media_id}/tags.
        """
    async def add_tag_async(self, /, name: str) -> Tag:
        """
        Add a tag to it.

        What Studio does with a tag that it has already is unknown. So the request is not sent again if it may have been
        carried out: after such an error, list the tags first.

        Args:
            name: The name of the tag.

        Returns:
            The tag.

        Raises:
            InvalidArgumentError: If the name is empty.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.

        Reference: Tags page, POST /media/{media_id}/tags.
        """
    def archive(self, /) -> Media:
        """
        Archive it with all its perspectives. It leaves its courses and shared libraries.

        Returns:
            The media.

        Raises:
            PermissionDeniedError: 403, if the caller may not archive it.
            NotFoundError: 404, if it is no longer there.

        Reference: Media page, /media/{media_id}/archive (the method, POST, is inferred).
        """
    async def archive_async(self, /) -> Media:
        """
        Archive it with all its perspectives. It leaves its courses and shared libraries.

        Returns:
            The media.

        Raises:
            PermissionDeniedError: 403, if the caller may not archive it.
            NotFoundError: 404, if it is no longer there.

        Reference: Media page, /media/{media_id}/archive (the method, POST, is inferred).
        """
    @property
    def archived_at(self, /) -> datetime | None:
        """
        When it was archived, in UTC; `None` unless it is archived (inferred).
        """
    def captions(self, /) -> Listing[Caption]:
        """
        List its captions, in every language and status.

        Returns:
            A listing of `Caption`.

        Reference: Captions page, GET /media/{media_id}/caption_files.
        """
    def change_permissions(self, /, changes: Iterable[PermissionChange | Mapping[str, Any]]) -> Permissions:
        """
        Change with whom it is shared.

        Args:
            changes: `PermissionChange` objects, or dicts with the same names. Whether Studio applies all of them or
                none is not documented.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if one to update or destroy does not exist, or one to create already exists.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.
            ResponseDecodeError: If Studio accepts the change, but its list shows that it did not make it.

        Reference: Media page, /media/{media_id}/permissions (POST is observed; of two bodies, one is inferred and one typed by a public client).
        """
    async def change_permissions_async(self, /, changes: Iterable[PermissionChange | Mapping[str, Any]]) -> Permissions:
        """
        Change with whom it is shared.

        Args:
            changes: `PermissionChange` objects, or dicts with the same names. Whether Studio applies all of them or
                none is not documented.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if one to update or destroy does not exist, or one to create already exists.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.
            ResponseDecodeError: If Studio accepts the change, but its list shows that it did not make it.

        Reference: Media page, /media/{media_id}/permissions (POST is observed; of two bodies, one is inferred and one typed by a public client).
        """
    @property
    def collection(self, /) -> Collection | None:
        """
        The collection that it is in. Only `get_media`, `refresh` and the like set it.
        """
    def courses(self, /) -> Listing[Course]:
        """
        List the courses that contain it.

        Returns:
            A listing of `Course`.

        Reference: Media page, GET /media/{media_id}/courses.
        """
    def create_embed(
        self,
        /,
        *,
        course_id: int | Course | Collection,
        embed_type: "Literal['embed', 'bare_embed']" = "embed",
        downloadable: bool | None = None,
    ) -> str:
        """
        Add it to the collection of a course, and get the URL that launches it there.

        Args:
            course_id: The course's id in Canvas, or a `Course` or a `Collection` that has one.
            embed_type: `embed` for a player with media tabs, `bare_embed` for the player alone.
            downloadable: Whether viewers may download it; Studio's own default if omitted.

        Returns:
            The URL. It works only when it is launched over LTI.

        Raises:
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there, or if Studio has not met the course: somebody has to open
                Studio from the course in Canvas once (observed).
            UnprocessableEntityError: 422, if something is not valid.

        Reference: Media page, /media/{media_id}/create_embed (the method, POST, is observed).
        """
    async def create_embed_async(
        self,
        /,
        *,
        course_id: int | Course | Collection,
        embed_type: "Literal['embed', 'bare_embed']" = "embed",
        downloadable: bool | None = None,
    ) -> str:
        """
        Add it to the collection of a course, and get the URL that launches it there.

        Args:
            course_id: The course's id in Canvas, or a `Course` or a `Collection` that has one.
            embed_type: `embed` for a player with media tabs, `bare_embed` for the player alone.
            downloadable: Whether viewers may download it; Studio's own default if omitted.

        Returns:
            The URL. It works only when it is launched over LTI.

        Raises:
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there, or if Studio has not met the course: somebody has to open
                Studio from the course in Canvas once (observed).
            UnprocessableEntityError: 422, if something is not valid.

        Reference: Media page, /media/{media_id}/create_embed (the method, POST, is observed).
        """
    @property
    def created_at(self, /) -> datetime | None:
        """
        When it was created, in UTC.
        """
    def delete(self, /) -> Media:
        """
        Delete it with all its perspectives. This cannot be undone.

        Returns:
            The media as it was.

        Raises:
            PermissionDeniedError: 403, if the caller may not delete it.
            NotFoundError: 404, if it is no longer there.

        Reference: Media page, DELETE /media/{media_id}.
        """
    async def delete_async(self, /) -> Media:
        """
        Delete it with all its perspectives. This cannot be undone.

        Returns:
            The media as it was.

        Raises:
            PermissionDeniedError: 403, if the caller may not delete it.
            NotFoundError: 404, if it is no longer there.

        Reference: Media page, DELETE /media/{media_id}.
        """
    @property
    def description(self, /) -> str | None:
        """
        The description.
        """
    @overload
    def download(
        self,
        /,
        path: str | PathLike[str],
        *,
        quality: str | None = None,
        progress: bool | Callable[[int, int | None], object] | None = None,
        max_bytes: int | None = None,
        resume: "bool" = True,
        sha256: str | None = None,
    ) -> Path:
        """
        Download it into a file.

        It is written to `PATH.part` and renamed when it is complete. After a broken connection the download resumes; if
        the signed URL expires, a new one is requested. If it ends before the file is complete, `PATH.part` stays with
        `PATH.part.json`, and the next download to the same path goes on there, in this process or in another one, if
        Studio's storage host says by a strong `ETag` that the file is the same.

        A file object in place of the path gets the bytes as they come, and keeps what it has if the download fails. It is
        only written to, never closed; the async method calls its `write()` on another thread, one call at a time.

        Args:
            path: The file, of which an existing one is replaced; or a binary file object with `write()`.
            quality: Which version; the best if omitted. The values are not documented.
            progress: `True` for a progress bar (needs tqdm), or a callable that is given the bytes so far and the bytes
                in all (`None` if unknown), several times a second, on the calling thread. The async method also takes
                an async callable, and awaits it, one report at a time, while the download continues.
            max_bytes: The most bytes that the file may have, 1 or more; no limit if omitted. A larger file is refused,
                before it is transferred if its length is announced, and nothing of it stays.
            resume: Whether to go on with what an earlier download left, and to leave something for the next one. `False`
                starts from the beginning, and leaves nothing behind if it fails. It is about paths alone.
            sha256: The SHA-256 of the file, as 64 hexadecimal digits. It is checked while the file is written, over all
                of it, and before it gets its name.

        Returns:
            The path; for a file object, how many bytes were written to it.

        Raises:
            PermissionDeniedError: 403, if the caller is neither the owner nor an administrator.
            NotFoundError: 404, if it is no longer there, or not in that quality, or if Studio has not finished
                transcoding it (a guess): see `wait_until_ready`.
            UnprocessableEntityError: 422, if it is external (YouTube, Vimeo).
            ResponseDecodeError: If the response is not a recording, is larger than `max_bytes`, or has another SHA-256
                than `sha256`. Nothing of it stays.
            OSError: If the file cannot be written. What `write()` of a file object raises comes out as it is.

        Reference: Media page, GET /media/{media_id}/download.
        """
    @overload
    def download(
        self,
        /,
        path: SupportsWrite[bytes],
        *,
        quality: str | None = None,
        progress: bool | Callable[[int, int | None], object] | None = None,
        max_bytes: int | None = None,
        resume: "bool" = True,
        sha256: str | None = None,
    ) -> int: ...
    @overload
    async def download_async(
        self,
        /,
        path: str | PathLike[str],
        *,
        quality: str | None = None,
        progress: bool | Callable[[int, int | None], object] | None = None,
        max_bytes: int | None = None,
        resume: "bool" = True,
        sha256: str | None = None,
    ) -> Path:
        """
        Download it into a file.

        It is written to `PATH.part` and renamed when it is complete. After a broken connection the download resumes; if
        the signed URL expires, a new one is requested. If it ends before the file is complete, `PATH.part` stays with
        `PATH.part.json`, and the next download to the same path goes on there, in this process or in another one, if
        Studio's storage host says by a strong `ETag` that the file is the same.

        A file object in place of the path gets the bytes as they come, and keeps what it has if the download fails. It is
        only written to, never closed; the async method calls its `write()` on another thread, one call at a time.

        Args:
            path: The file, of which an existing one is replaced; or a binary file object with `write()`.
            quality: Which version; the best if omitted. The values are not documented.
            progress: `True` for a progress bar (needs tqdm), or a callable that is given the bytes so far and the bytes
                in all (`None` if unknown), several times a second, on the calling thread. The async method also takes
                an async callable, and awaits it, one report at a time, while the download continues.
            max_bytes: The most bytes that the file may have, 1 or more; no limit if omitted. A larger file is refused,
                before it is transferred if its length is announced, and nothing of it stays.
            resume: Whether to go on with what an earlier download left, and to leave something for the next one. `False`
                starts from the beginning, and leaves nothing behind if it fails. It is about paths alone.
            sha256: The SHA-256 of the file, as 64 hexadecimal digits. It is checked while the file is written, over all
                of it, and before it gets its name.

        Returns:
            The path; for a file object, how many bytes were written to it.

        Raises:
            PermissionDeniedError: 403, if the caller is neither the owner nor an administrator.
            NotFoundError: 404, if it is no longer there, or not in that quality, or if Studio has not finished
                transcoding it (a guess): see `wait_until_ready`.
            UnprocessableEntityError: 422, if it is external (YouTube, Vimeo).
            ResponseDecodeError: If the response is not a recording, is larger than `max_bytes`, or has another SHA-256
                than `sha256`. Nothing of it stays.
            OSError: If the file cannot be written. What `write()` of a file object raises comes out as it is.

        Reference: Media page, GET /media/{media_id}/download.
        """
    @overload
    async def download_async(
        self,
        /,
        path: SupportsWrite[bytes],
        *,
        quality: str | None = None,
        progress: bool | Callable[[int, int | None], object] | None = None,
        max_bytes: int | None = None,
        resume: "bool" = True,
        sha256: str | None = None,
    ) -> int: ...
    def download_url(self, /, *, quality: str | None = None) -> str:
        """
        Get the signed URL from which it can be downloaded for 24 hours. Treat it as a secret.

        Args:
            quality: Which version; the best if omitted. The values are not documented.

        Returns:
            The URL. Do not send the access token to it.

        Raises:
            PermissionDeniedError: 403, if the caller is neither the owner nor an administrator.
            NotFoundError: 404, if it is no longer there, or not in that quality, or if Studio has not finished
                transcoding it (a guess): see `wait_until_ready`.
            UnprocessableEntityError: 422, if it is external (YouTube, Vimeo).

        Reference: Media page, GET /media/{media_id}/download.
        """
    async def download_url_async(self, /, *, quality: str | None = None) -> str:
        """
        Get the signed URL from which it can be downloaded for 24 hours. Treat it as a secret.

        Args:
            quality: Which version; the best if omitted. The values are not documented.

        Returns:
            The URL. Do not send the access token to it.

        Raises:
            PermissionDeniedError: 403, if the caller is neither the owner nor an administrator.
            NotFoundError: 404, if it is no longer there, or not in that quality, or if Studio has not finished
                transcoding it (a guess): see `wait_until_ready`.
            UnprocessableEntityError: 422, if it is external (YouTube, Vimeo).

        Reference: Media page, GET /media/{media_id}/download.
        """
    @property
    def duration(self, /) -> float | None:
        """
        The length in seconds, with fractions.
        """
    @property
    def embed_id(self, /) -> str | None:
        """
        Its id for embedding.
        """
    @property
    def extra(self, /) -> dict[str, Any]:
        """
        Undocumented fields, as they were sent.
        """
    @staticmethod
    def from_dict(fields: Mapping[str, Any]) -> Media:
        """
        Make an object from a dict such as `to_dict()` returns. It has no client.

        Args:
            fields: The fields; all but `id` may be missing.

        Returns:
            The object.

        Raises:
            InvalidArgumentError: If there is no `id` that can be read, or if it cannot be JSON. Any other field
                that cannot be read stands in `extra`.
        """
    @property
    def id(self, /) -> int:
        """
        Studio's id of the media.
        """
    def iter_bytes(
        self,
        /,
        *,
        quality: str | None = None,
        chunk_size: "int" = 1048576,
        max_bytes: int | None = None,
        sha256: str | None = None,
    ) -> ByteStream:
        """
        Read its file in chunks, without a file on this machine.

        Nothing is sent before the first chunk is wanted. After a broken connection it resumes where it stopped; if the
        signed URL expires, a new one is requested. At most three chunks are in memory.

        Args:
            quality: Which version; the best if omitted. The values are not documented.
            chunk_size: How many bytes each chunk has, 1 to 1,073,741,824; only the last one may have fewer.
            max_bytes: The most bytes that the file may have, 1 or more; no limit if omitted.
            sha256: The SHA-256 of the file, as 64 hexadecimal digits. It is checked after the last chunk.

        Returns:
            A `ByteStream`, to be read with `for` or `async for`.

        Raises, while it is read:
            PermissionDeniedError: 403, if the caller is neither the owner nor an administrator.
            NotFoundError: 404, if it is no longer there, or not in that quality, or if Studio has not finished
                transcoding it (a guess): see `wait_until_ready`.
            UnprocessableEntityError: 422, if it is external (YouTube, Vimeo).
            ResponseDecodeError: If the response is not a recording, is larger than `max_bytes`, or has another SHA-256
                than `sha256`.
            APIConnectionError: If the connection breaks for good, or the file changes while it is read.

        Reference: Media page, GET /media/{media_id}/download.
        """
    @property
    def last_viewed(self, /) -> date | None:
        """
        The day on which somebody last viewed it.
        """
    @property
    def last_viewed_by_student(self, /) -> date | None:
        """
        The day on which a student last viewed it.
        """
    @property
    def lti_launch_id(self, /) -> str | None:
        """
        Its id in an LTI launch.
        """
    @property
    def owner(self, /) -> Owner | None:
        """
        The owner.
        """
    @property
    def permission(self, /) -> Literal["access", "view", "edit", "owner"] | str | None:
        """
        What a user may do with it. Only `list_user_media` sets it, to the permission of that user.
        """
    def permissions(self, /) -> Permissions:
        """
        Get the users and groups with whom it is shared directly.

        Returns:
            The users and the groups, each with a permission.

        Raises:
            PermissionDeniedError: 403, if the caller may not see that.
            NotFoundError: 404, if it is no longer there.

        Reference: Media page, GET /media/{media_id}/permissions.
        """
    async def permissions_async(self, /) -> Permissions:
        """
        Get the users and groups with whom it is shared directly.

        Returns:
            The users and the groups, each with a permission.

        Raises:
            PermissionDeniedError: 403, if the caller may not see that.
            NotFoundError: 404, if it is no longer there.

        Reference: Media page, GET /media/{media_id}/permissions.
        """
    def perspectives(self, /) -> Listing[Perspective]:
        """
        List its perspectives, which are the places where it appears.

        Returns:
            A listing of `Perspective`, each with its collection.

        Reference: Media page, GET /media/{media_id}/perspectives.
        """
    def refresh(self, /) -> Media:
        """
        Fetch it again.

        Returns:
            The media as it is now; this object does not change.

        Raises:
            NotFoundError: 404, if it is no longer there.

        Reference: Media page, GET /media/{media_id}.
        """
    async def refresh_async(self, /) -> Media:
        """
        Fetch it again.

        Returns:
            The media as it is now; this object does not change.

        Raises:
            NotFoundError: 404, if it is no longer there.

        Reference: Media page, GET /media/{media_id}.
        """
    def remove_tag(self, /, tag: int | Tag) -> None:
        """
        Remove a tag from it.

        Args:
            tag: The tag, or its id.

        Returns:
            Nothing.

        Raises:
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there, or does not have this tag.

        Reference: Tags page, DELETE /media/{media_id}/tags/{tag_id}.
        """
    async def remove_tag_async(self, /, tag: int | Tag) -> None:
        """
        Remove a tag from it.

        Args:
            tag: The tag, or its id.

        Returns:
            Nothing.

        Raises:
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there, or does not have this tag.

        Reference: Tags page, DELETE /media/{media_id}/tags/{tag_id}.
        """
    def set_permissions(self, /, permissions: Mapping[Any, str | None], *, keep_others: "bool" = True) -> Permissions:
        """
        Set the levels of several users and groups. The permissions are read, and only what differs is sent, in one request.

        Call it as often as you like. The owner stays the owner. The level `access`, which comes from courses and collections,
        is raised if you name its user or group, and never taken away.

        Args:
            permissions: A dict from users and groups (an id of a user, an `Owner`, `User` or `Group`) to `view`, `edit`, or
                `None` to stop sharing with them.
            keep_others: Whether everybody else keeps what they have. If `False`, it is no longer shared with them.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            InvalidArgumentError: If somebody is named twice, or a level is another word. No request was sent.
            BadRequestError: 400, if Studio refuses, and a change is still to be made. The others of the same call may have
                been made.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.
            APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and a change
                is not made so far. Call it again.

        Reference: Media page, /media/{media_id}/permissions: GET, then POST (observed).
        """
    async def set_permissions_async(
        self, /, permissions: Mapping[Any, str | None], *, keep_others: "bool" = True
    ) -> Permissions:
        """
        Set the levels of several users and groups. The permissions are read, and only what differs is sent, in one request.

        Call it as often as you like. The owner stays the owner. The level `access`, which comes from courses and collections,
        is raised if you name its user or group, and never taken away.

        Args:
            permissions: A dict from users and groups (an id of a user, an `Owner`, `User` or `Group`) to `view`, `edit`, or
                `None` to stop sharing with them.
            keep_others: Whether everybody else keeps what they have. If `False`, it is no longer shared with them.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            InvalidArgumentError: If somebody is named twice, or a level is another word. No request was sent.
            BadRequestError: 400, if Studio refuses, and a change is still to be made. The others of the same call may have
                been made.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.
            APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and a change
                is not made so far. Call it again.

        Reference: Media page, /media/{media_id}/permissions: GET, then POST (observed).
        """
    def share(
        self, /, who: int | Owner | User | GroupUser | Group, level: "Literal['view', 'edit']" = "view"
    ) -> Permissions:
        """
        Share it with a user or a group. If they have another level, it is changed to this one.

        Call it as often as you like: the permissions are read first, and nothing is sent if they have the level. The owner
        stays the owner.

        Args:
            who: The Studio user (an id, an `Owner` or a `User`), or a `Group`. For a group's id, pass `Group(id)`.
            level: `view` or `edit`.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if Studio refuses, and the level is still missing: there is no such user or group, say.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.
            APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and the level
                is missing so far. Call it again.

        Reference: Media page, /media/{media_id}/permissions: GET, then POST (observed).
        """
    async def share_async(
        self, /, who: int | Owner | User | GroupUser | Group, level: "Literal['view', 'edit']" = "view"
    ) -> Permissions:
        """
        Share it with a user or a group. If they have another level, it is changed to this one.

        Call it as often as you like: the permissions are read first, and nothing is sent if they have the level. The owner
        stays the owner.

        Args:
            who: The Studio user (an id, an `Owner` or a `User`), or a `Group`. For a group's id, pass `Group(id)`.
            level: `view` or `edit`.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if Studio refuses, and the level is still missing: there is no such user or group, say.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.
            APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and the level
                is missing so far. Call it again.

        Reference: Media page, /media/{media_id}/permissions: GET, then POST (observed).
        """
    @property
    def size(self, /) -> int | None:
        """
        The size in bytes.
        """
    @property
    def source(self, /) -> str | None:
        """
        Its source. The values are not documented.
        """
    def sources(self, /) -> Listing[Source]:
        """
        List its files and streams.

        Returns:
            A listing of `Source`.

        Reference: Media page, GET /media/{media_id}/sources.
        """
    def tags(self, /) -> Listing[Tag]:
        """
        List its tags.

        Returns:
            A listing of `Tag`.

        Reference: Tags page, GET /media/{media_id}/tags.
        """
    @property
    def thumbnail_url(self, /) -> str | None:
        """
        The URL of the thumbnail. For an audio recording it may look valid and still not load.
        """
    @property
    def title(self, /) -> str | None:
        """
        The title.
        """
    def to_dict(self, /) -> dict[str, Any]:
        """
        Return it as a dict that `json.dumps` accepts.

        Returns:
            Every documented field, `None` where Studio sent none, then the undocumented ones as they were sent.
        """
    @property
    def transcoding_status(self, /) -> Literal["transcoding_finished"] | str | None:
        """
        The processing state. `transcoding_finished` means ready; the other values are not documented.
        """
    def unarchive(self, /, *, collection_id: int | Collection | None = None) -> Media:
        """
        Unarchive it, with all its perspectives.

        Args:
            collection_id: The collection, or its id, to move it into; if omitted, it is not moved.

        Returns:
            The media.

        Raises:
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.

        Reference: Media page, /media/{media_id}/unarchive (the method, POST, is inferred).
        """
    async def unarchive_async(self, /, *, collection_id: int | Collection | None = None) -> Media:
        """
        Unarchive it, with all its perspectives.

        Args:
            collection_id: The collection, or its id, to move it into; if omitted, it is not moved.

        Returns:
            The media.

        Raises:
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.

        Reference: Media page, /media/{media_id}/unarchive (the method, POST, is inferred).
        """
    def unshare(self, /, who: int | Owner | User | GroupUser | Group) -> Permissions:
        """
        Stop sharing it with a user or a group.

        Call it as often as you like: nothing is sent if it is not shared with them. The owner stays the owner, and the level
        `access`, which comes from courses and collections, stays.

        Args:
            who: The Studio user (an id, an `Owner` or a `User`), or a `Group`. For a group's id, pass `Group(id)`.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if Studio refuses, and it is still shared with them.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.
            APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and it is
                shared with them so far. Call it again.

        Reference: Media page, /media/{media_id}/permissions: GET, then POST (observed).
        """
    async def unshare_async(self, /, who: int | Owner | User | GroupUser | Group) -> Permissions:
        """
        Stop sharing it with a user or a group.

        Call it as often as you like: nothing is sent if it is not shared with them. The owner stays the owner, and the level
        `access`, which comes from courses and collections, stays.

        Args:
            who: The Studio user (an id, an `Owner` or a `User`), or a `Group`. For a group's id, pass `Group(id)`.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if Studio refuses, and it is still shared with them.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.
            APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and it is
                shared with them so far. Call it again.

        Reference: Media page, /media/{media_id}/permissions: GET, then POST (observed).
        """
    def users(self, /, *, min_permission: "Literal['access', 'view', 'edit']" = "access") -> Listing[User]:
        """
        List everyone who has access to it, directly or not.

        Args:
            min_permission: The minimum permission: `access`, `view` or `edit`, each of which includes the previous
                ones.

        Returns:
            A listing of `User`, each with a permission.

        Reference: Media page, GET /media/{media_id}/users.
        """
    def wait_until_ready(self, /, *, timeout: float | timedelta) -> Media:
        """
        Wait until Studio has transcoded it, so that it can be watched and downloaded.

        It asks at once, and then less and less often: every half second at first, every 15 seconds in the end.

        Args:
            timeout: How long to wait, in seconds or as a timedelta; `float("inf")` for no limit.

        Returns:
            The media, whose `transcoding_status` is `transcoding_finished`. Any other status means "not yet".

        Raises:
            PermissionDeniedError: 403, if the caller may not see it.
            NotFoundError: 404, if it is no longer there.
            TranscodingFailedError: If the status has `fail` or `error` in it, which is a guess.
            APITimeoutError: If it is not transcoded in time. The message has the last status; Studio goes on.

        Reference: Media page, GET /media/{media_id}.
        """
    async def wait_until_ready_async(self, /, *, timeout: float | timedelta) -> Media:
        """
        Wait until Studio has transcoded it, so that it can be watched and downloaded.

        It asks at once, and then less and less often: every half second at first, every 15 seconds in the end.

        Args:
            timeout: How long to wait, in seconds or as a timedelta; `float("inf")` for no limit.

        Returns:
            The media, whose `transcoding_status` is `transcoding_finished`. Any other status means "not yet".

        Raises:
            PermissionDeniedError: 403, if the caller may not see it.
            NotFoundError: 404, if it is no longer there.
            TranscodingFailedError: If the status has `fail` or `error` in it, which is a guess.
            APITimeoutError: If it is not transcoded in time. The message has the last status; Studio goes on.

        Reference: Media page, GET /media/{media_id}.
        """

@final
class MemoryTokenStore:
    """
    Keeps tokens in memory, until the process ends.

    Do not share it between processes: after a fork, both would refresh with the same refresh token, which works once.

    Args:
        tokens: The tokens to start with.
    """
    def __new__(cls, /, tokens: Tokens | None = None) -> MemoryTokenStore: ...
    def __reduce__(self, /) -> str: ...
    def __repr__(self, /) -> str: ...
    def load(self, /) -> Tokens | None:
        """
        Read the tokens.

        Returns:
            The tokens, or `None` if there are none.
        """
    def lock(self, /) -> StoreLock:
        """
        Lock out other refreshes.

        Returns:
            A context manager for one `with` block.
        """
    def save(self, /, tokens: Tokens | None) -> None:
        """
        Replace the tokens.

        Args:
            tokens: The new tokens; `None` deletes them.
        """

@final
class OAuth:
    """
    The sign-in of one person at one school: a developer key, and where the person's tokens are kept.

    Share it between clients: a token is then refreshed once for all of them.

    Args:
        client_id: The developer key's id.
        client_secret: Its secret.
        store: Where the tokens are kept: a `FileTokenStore`, a `KeyringTokenStore`, a `MemoryTokenStore` (if omitted),
            or a store of your own.
        url: The school, as for `StudioClient`. Only `authorization_url()` and `exchange()` need it.
        redirect_uri: Where Studio sends the browser with the code: one of the developer key's URIs. With the default
            Studio shows the code instead.
        proxy: For `exchange()`, as for `StudioClient`, which has its own for refreshing.
        ca_bundle: Likewise.

    Raises:
        InvalidArgumentError: If an argument is invalid.
    """
    def __new__(
        cls,
        /,
        client_id: str,
        client_secret: str,
        *,
        store: TokenStore | AsyncTokenStore | None = None,
        url: str | None = None,
        redirect_uri: "str" = "urn:ietf:wg:oauth:2.0:oob",
        proxy: str | None = None,
        ca_bundle: str | PathLike[str] | None = None,
    ) -> OAuth: ...
    def __reduce__(self, /) -> tuple[Any, Any]: ...
    def __repr__(self, /) -> str: ...
    def authorization_url(self, /, *, state: str | None = None, code_verifier: str | None = None) -> str:
        """
        Make the URL of the page on which a person signs in and allows access. Nothing is sent.

        Args:
            state: An unguessable value of your own, such as `secrets.token_urlsafe()`. Keep it in the person's session
                and pass it to `exchange()`: Studio sends it back (observed in 2026; it did not in 2024).
            code_verifier: A second such value, `secrets.token_urlsafe(48)`, for PKCE (RFC 7636): the code then works
                only together with it, so nobody can inject a code of their own. Keep it like the `state`, and pass it
                to `exchange()`. Studio tolerates it (inferred); whether it checks it is unknown.

        Returns:
            The URL, for a browser.

        Raises:
            InvalidArgumentError: If the school was not given, or the `code_verifier` is not a valid one.
        """
    @property
    def client_id(self, /) -> str:
        """
        The developer key's id.
        """
    def exchange(self, /, code: str, state: str | None = None, *, code_verifier: str | None = None) -> Tokens:
        """
        Exchange the code of a sign-in for tokens, and save them in the store.

        Args:
            code: The code, or the whole URL that the browser was redirected to, as a person pastes it.
            state: The `state` that `authorization_url()` was given. If the URL has another one, nothing is sent. A URL
                without one is accepted: Studio did not send it back in 2024, and does in 2026 (observed).
            code_verifier: The `code_verifier` that `authorization_url()` was given.

        Returns:
            The tokens, after they were saved.

        Raises:
            InvalidArgumentError: If there is no code in it, or if the URL is another one than the redirect URI.
            SignInError: If the person denied access, if Studio rejects the code or the key, or if the URL has
                another `state` (its `reason` is then `other_state`).
            TokenStoreError: If the tokens could not be saved.

        Reference: none; observed in several clients, and in the vendor's guide for Postman.
        """
    async def exchange_async(
        self, /, code: str, state: str | None = None, *, code_verifier: str | None = None
    ) -> Tokens:
        """
        Exchange the code of a sign-in for tokens, and save them in the store.

        Args:
            code: The code, or the whole URL that the browser was redirected to, as a person pastes it.
            state: The `state` that `authorization_url()` was given. If the URL has another one, nothing is sent. A URL
                without one is accepted: Studio did not send it back in 2024, and does in 2026 (observed).
            code_verifier: The `code_verifier` that `authorization_url()` was given.

        Returns:
            The tokens, after they were saved.

        Raises:
            InvalidArgumentError: If there is no code in it, or if the URL is another one than the redirect URI.
            SignInError: If the person denied access, if Studio rejects the code or the key, or if the URL has
                another `state` (its `reason` is then `other_state`).
            TokenStoreError: If the tokens could not be saved.

        Reference: none; observed in several clients, and in the vendor's guide for Postman.
        """
    def forget(self, /) -> None:
        """
        Log out: delete the tokens, here and in the store. Studio documents no way to revoke them.

        Returns:
            None.

        Raises:
            TokenStoreError: If the store cannot be written.

        Reference: none; nothing is sent.
        """
    async def forget_async(self, /) -> None:
        """
        Log out: delete the tokens, here and in the store. Studio documents no way to revoke them.

        Returns:
            None.

        Raises:
            TokenStoreError: If the store cannot be written.

        Reference: none; nothing is sent.
        """
    @property
    def redirect_uri(self, /) -> str:
        """
        Where Studio sends the browser with the code.
        """
    @property
    def store(self, /) -> TokenStore | AsyncTokenStore:
        """
        Where the tokens are kept.
        """
    @property
    def url(self, /) -> str | None:
        """
        The school's URL, if it was given.
        """

@final
class PageReader:
    """
    One reading of a list.
    """
    def arrow_stream(self, /, reports: Reports | None) -> Any:
        """
        Return the reading as an Arrow stream in a capsule, which reports its rows.
        """
    def checkpoint(self, /, given: int | None) -> Checkpoint | None:
        """
        The position after so many items of this reading, or after all that were returned. `None` if that is before the
        last returned pages.
        """
    def close(self, /) -> None:
        """
        Stop prefetching.
        """
    @property
    def drift(self, /) -> tuple[int, int, int, int | None, int | None]:
        """
        How the list has changed during the reading.
        """
    def next_columns(self, /, flatten: bool = False, reports: Reports | None = None) -> ArrowBatch | None:
        """
        Read some thousand rows as columns; `None` at the end of the list. Meanwhile it reports how many have come.
        """
    async def next_columns_async(self, /, flatten: bool = False, reports: Reports | None = None) -> ArrowBatch | None:
        """
        Read some thousand rows as columns; `None` at the end of the list. Meanwhile it reports how many have come.
        """
    def next_csv(self, /, safe: bool) -> tuple[int, bytes] | None:
        """
        Read the rows that are ready as CSV in UTF-8, the first ones behind the header: how many, and their bytes; `None`
        at the end of the list. With `safe`, what a spreadsheet may take for a formula gets an apostrophe in front.
        """
    async def next_csv_async(self, /, safe: bool) -> tuple[int, bytes] | None:
        """
        Read the rows that are ready as CSV in UTF-8, the first ones behind the header: how many, and their bytes; `None`
        at the end of the list. With `safe`, what a spreadsheet may take for a formula gets an apostrophe in front.
        """
    def next_pages(self, /) -> list[list[Any]] | None:
        """
        Read the pages that are ready: the items of each page that has any; `None` at the end of the list.
        """
    async def next_pages_async(self, /) -> list[list[Any]] | None:
        """
        Read the pages that are ready: the items of each page that has any; `None` at the end of the list.
        """
    @property
    def total(self, /) -> int | None:
        """
        The number of items in the list, as Studio reported it last.
        """

@final
class PreparedCall:
    """
    A call that has not been sent. Its queue says how it reads a list.
    """

@final
class SandboxServer:
    """
    The server behind `canvas_studio.sandbox.Sandbox`. Use that class instead.
    """
    def __new__(cls, /, options: Any) -> SandboxServer: ...
    def add(self, /, kind: str, fields: Any) -> int: ...
    def add_fault(self, /, fields: Any) -> int: ...
    def advance(self, /, seconds: float) -> None: ...
    def allow(self, /, query: dict[str, str], user_id: int | None) -> str: ...
    def change_media(self, /, id: int, fields: Any) -> None: ...
    @staticmethod
    def chaos(options: Any) -> list[dict[str, Any]]: ...
    @staticmethod
    def check_fault(fields: Any) -> None: ...
    def clear_faults(self, /) -> None: ...
    @property
    def client_id(self, /) -> str: ...
    @property
    def client_secret(self, /) -> str: ...
    def close(self, /) -> None: ...
    def fault_hits(self, /, id: int) -> int | None: ...
    def forget_requests(self, /) -> None: ...
    def media_file(self, /, id: int, quality: str | None) -> bytes: ...
    def now(self, /) -> float:
        """
        The time by the sandbox's clock, in Unix seconds.
        """
    def oauth_token(self, /, user_id: int | None) -> dict[str, Any]: ...
    @property
    def panics(self, /) -> int:
        """
        How many requests ended with a panic in the sandbox.
        """
    @property
    def port(self, /) -> int: ...
    @property
    def redirect_uris(self, /) -> list[str]: ...
    def remove_fault(self, /, id: int) -> bool: ...
    def remove_media(self, /, id: int) -> None: ...
    def requests(self, /) -> list[dict[str, Any]]: ...
    def reset(self, /) -> None: ...
    def snapshot(self, /, path: str | PathLike[str]) -> None: ...
    @property
    def storage_url(self, /) -> str: ...
    @property
    def token(self, /) -> str: ...
    def token_for(self, /, user_id: int) -> str: ...
    def uploaded_file(self, /, id: int) -> tuple[int, str, str | None, bytes | None] | None:
        """
        The size, SHA-256, content type and bytes of the file that was sent to the URL of an upload.
        """
    @property
    def url(self, /) -> str: ...
    def users(self, /) -> list[dict[str, Any]]: ...

@final
class StoreLock:
    """
    The lock of a token store, for one `with` block.
    """
    def __enter__(self, /) -> None: ...
    def __exit__(self, /, _kind: Any, _error: Any, _traceback: Any) -> None: ...

@final
class StudioClient:
    """
    A client of one school's Studio.

    It can be used from any number of threads and event loops, and after a fork. Every operation has two forms: `f`
    blocks, and `f_async` is a coroutine with the same arguments, result and exceptions. List operations return a
    `Listing`, which is read with `for` or `async for`.

    It can be pickled for other processes, which look up its secrets where this one finds them: in the environment
    (`CANVAS_STUDIO_TOKEN`), or in a profile and the token store of its `OAuth`. The pickle contains no secret.

    Args:
        url: The school's name (`"myschool"`), its host, or its URL. `http` only on this machine.
        token: An access token that you manage yourself.
        auth: Instead of a token, an `OAuth`, which refreshes and stores its tokens.
        proxy: The proxy's URL (`"http://host:port"`, or `"http://user:password@host:port"`), instead of `HTTPS_PROXY`,
            `NO_PROXY` and the system's settings.
        ca_bundle: A file in PEM form, or a folder of such files, with the certificate authorities to trust, instead of
            `REQUESTS_CA_BUNDLE`, `SSL_CERT_FILE` and the system's trust store.
        timeout: Seconds (or a timedelta) for one call with all its retries; `float("inf")` for no limit. Downloads have
            none.
        connect_timeout: Seconds for opening a connection, at most `read_timeout`.
        read_timeout: Seconds without a byte from the server.
        max_retries: How often a request is retried. A request that may have been processed is never retried blindly.
        retry_delay: Seconds before the first retry. The delay doubles with each retry, and is shortened at random.
        max_retry_wait: The longest wait in seconds that a server may ask for; if it asks for more, the error is raised.
        max_concurrency: How many pages of one list to request at once, 1 to 64. It is lowered automatically if Studio
            reports too many requests or becomes slow.
        max_connections: How many requests may be in progress at once, 1 to 1000, and so how many connections. Further
            calls wait, which counts towards `timeout`. Clients made by `with_options` share it with this one, unless
            they set their own.
        max_rate: How many requests to start per second at most; no limit if omitted. Clients made by `with_options`
            share it with this one.
        app_name: The name of your program (`"my-tool/1.2"`), the first word of the `User-Agent` header, so that the
            school's logs tell it from others.

    Raises:
        InvalidArgumentError: If an argument is invalid.
    """
    def __aenter__(self, /) -> Awaitable[StudioClient]: ...
    def __aexit__(self, /, _kind: Any, _error: Any, _traceback: Any) -> Awaitable[None]: ...
    def __enter__(self, /) -> StudioClient: ...
    def __exit__(self, /, _kind: Any, _error: Any, _traceback: Any) -> None: ...
    def __new__(
        cls,
        /,
        url: str,
        *,
        token: str | None = None,
        auth: OAuth | None = None,
        proxy: str | None = None,
        ca_bundle: str | PathLike[str] | None = None,
        timeout: "float | timedelta" = 120.0,
        connect_timeout: "float | timedelta" = 5.0,
        read_timeout: "float | timedelta" = 30.0,
        max_retries: "int" = 2,
        retry_delay: "float | timedelta" = 0.5,
        max_retry_wait: "float | timedelta" = 60.0,
        max_concurrency: "int" = 16,
        max_connections: "int" = 100,
        max_rate: float | None = None,
        app_name: str | None = None,
    ) -> StudioClient: ...
    def __reduce__(self, /) -> tuple[Any, Any]: ...
    def __repr__(self, /) -> str: ...
    def _diagnose(self, /) -> tuple[tuple[str, str, str, float | None], ...]:
        """
        Checks step by step whether Studio can be reached: name, state, what was found, seconds; for `canvas-studio ping`.
        """
    def _network(self, /) -> tuple[str | None, str | None, Path | None]:
        """
        The `proxy`, its `Proxy-Authorization` header, and the `ca_bundle`, as they were given; for
        `canvas_studio.testing.record`.
        """
    def _options(self, /) -> dict[str, Any]:
        """
        The options that do not depend on the school or the network; for `canvas_studio.testing.record`.
        """
    def _repr_html_(self, /) -> str: ...
    def _without_prefetch(self, /) -> StudioClient:
        """
        A client that requests a page of a list only when its reader wants it, so that a program sends the same requests
        each time; for `canvas_studio.testing`.
        """
    def add_caption(
        self,
        /,
        media_id: int | Media,
        file: str | PathLike[str] | BinaryIO | tuple[str, bytes | str | PathLike[str]],
        *,
        srclang: str,
    ) -> Caption:
        """
        Add captions to a media: a file in one language.

        The file is read before it is sent. UTF-8 is sent byte for byte. UTF-16 with a byte order mark is converted to it,
        and so is Windows-1252 in a language that is written with it; another encoding is refused.

        Args:
            media_id: The media, or its id.
            file: A path, an open binary file, or `(name, bytes)`: SubRip named `.srt`, or WebVTT named `.vtt`.
            srclang: The language of the captions, as a tag of BCP 47 such as `en` or `pt-BR`.

        Returns:
            The caption. Whether viewers see it is told by its `status`.

        Raises:
            InvalidArgumentError: If the file is empty, has no cues, is of another format or encoding, or has a cue that
                players would show wrongly; the message names the line.
            CaptionWarning: As a warning, if the file had to be converted, or is odd in a way that players put up with.
            OSError: If the file cannot be read.
            PermissionDeniedError: 403, if the caller may not add captions to it.
            NotFoundError: 404, if there is no such media.
            UnprocessableEntityError: 422, if something is not valid.

        Reference: Captions page, POST /media/{media_id}/caption_files.
        """
    async def add_caption_async(
        self,
        /,
        media_id: int | Media,
        file: str | PathLike[str] | BinaryIO | tuple[str, bytes | str | PathLike[str]],
        *,
        srclang: str,
    ) -> Caption:
        """
        Add captions to a media: a file in one language.

        The file is read before it is sent. UTF-8 is sent byte for byte. UTF-16 with a byte order mark is converted to it,
        and so is Windows-1252 in a language that is written with it; another encoding is refused.

        Args:
            media_id: The media, or its id.
            file: A path, an open binary file, or `(name, bytes)`: SubRip named `.srt`, or WebVTT named `.vtt`.
            srclang: The language of the captions, as a tag of BCP 47 such as `en` or `pt-BR`.

        Returns:
            The caption. Whether viewers see it is told by its `status`.

        Raises:
            InvalidArgumentError: If the file is empty, has no cues, is of another format or encoding, or has a cue that
                players would show wrongly; the message names the line.
            CaptionWarning: As a warning, if the file had to be converted, or is odd in a way that players put up with.
            OSError: If the file cannot be read.
            PermissionDeniedError: 403, if the caller may not add captions to it.
            NotFoundError: 404, if there is no such media.
            UnprocessableEntityError: 422, if something is not valid.

        Reference: Captions page, POST /media/{media_id}/caption_files.
        """
    def add_tag(self, /, media_id: int | Media, name: str) -> Tag:
        """
        Add a tag to a media.

        What Studio does with a tag that the media has already is unknown. So the request is not sent again if it may have
        been carried out: after such an error, list the tags first.

        Args:
            media_id: The media, or its id.
            name: The name of the tag.

        Returns:
            The tag.

        Raises:
            InvalidArgumentError: If the name is empty.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such media.

        Reference: Tags page, POST /media/{media_id}/tags.
        """
    async def add_tag_async(self, /, media_id: int | Media, name: str) -> Tag:
        """
        Add a tag to a media.

        What Studio does with a tag that the media has already is unknown. So the request is not sent again if it may have
        been carried out: after such an error, list the tags first.

        Args:
            media_id: The media, or its id.
            name: The name of the tag.

        Returns:
            The tag.

        Raises:
            InvalidArgumentError: If the name is empty.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such media.

        Reference: Tags page, POST /media/{media_id}/tags.
        """
    def archive_collection(self, /, id: int | Collection) -> Collection | None:
        """
        Archive a collection with all its media and perspectives.

        Args:
            id: The collection, or its id.

        Returns:
            The collection, or `None` if Studio's answer holds none (its body is not documented).

        Raises:
            PermissionDeniedError: 403, if the caller may not archive it.
            NotFoundError: 404, if there is no such collection.
            UnprocessableEntityError: 422, if the id is not valid.

        Reference: Collection page, POST /collections/{collection_id}/archive.
        """
    async def archive_collection_async(self, /, id: int | Collection) -> Collection | None:
        """
        Archive a collection with all its media and perspectives.

        Args:
            id: The collection, or its id.

        Returns:
            The collection, or `None` if Studio's answer holds none (its body is not documented).

        Raises:
            PermissionDeniedError: 403, if the caller may not archive it.
            NotFoundError: 404, if there is no such collection.
            UnprocessableEntityError: 422, if the id is not valid.

        Reference: Collection page, POST /collections/{collection_id}/archive.
        """
    def archive_media(self, /, id: int | Media) -> Media:
        """
        Archive a media with all its perspectives. It leaves its courses and shared libraries.

        Args:
            id: The media, or its id.

        Returns:
            The media.

        Raises:
            PermissionDeniedError: 403, if the caller may not archive it.
            NotFoundError: 404, if there is no such media.

        Reference: Media page, /media/{media_id}/archive (the method, POST, is inferred).
        """
    async def archive_media_async(self, /, id: int | Media) -> Media:
        """
        Archive a media with all its perspectives. It leaves its courses and shared libraries.

        Args:
            id: The media, or its id.

        Returns:
            The media.

        Raises:
            PermissionDeniedError: 403, if the caller may not archive it.
            NotFoundError: 404, if there is no such media.

        Reference: Media page, /media/{media_id}/archive (the method, POST, is inferred).
        """
    def change_collection_permissions(
        self, /, id: int | Collection, changes: Iterable[PermissionChange | Mapping[str, Any]]
    ) -> Permissions:
        """
        Change with whom a collection is shared.

        Args:
            id: The collection, or its id.
            changes: `PermissionChange` objects, or dicts with the same names. Whether Studio applies all of them or
                none is not documented.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if one to update or destroy does not exist, or one to create already exists.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such collection.
            UnprocessableEntityError: 422, if something is not valid.
            ResponseDecodeError: If Studio accepts the change, but its list shows that it did not make it.

        Reference: Collection page, POST /collections/{collection_id}/permissions.
        """
    async def change_collection_permissions_async(
        self, /, id: int | Collection, changes: Iterable[PermissionChange | Mapping[str, Any]]
    ) -> Permissions:
        """
        Change with whom a collection is shared.

        Args:
            id: The collection, or its id.
            changes: `PermissionChange` objects, or dicts with the same names. Whether Studio applies all of them or
                none is not documented.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if one to update or destroy does not exist, or one to create already exists.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such collection.
            UnprocessableEntityError: 422, if something is not valid.
            ResponseDecodeError: If Studio accepts the change, but its list shows that it did not make it.

        Reference: Collection page, POST /collections/{collection_id}/permissions.
        """
    def change_group_users(
        self, /, group_id: int | Group, changes: Iterable[GroupUserChange | Mapping[str, Any]]
    ) -> tuple[GroupUser, ...]:
        """
        Add users to a group, change what they are in it, or remove them.

        Args:
            group_id: The id of the group, or a `Group`.
            changes: `GroupUserChange` objects, or dicts with the same names; one for each user. Whether Studio applies all
                of them or none is not documented.

        Returns:
            All users of the group after the changes.

        Raises:
            InvalidArgumentError: If there is no change, two are of one user, or one cannot be right.
            PermissionDeniedError: 403, if the caller is not an administrator.
            NotFoundError: 404, if there is no such group.
            UnprocessableEntityError: 422, if something is not valid, such as an action.
            ResponseDecodeError: If Studio accepts the changes, but its list shows that it did not make them.

        Reference: Group page, POST /groups/{group_id}/users/batch_update.
        """
    async def change_group_users_async(
        self, /, group_id: int | Group, changes: Iterable[GroupUserChange | Mapping[str, Any]]
    ) -> tuple[GroupUser, ...]:
        """
        Add users to a group, change what they are in it, or remove them.

        Args:
            group_id: The id of the group, or a `Group`.
            changes: `GroupUserChange` objects, or dicts with the same names; one for each user. Whether Studio applies all
                of them or none is not documented.

        Returns:
            All users of the group after the changes.

        Raises:
            InvalidArgumentError: If there is no change, two are of one user, or one cannot be right.
            PermissionDeniedError: 403, if the caller is not an administrator.
            NotFoundError: 404, if there is no such group.
            UnprocessableEntityError: 422, if something is not valid, such as an action.
            ResponseDecodeError: If Studio accepts the changes, but its list shows that it did not make them.

        Reference: Group page, POST /groups/{group_id}/users/batch_update.
        """
    def change_media_permissions(
        self, /, id: int | Media, changes: Iterable[PermissionChange | Mapping[str, Any]]
    ) -> Permissions:
        """
        Change with whom a media is shared.

        Args:
            id: The media, or its id.
            changes: `PermissionChange` objects, or dicts with the same names. Whether Studio applies all of them or
                none is not documented.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if one to update or destroy does not exist, or one to create already exists.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such media.
            UnprocessableEntityError: 422, if something is not valid.
            ResponseDecodeError: If Studio accepts the change, but its list shows that it did not make it.

        Reference: Media page, /media/{media_id}/permissions (POST is observed; of two bodies, one is inferred and one typed by a public client).
        """
    async def change_media_permissions_async(
        self, /, id: int | Media, changes: Iterable[PermissionChange | Mapping[str, Any]]
    ) -> Permissions:
        """
        Change with whom a media is shared.

        Args:
            id: The media, or its id.
            changes: `PermissionChange` objects, or dicts with the same names. Whether Studio applies all of them or
                none is not documented.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if one to update or destroy does not exist, or one to create already exists.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such media.
            UnprocessableEntityError: 422, if something is not valid.
            ResponseDecodeError: If Studio accepts the change, but its list shows that it did not make it.

        Reference: Media page, /media/{media_id}/permissions (POST is observed; of two bodies, one is inferred and one typed by a public client).
        """
    def close(self, /) -> None:
        """
        End calls in progress with `ClientClosedError`, and refuse new ones.
        """
    def complete_upload(
        self,
        /,
        media_id: int | UploadSlot,
        *,
        title: str,
        description: str | None = None,
        auto_caption: bool | None = None,
    ) -> Media:
        """
        Complete an upload whose file was sent: the third step. Studio then transcodes the media.

        If the answer is lost or says nothing (5xx), Studio is asked whether the upload was completed.

        Args:
            media_id: The upload, or its id.
            title: The title. Studio requires one.
            description: The description.
            auto_caption: Whether Studio makes captions automatically. The account must have that.

        Returns:
            The media.

        Raises:
            BadRequestError: 400, if Studio does not accept the title.
            PermissionDeniedError: 403, if the caller may not complete it.
            NotFoundError: 404, if there is no such upload.
            ConflictError: 409, if it was completed before this call.
            InternalServerError: 501, if captions cannot be made automatically. The upload is not completed then
                (inferred).

        Reference: Media Upload page, POST /media/uploads/{media_id}/complete.
        """
    async def complete_upload_async(
        self,
        /,
        media_id: int | UploadSlot,
        *,
        title: str,
        description: str | None = None,
        auto_caption: bool | None = None,
    ) -> Media:
        """
        Complete an upload whose file was sent: the third step. Studio then transcodes the media.

        If the answer is lost or says nothing (5xx), Studio is asked whether the upload was completed.

        Args:
            media_id: The upload, or its id.
            title: The title. Studio requires one.
            description: The description.
            auto_caption: Whether Studio makes captions automatically. The account must have that.

        Returns:
            The media.

        Raises:
            BadRequestError: 400, if Studio does not accept the title.
            PermissionDeniedError: 403, if the caller may not complete it.
            NotFoundError: 404, if there is no such upload.
            ConflictError: 409, if it was completed before this call.
            InternalServerError: 501, if captions cannot be made automatically. The upload is not completed then
                (inferred).

        Reference: Media Upload page, POST /media/uploads/{media_id}/complete.
        """
    def create_collection(self, /, name: str, *, user_id: int | Owner | User | GroupUser | None = None) -> Collection:
        """
        Create a collection.

        Args:
            name: Its name.
            user_id: The Studio user (an id, an `Owner` or a `User`) in whose library it is created; the caller's own if
                omitted. Only an administrator may create one for another user.

        Returns:
            The new collection.

        Raises:
            PermissionDeniedError: 403, if the caller may not create it for that user.
            NotFoundError: 404, if there is no such user.
            UnprocessableEntityError: 422, if the user id is not valid.

        Reference: Collection page, POST /collections.
        """
    async def create_collection_async(
        self, /, name: str, *, user_id: int | Owner | User | GroupUser | None = None
    ) -> Collection:
        """
        Create a collection.

        Args:
            name: Its name.
            user_id: The Studio user (an id, an `Owner` or a `User`) in whose library it is created; the caller's own if
                omitted. Only an administrator may create one for another user.

        Returns:
            The new collection.

        Raises:
            PermissionDeniedError: 403, if the caller may not create it for that user.
            NotFoundError: 404, if there is no such user.
            UnprocessableEntityError: 422, if the user id is not valid.

        Reference: Collection page, POST /collections.
        """
    def create_collection_media(
        self,
        /,
        collection_id: int | Collection,
        url: str,
        *,
        title: str | None = None,
        description: str | None = None,
        user_id: int | Owner | User | GroupUser | None = None,
        auto_caption: bool | None = None,
        is_external: bool | None = None,
    ) -> Media:
        """
        Create a media from a URL in a collection.

        Studio fetches the file afterwards, or shows the video of YouTube or Vimeo. The call is never repeated if it may have
        been carried out: after a 5xx or a broken connection, look for the media before you call it again.

        Args:
            collection_id: The collection, or its id, into which it goes.
            url: The URL, which begins with `http://` or `https://`: of a file that Studio fetches, or of a video of YouTube or
                Vimeo. A signed URL must stay good until Studio has fetched the file; when that is, is unknown.
            title: The title. Studio requires one, unless `is_external` is `True`.
            description: The description.
            user_id: The Studio user (an id, an `Owner` or a `User`) who will own it; the caller if omitted. Only an
                administrator may create one for another user.
            auto_caption: Whether Studio makes captions automatically. The account must have that.
            is_external: Whether it is a video of YouTube or Vimeo, which stays there. For a URL of these it must be given;
                Studio takes anything else for a file if omitted.

        Returns:
            The media, which Studio may still be fetching: see `wait_until_ready`.

        Raises:
            InvalidArgumentError: If the URL or the title cannot be right. No request was sent.
            PermissionDeniedError: 403, if the caller may not create it there, or an administrator forbids external media.
            NotFoundError: 404, if there is no such collection or user.
            UnprocessableEntityError: 422, if Studio does not accept the URL or something else.
            InternalServerError: 501, if captions cannot be made automatically.

        Reference: Media Upload page, POST /collections/{collection_id}/media.
        """
    async def create_collection_media_async(
        self,
        /,
        collection_id: int | Collection,
        url: str,
        *,
        title: str | None = None,
        description: str | None = None,
        user_id: int | Owner | User | GroupUser | None = None,
        auto_caption: bool | None = None,
        is_external: bool | None = None,
    ) -> Media:
        """
        Create a media from a URL in a collection.

        Studio fetches the file afterwards, or shows the video of YouTube or Vimeo. The call is never repeated if it may have
        been carried out: after a 5xx or a broken connection, look for the media before you call it again.

        Args:
            collection_id: The collection, or its id, into which it goes.
            url: The URL, which begins with `http://` or `https://`: of a file that Studio fetches, or of a video of YouTube or
                Vimeo. A signed URL must stay good until Studio has fetched the file; when that is, is unknown.
            title: The title. Studio requires one, unless `is_external` is `True`.
            description: The description.
            user_id: The Studio user (an id, an `Owner` or a `User`) who will own it; the caller if omitted. Only an
                administrator may create one for another user.
            auto_caption: Whether Studio makes captions automatically. The account must have that.
            is_external: Whether it is a video of YouTube or Vimeo, which stays there. For a URL of these it must be given;
                Studio takes anything else for a file if omitted.

        Returns:
            The media, which Studio may still be fetching: see `wait_until_ready`.

        Raises:
            InvalidArgumentError: If the URL or the title cannot be right. No request was sent.
            PermissionDeniedError: 403, if the caller may not create it there, or an administrator forbids external media.
            NotFoundError: 404, if there is no such collection or user.
            UnprocessableEntityError: 422, if Studio does not accept the URL or something else.
            InternalServerError: 501, if captions cannot be made automatically.

        Reference: Media Upload page, POST /collections/{collection_id}/media.
        """
    def create_embed(
        self,
        /,
        media_id: int | Media,
        *,
        course_id: int | Course | Collection,
        embed_type: "Literal['embed', 'bare_embed']" = "embed",
        downloadable: bool | None = None,
    ) -> str:
        """
        Add a media to the collection of a course, and get the URL that launches it there.

        Args:
            media_id: The media, or its id.
            course_id: The course's id in Canvas, or a `Course` or a `Collection` that has one.
            embed_type: `embed` for a player with media tabs, `bare_embed` for the player alone.
            downloadable: Whether viewers may download it; Studio's own default if omitted.

        Returns:
            The URL. It works only when it is launched over LTI.

        Raises:
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such media, or if Studio has not met the course: somebody has to open
                Studio from the course in Canvas once (observed).
            UnprocessableEntityError: 422, if something is not valid.

        Reference: Media page, /media/{media_id}/create_embed (the method, POST, is observed).
        """
    async def create_embed_async(
        self,
        /,
        media_id: int | Media,
        *,
        course_id: int | Course | Collection,
        embed_type: "Literal['embed', 'bare_embed']" = "embed",
        downloadable: bool | None = None,
    ) -> str:
        """
        Add a media to the collection of a course, and get the URL that launches it there.

        Args:
            media_id: The media, or its id.
            course_id: The course's id in Canvas, or a `Course` or a `Collection` that has one.
            embed_type: `embed` for a player with media tabs, `bare_embed` for the player alone.
            downloadable: Whether viewers may download it; Studio's own default if omitted.

        Returns:
            The URL. It works only when it is launched over LTI.

        Raises:
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such media, or if Studio has not met the course: somebody has to open
                Studio from the course in Canvas once (observed).
            UnprocessableEntityError: 422, if something is not valid.

        Reference: Media page, /media/{media_id}/create_embed (the method, POST, is observed).
        """
    def create_media(
        self,
        /,
        url: str,
        *,
        title: str | None = None,
        description: str | None = None,
        user_id: int | Owner | User | GroupUser | None = None,
        collection_id: int | Collection | None = None,
        auto_caption: bool | None = None,
        is_external: bool | None = None,
    ) -> Media:
        """
        Create a media from a URL. Studio fetches the file afterwards, or shows the video of YouTube or Vimeo.

        It is never repeated if it may have been carried out: after a 5xx or a broken connection, look for the media before
        you call it again.

        Args:
            url: The URL, which begins with `http://` or `https://`: of a file that Studio fetches, or of a video of YouTube or
                Vimeo. A signed URL must stay good until Studio has fetched the file; when that is, is unknown.
            title: The title. Studio requires one, unless `is_external` is `True`.
            description: The description.
            user_id: The Studio user (an id, an `Owner` or a `User`) into whose library it goes; the caller's own if
                omitted. Only an administrator may name another. Studio does not take it together with `collection_id`.
            collection_id: The collection, or its id, into which it goes.
            auto_caption: Whether Studio makes captions automatically. The account must have that.
            is_external: Whether it is a video of YouTube or Vimeo, which stays there. For a URL of these it must be given;
                Studio takes anything else for a file if omitted.

        Returns:
            The media, which Studio may still be fetching: see `wait_until_ready`.

        Raises:
            InvalidArgumentError: If the URL or the title cannot be right, or `user_id` and `collection_id` are both given.
                No request was sent.
            PermissionDeniedError: 403, if the caller may not create it there, or an administrator forbids external media.
            NotFoundError: 404, if there is no such user or collection.
            UnprocessableEntityError: 422, if Studio does not accept the URL or something else.
            InternalServerError: 501, if captions cannot be made automatically.

        Reference: Media Upload page, POST /media.
        """
    async def create_media_async(
        self,
        /,
        url: str,
        *,
        title: str | None = None,
        description: str | None = None,
        user_id: int | Owner | User | GroupUser | None = None,
        collection_id: int | Collection | None = None,
        auto_caption: bool | None = None,
        is_external: bool | None = None,
    ) -> Media:
        """
        Create a media from a URL. Studio fetches the file afterwards, or shows the video of YouTube or Vimeo.

        It is never repeated if it may have been carried out: after a 5xx or a broken connection, look for the media before
        you call it again.

        Args:
            url: The URL, which begins with `http://` or `https://`: of a file that Studio fetches, or of a video of YouTube or
                Vimeo. A signed URL must stay good until Studio has fetched the file; when that is, is unknown.
            title: The title. Studio requires one, unless `is_external` is `True`.
            description: The description.
            user_id: The Studio user (an id, an `Owner` or a `User`) into whose library it goes; the caller's own if
                omitted. Only an administrator may name another. Studio does not take it together with `collection_id`.
            collection_id: The collection, or its id, into which it goes.
            auto_caption: Whether Studio makes captions automatically. The account must have that.
            is_external: Whether it is a video of YouTube or Vimeo, which stays there. For a URL of these it must be given;
                Studio takes anything else for a file if omitted.

        Returns:
            The media, which Studio may still be fetching: see `wait_until_ready`.

        Raises:
            InvalidArgumentError: If the URL or the title cannot be right, or `user_id` and `collection_id` are both given.
                No request was sent.
            PermissionDeniedError: 403, if the caller may not create it there, or an administrator forbids external media.
            NotFoundError: 404, if there is no such user or collection.
            UnprocessableEntityError: 422, if Studio does not accept the URL or something else.
            InternalServerError: 501, if captions cannot be made automatically.

        Reference: Media Upload page, POST /media.
        """
    def create_upload(
        self, /, *, user_id: int | Owner | User | GroupUser | None = None, collection_id: int | Collection | None = None
    ) -> UploadSlot:
        """
        Create an upload: the first of the three steps that `upload_media` makes.

        Args:
            user_id: The Studio user (an id, an `Owner` or a `User`) who will own the media; the caller if omitted. Only
                an administrator may upload for another user.
            collection_id: The collection, or its id, to upload it into; the library of the user if omitted.

        Returns:
            The id that the media will have, and a signed URL for its file, good for 24 hours (observed). Treat the URL as a
            secret.

        Raises:
            PermissionDeniedError: 403, if the caller may not upload there.
            NotFoundError: 404, if there is no such user or collection.
            UnprocessableEntityError: 422, if the user id is not valid.

        Reference: Media Upload page, POST /media/uploads.
        """
    async def create_upload_async(
        self, /, *, user_id: int | Owner | User | GroupUser | None = None, collection_id: int | Collection | None = None
    ) -> UploadSlot:
        """
        Create an upload: the first of the three steps that `upload_media` makes.

        Args:
            user_id: The Studio user (an id, an `Owner` or a `User`) who will own the media; the caller if omitted. Only
                an administrator may upload for another user.
            collection_id: The collection, or its id, to upload it into; the library of the user if omitted.

        Returns:
            The id that the media will have, and a signed URL for its file, good for 24 hours (observed). Treat the URL as a
            secret.

        Raises:
            PermissionDeniedError: 403, if the caller may not upload there.
            NotFoundError: 404, if there is no such user or collection.
            UnprocessableEntityError: 422, if the user id is not valid.

        Reference: Media Upload page, POST /media/uploads.
        """
    def delete_captioning_service(self, /, key: str | CaptioningServiceType) -> None:
        """
        Delete the type of a captioning service, and the captioning roles that belong to it.

        Whoever had such a role no longer has it.

        Args:
            key: The type, or its `key`.

        Returns:
            Nothing.

        Raises:
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if the account has no active captioning service, or none with this key.

        Reference: Professional Captioning page, DELETE /captioning_service_types/{key}.
        """
    async def delete_captioning_service_async(self, /, key: str | CaptioningServiceType) -> None:
        """
        Delete the type of a captioning service, and the captioning roles that belong to it.

        Whoever had such a role no longer has it.

        Args:
            key: The type, or its `key`.

        Returns:
            Nothing.

        Raises:
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if the account has no active captioning service, or none with this key.

        Reference: Professional Captioning page, DELETE /captioning_service_types/{key}.
        """
    def delete_collection(self, /, id: int | Collection) -> Collection | None:
        """
        Delete a collection with all its media and perspectives. This cannot be undone.

        Args:
            id: The collection, or its id.

        Returns:
            The collection as it was, or `None` if Studio's answer holds none (its body is hardly documented).

        Raises:
            PermissionDeniedError: 403, if the caller may not delete it.
            NotFoundError: 404, if there is no such collection.
            UnprocessableEntityError: 422, if the id is not valid.

        Reference: Collection page, DELETE /collections/{collection_id}.
        """
    async def delete_collection_async(self, /, id: int | Collection) -> Collection | None:
        """
        Delete a collection with all its media and perspectives. This cannot be undone.

        Args:
            id: The collection, or its id.

        Returns:
            The collection as it was, or `None` if Studio's answer holds none (its body is hardly documented).

        Raises:
            PermissionDeniedError: 403, if the caller may not delete it.
            NotFoundError: 404, if there is no such collection.
            UnprocessableEntityError: 422, if the id is not valid.

        Reference: Collection page, DELETE /collections/{collection_id}.
        """
    def delete_media(self, /, id: int | Media) -> Media:
        """
        Delete a media with all its perspectives. This cannot be undone.

        Args:
            id: The media, or its id.

        Returns:
            The media as it was.

        Raises:
            PermissionDeniedError: 403, if the caller may not delete it.
            NotFoundError: 404, if there is no such media.

        Reference: Media page, DELETE /media/{media_id}.
        """
    async def delete_media_async(self, /, id: int | Media) -> Media:
        """
        Delete a media with all its perspectives. This cannot be undone.

        Args:
            id: The media, or its id.

        Returns:
            The media as it was.

        Raises:
            PermissionDeniedError: 403, if the caller may not delete it.
            NotFoundError: 404, if there is no such media.

        Reference: Media page, DELETE /media/{media_id}.
        """
    def download_caption(self, /, id: int | Caption, path: str | PathLike[str]) -> Path:
        """
        Download a caption into a file, byte for byte.

        The file gets its name only when it is whole.

        Args:
            id: The caption, or its id.
            path: The file. An existing one is replaced.

        Returns:
            The path.

        Raises:
            PermissionDeniedError: 403, if the caller may not have it: only the owner of the media, or an administrator
                (observed).
            NotFoundError: 404, if there is no such caption.
            UnprocessableEntityError: 422, if the id is not valid.
            ResponseDecodeError: If JSON or a page came instead.
            OSError: If the file cannot be written.

        Reference: Captions page, GET /caption_files/{caption_file_id}/download.
        """
    async def download_caption_async(self, /, id: int | Caption, path: str | PathLike[str]) -> Path:
        """
        Download a caption into a file, byte for byte.

        The file gets its name only when it is whole.

        Args:
            id: The caption, or its id.
            path: The file. An existing one is replaced.

        Returns:
            The path.

        Raises:
            PermissionDeniedError: 403, if the caller may not have it: only the owner of the media, or an administrator
                (observed).
            NotFoundError: 404, if there is no such caption.
            UnprocessableEntityError: 422, if the id is not valid.
            ResponseDecodeError: If JSON or a page came instead.
            OSError: If the file cannot be written.

        Reference: Captions page, GET /caption_files/{caption_file_id}/download.
        """
    @overload
    def download_media(
        self,
        /,
        id: int | Media,
        path: str | PathLike[str],
        *,
        quality: str | None = None,
        progress: bool | Callable[[int, int | None], object] | None = None,
        max_bytes: int | None = None,
        resume: "bool" = True,
        sha256: str | None = None,
    ) -> Path:
        """
        Download a media into a file.

        It is written to `PATH.part` and renamed when it is complete. After a broken connection the download resumes; if
        the signed URL expires, a new one is requested. If it ends before the file is complete, `PATH.part` stays with
        `PATH.part.json`, and the next download to the same path goes on there, in this process or in another one, if
        Studio's storage host says by a strong `ETag` that the file is the same.

        A file object in place of the path gets the bytes as they come, and keeps what it has if the download fails. It is
        only written to, never closed; the async method calls its `write()` on another thread, one call at a time.

        Args:
            id: The media, or its id.
            path: The file, of which an existing one is replaced; or a binary file object with `write()`.
            quality: Which version; the best if omitted. The values are not documented.
            progress: `True` for a progress bar (needs tqdm), or a callable that is given the bytes so far and the bytes
                in all (`None` if unknown), several times a second, on the calling thread. The async method also takes
                an async callable, and awaits it, one report at a time, while the download continues.
            max_bytes: The most bytes that the file may have, 1 or more; no limit if omitted. A larger file is refused,
                before it is transferred if its length is announced, and nothing of it stays.
            resume: Whether to go on with what an earlier download left, and to leave something for the next one. `False`
                starts from the beginning, and leaves nothing behind if it fails. It is about paths alone.
            sha256: The SHA-256 of the file, as 64 hexadecimal digits. It is checked while the file is written, over all
                of it, and before it gets its name.

        Returns:
            The path; for a file object, how many bytes were written to it.

        Raises:
            PermissionDeniedError: 403, if the caller is neither the owner nor an administrator.
            NotFoundError: 404, if there is no such media, or not in that quality, or if Studio has not finished
                transcoding it (a guess): see `wait_until_ready`.
            UnprocessableEntityError: 422, if the media is external (YouTube, Vimeo), or Studio does not accept
                `quality`.
            ResponseDecodeError: If the response is not a recording, is larger than `max_bytes`, or has another SHA-256
                than `sha256`. Nothing of it stays.
            OSError: If the file cannot be written. What `write()` of a file object raises comes out as it is.

        Reference: Media page, GET /media/{media_id}/download.
        """
    @overload
    def download_media(
        self,
        /,
        id: int | Media,
        path: SupportsWrite[bytes],
        *,
        quality: str | None = None,
        progress: bool | Callable[[int, int | None], object] | None = None,
        max_bytes: int | None = None,
        resume: "bool" = True,
        sha256: str | None = None,
    ) -> int: ...
    @overload
    async def download_media_async(
        self,
        /,
        id: int | Media,
        path: str | PathLike[str],
        *,
        quality: str | None = None,
        progress: bool | Callable[[int, int | None], object] | None = None,
        max_bytes: int | None = None,
        resume: "bool" = True,
        sha256: str | None = None,
    ) -> Path:
        """
        Download a media into a file.

        It is written to `PATH.part` and renamed when it is complete. After a broken connection the download resumes; if
        the signed URL expires, a new one is requested. If it ends before the file is complete, `PATH.part` stays with
        `PATH.part.json`, and the next download to the same path goes on there, in this process or in another one, if
        Studio's storage host says by a strong `ETag` that the file is the same.

        A file object in place of the path gets the bytes as they come, and keeps what it has if the download fails. It is
        only written to, never closed; the async method calls its `write()` on another thread, one call at a time.

        Args:
            id: The media, or its id.
            path: The file, of which an existing one is replaced; or a binary file object with `write()`.
            quality: Which version; the best if omitted. The values are not documented.
            progress: `True` for a progress bar (needs tqdm), or a callable that is given the bytes so far and the bytes
                in all (`None` if unknown), several times a second, on the calling thread. The async method also takes
                an async callable, and awaits it, one report at a time, while the download continues.
            max_bytes: The most bytes that the file may have, 1 or more; no limit if omitted. A larger file is refused,
                before it is transferred if its length is announced, and nothing of it stays.
            resume: Whether to go on with what an earlier download left, and to leave something for the next one. `False`
                starts from the beginning, and leaves nothing behind if it fails. It is about paths alone.
            sha256: The SHA-256 of the file, as 64 hexadecimal digits. It is checked while the file is written, over all
                of it, and before it gets its name.

        Returns:
            The path; for a file object, how many bytes were written to it.

        Raises:
            PermissionDeniedError: 403, if the caller is neither the owner nor an administrator.
            NotFoundError: 404, if there is no such media, or not in that quality, or if Studio has not finished
                transcoding it (a guess): see `wait_until_ready`.
            UnprocessableEntityError: 422, if the media is external (YouTube, Vimeo), or Studio does not accept
                `quality`.
            ResponseDecodeError: If the response is not a recording, is larger than `max_bytes`, or has another SHA-256
                than `sha256`. Nothing of it stays.
            OSError: If the file cannot be written. What `write()` of a file object raises comes out as it is.

        Reference: Media page, GET /media/{media_id}/download.
        """
    @overload
    async def download_media_async(
        self,
        /,
        id: int | Media,
        path: SupportsWrite[bytes],
        *,
        quality: str | None = None,
        progress: bool | Callable[[int, int | None], object] | None = None,
        max_bytes: int | None = None,
        resume: "bool" = True,
        sha256: str | None = None,
    ) -> int: ...
    def find_user(self, /, email: str) -> User:
        """
        Find the one user with an e-mail address.

        Studio is asked for everyone with this address, and the addresses in its answer are compared with it as a whole,
        without regard to case: whether Studio also matches a part of an address is unknown.

        Args:
            email: The e-mail address, or the Canvas login id if Studio holds that in its place.

        Returns:
            The user, with their roles.

        Raises:
            UserNotFoundError: If nobody has it: this person never opened Studio, or Studio holds another address or
                their Canvas login id.
            SeveralUsersError: If several users have it; `users` lists them.
            PermissionDeniedError: 403, if the caller may not search users.
            UnprocessableEntityError: 422, if Studio does not accept the address.

        Reference: User page, GET /users/search.
        """
    async def find_user_async(self, /, email: str) -> User:
        """
        Find the one user with an e-mail address.

        Studio is asked for everyone with this address, and the addresses in its answer are compared with it as a whole,
        without regard to case: whether Studio also matches a part of an address is unknown.

        Args:
            email: The e-mail address, or the Canvas login id if Studio holds that in its place.

        Returns:
            The user, with their roles.

        Raises:
            UserNotFoundError: If nobody has it: this person never opened Studio, or Studio holds another address or
                their Canvas login id.
            SeveralUsersError: If several users have it; `users` lists them.
            PermissionDeniedError: 403, if the caller may not search users.
            UnprocessableEntityError: 422, if Studio does not accept the address.

        Reference: User page, GET /users/search.
        """
    @staticmethod
    def from_env(
        profile: str | None = None,
        *,
        url: str | None = None,
        token: str | None = None,
        auth: OAuth | None = None,
        proxy: str | None = None,
        ca_bundle: str | PathLike[str] | None = None,
        timeout: "float | timedelta" = 120.0,
        connect_timeout: "float | timedelta" = 5.0,
        read_timeout: "float | timedelta" = 30.0,
        max_retries: "int" = 2,
        retry_delay: "float | timedelta" = 0.5,
        max_retry_wait: "float | timedelta" = 60.0,
        max_concurrency: "int" = 16,
        max_connections: "int" = 100,
        max_rate: float | None = None,
        app_name: str | None = None,
    ) -> StudioClient:
        """
        Make a client from arguments, environment variables, and a profile that `canvas-studio login` has made.

        An argument overrides a variable, and a variable overrides the profile: `CANVAS_STUDIO_URL`,
        `CANVAS_STUDIO_TOKEN`, or `CANVAS_STUDIO_CLIENT_ID`, `CANVAS_STUDIO_CLIENT_SECRET` and
        `CANVAS_STUDIO_TOKEN_FILE`; `CANVAS_STUDIO_PROFILE` names the profile. With the argument `profile`, the
        variables are ignored. A secret is never sent to a URL from another source.

        Args:
            profile: The profile; if omitted, that of the variable, or the only one that exists.
            url: Instead of `CANVAS_STUDIO_URL`.
            token: Instead of `CANVAS_STUDIO_TOKEN`.
            auth: Instead of a token.
            proxy: The same as for the client itself.
            ca_bundle: The same.
            timeout: The same.
            connect_timeout: The same.
            read_timeout: The same.
            max_retries: The same.
            retry_delay: The same.
            max_retry_wait: The same.
            max_concurrency: The same.
            max_connections: The same.
            max_rate: The same.
            app_name: The same.

        Returns:
            A client.

        Raises:
            InvalidArgumentError: If a setting is missing, invalid, or contradicts another.
        """
    def get_caption_text(self, /, id: int | Caption) -> str:
        """
        Get the text of a caption, such as SubRip or WebVTT.

        Args:
            id: The caption, or its id.

        Returns:
            The text.

        Raises:
            PermissionDeniedError: 403, if the caller may not have it: only the owner of the media, or an administrator
                (observed).
            NotFoundError: 404, if there is no such caption.
            UnprocessableEntityError: 422, if the id is not valid.
            ResponseDecodeError: If JSON or a page came instead, or text in an encoding that nothing names.

        Reference: Captions page, GET /caption_files/{caption_file_id}/download.
        """
    async def get_caption_text_async(self, /, id: int | Caption) -> str:
        """
        Get the text of a caption, such as SubRip or WebVTT.

        Args:
            id: The caption, or its id.

        Returns:
            The text.

        Raises:
            PermissionDeniedError: 403, if the caller may not have it: only the owner of the media, or an administrator
                (observed).
            NotFoundError: 404, if there is no such caption.
            UnprocessableEntityError: 422, if the id is not valid.
            ResponseDecodeError: If JSON or a page came instead, or text in an encoding that nothing names.

        Reference: Captions page, GET /caption_files/{caption_file_id}/download.
        """
    def get_collection(self, /, id: int | Collection) -> Collection:
        """
        Get a collection.

        Args:
            id: The collection's id.

        Returns:
            The collection.

        Raises:
            PermissionDeniedError: 403, if the caller may not see it.
            NotFoundError: 404, if there is no such collection.
            UnprocessableEntityError: 422, if the id is not valid.

        Reference: Collection page, GET /collections/{collection_id}.
        """
    async def get_collection_async(self, /, id: int | Collection) -> Collection:
        """
        Get a collection.

        Args:
            id: The collection's id.

        Returns:
            The collection.

        Raises:
            PermissionDeniedError: 403, if the caller may not see it.
            NotFoundError: 404, if there is no such collection.
            UnprocessableEntityError: 422, if the id is not valid.

        Reference: Collection page, GET /collections/{collection_id}.
        """
    def get_collection_permissions(self, /, id: int | Collection) -> Permissions:
        """
        Get the users and groups with whom a collection is shared.

        Args:
            id: The collection, or its id.

        Returns:
            The users and the groups, each with a permission.

        Raises:
            PermissionDeniedError: 403, if the caller may not see that.
            NotFoundError: 404, if there is no such collection.
            UnprocessableEntityError: 422, if the id is not valid.

        Reference: Collection page, GET /collections/{collection_id}/permissions.
        """
    async def get_collection_permissions_async(self, /, id: int | Collection) -> Permissions:
        """
        Get the users and groups with whom a collection is shared.

        Args:
            id: The collection, or its id.

        Returns:
            The users and the groups, each with a permission.

        Raises:
            PermissionDeniedError: 403, if the caller may not see that.
            NotFoundError: 404, if there is no such collection.
            UnprocessableEntityError: 422, if the id is not valid.

        Reference: Collection page, GET /collections/{collection_id}/permissions.
        """
    def get_course(self, /, course_id: int | Course | Collection) -> Collection:
        """
        Get the collection of a course in Canvas.

        Args:
            course_id: The course's id in Canvas, or a `Course` or a `Collection` that has one.

        Returns:
            The collection. Its `id` is Studio's id of the collection, its `course_id` that of the course in Canvas.

        Raises:
            PermissionDeniedError: 403, if the caller may not see it.
            NotFoundError: 404, if Studio does not know the course: somebody has to open Studio from the course in Canvas
                once (observed).
            UnprocessableEntityError: 422, if the id is not valid.

        Reference: Courses page, GET /courses/{course_id}.
        """
    async def get_course_async(self, /, course_id: int | Course | Collection) -> Collection:
        """
        Get the collection of a course in Canvas.

        Args:
            course_id: The course's id in Canvas, or a `Course` or a `Collection` that has one.

        Returns:
            The collection. Its `id` is Studio's id of the collection, its `course_id` that of the course in Canvas.

        Raises:
            PermissionDeniedError: 403, if the caller may not see it.
            NotFoundError: 404, if Studio does not know the course: somebody has to open Studio from the course in Canvas
                once (observed).
            UnprocessableEntityError: 422, if the id is not valid.

        Reference: Courses page, GET /courses/{course_id}.
        """
    def get_download_url(self, /, id: int | Media, *, quality: str | None = None) -> str:
        """
        Get the signed URL from which a media can be downloaded for 24 hours. Treat it as a secret.

        Args:
            id: The media, or its id.
            quality: Which version; the best if omitted. The values are not documented.

        Returns:
            The URL. Do not send the access token to it.

        Raises:
            PermissionDeniedError: 403, if the caller is neither the owner nor an administrator.
            NotFoundError: 404, if there is no such media, or not in that quality, or if Studio has not finished
                transcoding it (a guess): see `wait_until_ready`.
            UnprocessableEntityError: 422, if the media is external (YouTube, Vimeo), or Studio does not accept
                `quality`.

        Reference: Media page, GET /media/{media_id}/download.
        """
    async def get_download_url_async(self, /, id: int | Media, *, quality: str | None = None) -> str:
        """
        Get the signed URL from which a media can be downloaded for 24 hours. Treat it as a secret.

        Args:
            id: The media, or its id.
            quality: Which version; the best if omitted. The values are not documented.

        Returns:
            The URL. Do not send the access token to it.

        Raises:
            PermissionDeniedError: 403, if the caller is neither the owner nor an administrator.
            NotFoundError: 404, if there is no such media, or not in that quality, or if Studio has not finished
                transcoding it (a guess): see `wait_until_ready`.
            UnprocessableEntityError: 422, if the media is external (YouTube, Vimeo), or Studio does not accept
                `quality`.

        Reference: Media page, GET /media/{media_id}/download.
        """
    def get_insights_overview(
        self,
        /,
        perspective: str | UUID | Perspective,
        role: Literal["Admin", "Teacher", "Student", "Observer"] | str | None = None,
    ) -> InsightsOverview:
        """
        Get how much a perspective, which is a media in one of its collections, was watched in all.

        Args:
            perspective: The perspective, or its UUID.
            role: Only by people with this role; by everybody if omitted. The words are not documented; those in the type
                hint are expected, and any other is sent.

        Returns:
            The overview: views, minutes, viewers, and views by part of the media.

        Raises:
            PermissionDeniedError: 403, if the caller may not see that.
            NotFoundError: 404, if there is no such perspective.
            UnprocessableEntityError: 422, if something is not valid, such as the role.
            ResponseDecodeError: If the answer is no such table.

        Reference: Insights page, GET /perspectives/{perspective_uuid}/insights/overview.
        """
    async def get_insights_overview_async(
        self,
        /,
        perspective: str | UUID | Perspective,
        role: Literal["Admin", "Teacher", "Student", "Observer"] | str | None = None,
    ) -> InsightsOverview:
        """
        Get how much a perspective, which is a media in one of its collections, was watched in all.

        Args:
            perspective: The perspective, or its UUID.
            role: Only by people with this role; by everybody if omitted. The words are not documented; those in the type
                hint are expected, and any other is sent.

        Returns:
            The overview: views, minutes, viewers, and views by part of the media.

        Raises:
            PermissionDeniedError: 403, if the caller may not see that.
            NotFoundError: 404, if there is no such perspective.
            UnprocessableEntityError: 422, if something is not valid, such as the role.
            ResponseDecodeError: If the answer is no such table.

        Reference: Insights page, GET /perspectives/{perspective_uuid}/insights/overview.
        """
    def get_media(self, /, id: int | Media) -> Media:
        """
        Get a media, with the collection that it is in.

        Args:
            id: The media's id.

        Returns:
            The media.

        Raises:
            PermissionDeniedError: 403, if the caller may not see it.
            NotFoundError: 404, if there is no such media.

        Reference: Media page, GET /media/{media_id}.
        """
    async def get_media_async(self, /, id: int | Media) -> Media:
        """
        Get a media, with the collection that it is in.

        Args:
            id: The media's id.

        Returns:
            The media.

        Raises:
            PermissionDeniedError: 403, if the caller may not see it.
            NotFoundError: 404, if there is no such media.

        Reference: Media page, GET /media/{media_id}.
        """
    def get_media_permissions(self, /, id: int | Media) -> Permissions:
        """
        Get the users and groups with whom a media is shared directly.

        Args:
            id: The media, or its id.

        Returns:
            The users and the groups, each with a permission.

        Raises:
            PermissionDeniedError: 403, if the caller may not see that.
            NotFoundError: 404, if there is no such media.
            UnprocessableEntityError: 422, if the id is not valid.

        Reference: Media page, GET /media/{media_id}/permissions.
        """
    async def get_media_permissions_async(self, /, id: int | Media) -> Permissions:
        """
        Get the users and groups with whom a media is shared directly.

        Args:
            id: The media, or its id.

        Returns:
            The users and the groups, each with a permission.

        Raises:
            PermissionDeniedError: 403, if the caller may not see that.
            NotFoundError: 404, if there is no such media.
            UnprocessableEntityError: 422, if the id is not valid.

        Reference: Media page, GET /media/{media_id}/permissions.
        """
    def get_user(self, /, id: int | Owner | User | GroupUser) -> User:
        """
        Get a user.

        Args:
            id: The Studio user id, or an `Owner` or a `User`.

        Returns:
            The user, with their roles.

        Raises:
            PermissionDeniedError: 403, if the caller may not see them.
            NotFoundError: 404, if there is no such user.
            UnprocessableEntityError: 422, if the id is not valid.

        Reference: User page, GET /users/{user_id}.
        """
    async def get_user_async(self, /, id: int | Owner | User | GroupUser) -> User:
        """
        Get a user.

        Args:
            id: The Studio user id, or an `Owner` or a `User`.

        Returns:
            The user, with their roles.

        Raises:
            PermissionDeniedError: 403, if the caller may not see them.
            NotFoundError: 404, if there is no such user.
            UnprocessableEntityError: 422, if the id is not valid.

        Reference: User page, GET /users/{user_id}.
        """
    def get_user_library(self, /, id: int | Owner | User | GroupUser) -> Collection:
        """
        Get the library of a user: the personal collection, into which their media go by default.

        Args:
            id: The Studio user id, or an `Owner` or a `User`.

        Returns:
            The collection.

        Raises:
            PermissionDeniedError: 403, if the caller may not see it.
            NotFoundError: 404, if there is no such user.
            UnprocessableEntityError: 422, if the id is not valid.

        Reference: User page, GET /users/{user_id}/library.
        """
    async def get_user_library_async(self, /, id: int | Owner | User | GroupUser) -> Collection:
        """
        Get the library of a user: the personal collection, into which their media go by default.

        Args:
            id: The Studio user id, or an `Owner` or a `User`.

        Returns:
            The collection.

        Raises:
            PermissionDeniedError: 403, if the caller may not see it.
            NotFoundError: 404, if there is no such user.
            UnprocessableEntityError: 422, if the id is not valid.

        Reference: User page, GET /users/{user_id}/library.
        """
    def iter_media_bytes(
        self,
        /,
        id: int | Media,
        *,
        quality: str | None = None,
        chunk_size: "int" = 1048576,
        max_bytes: int | None = None,
        sha256: str | None = None,
    ) -> ByteStream:
        """
        Read the file of a media in chunks, without a file on this machine.

        Nothing is sent before the first chunk is wanted. After a broken connection it resumes where it stopped; if the
        signed URL expires, a new one is requested. At most three chunks are in memory.

        Args:
            id: The media, or its id.
            quality: Which version; the best if omitted. The values are not documented.
            chunk_size: How many bytes each chunk has, 1 to 1,073,741,824; only the last one may have fewer.
            max_bytes: The most bytes that the file may have, 1 or more; no limit if omitted.
            sha256: The SHA-256 of the file, as 64 hexadecimal digits. It is checked after the last chunk.

        Returns:
            A `ByteStream`, to be read with `for` or `async for`.

        Raises, while it is read:
            PermissionDeniedError: 403, if the caller is neither the owner nor an administrator.
            NotFoundError: 404, if there is no such media, or not in that quality, or if Studio has not finished
                transcoding it (a guess): see `wait_until_ready`.
            UnprocessableEntityError: 422, if the media is external (YouTube, Vimeo), or Studio does not accept
                `quality`.
            ResponseDecodeError: If the response is not a recording, is larger than `max_bytes`, or has another SHA-256
                than `sha256`.
            APIConnectionError: If the connection breaks for good, or the file changes while it is read.

        Reference: Media page, GET /media/{media_id}/download.
        """
    def list_caption_requests(
        self, /, provider: "str" = "professional", status: "str" = "requested"
    ) -> Listing[CaptionFileRequest]:
        """
        List the requests for captions that a provider has yet to fulfil.

        Args:
            provider: Whose requests. Only `professional` is documented; any other word is sent.
            status: Which requests. Only `requested` is documented; any other word is sent.

        Returns:
            A listing of `CaptionFileRequest`. What is in one is not documented: look into `extra`.

        Raises, while it is read:
            PermissionDeniedError: 403, if the caller may not see them.
            UnprocessableEntityError: 422, if a word is not valid.

        Reference: Professional Captioning page, GET /caption_file_requests.
        """
    def list_captioning_services(self, /) -> Listing[CaptioningServiceType]:
        """
        List the types of captioning services of the account.

        Returns:
            A listing of `CaptioningServiceType`.

        Raises, while it is read:
            PermissionDeniedError: 403, if the caller may not see them.
            NotFoundError: 404, if the account has no active captioning service.

        Reference: Professional Captioning page, GET /captioning_service_types.
        """
    def list_captions(self, /, media_id: int | Media) -> Listing[Caption]:
        """
        List the captions of a media, in every language and status.

        Args:
            media_id: The media, or its id.

        Returns:
            A listing of `Caption`.

        Raises, while it is read:
            PermissionDeniedError: 403, if the caller may not see them.
            NotFoundError: 404, if there is no such media.
            UnprocessableEntityError: 422, if the id is not valid.

        Reference: Captions page, GET /media/{media_id}/caption_files.
        """
    def list_collection_media(
        self, /, id: int | Collection, *, page: "int" = 1, per_page: "int" = 50
    ) -> Listing[Media]:
        """
        List the media in a collection.

        Args:
            id: The collection, or its id.
            page: The page to start at.
            per_page: How many items to request at once, 1 to 50.

        Returns:
            A listing of `Media`.

        Raises, while it is read:
            PermissionDeniedError: 403, if the caller may not see it.
            NotFoundError: 404, if there is no such collection.

        Reference: Collection page, GET /collections/{collection_id}/media.
        """
    def list_collections(self, /, *, page: "int" = 1, per_page: "int" = 50) -> Listing[Collection]:
        """
        List the collections that the caller may see.

        Args:
            page: The page to start at.
            per_page: How many items to request at once, 1 to 50.

        Returns:
            A listing of `Collection`.

        Reference: Collection page, GET /collections.
        """
    def list_course_perspectives(self, /, course_id: int | Course | Collection) -> Listing[Perspective]:
        """
        List the perspectives of a course in Canvas: the media in it, each with the UUID that its insights have.

        Args:
            course_id: The course's id in Canvas, or a `Course` or a `Collection` that has one.

        Returns:
            A listing of `Perspective`.

        Raises, while it is read:
            PermissionDeniedError: 403, if the caller may not see them.
            NotFoundError: 404, if Studio does not know the course: somebody has to open Studio from the course in Canvas
                once (observed).
            UnprocessableEntityError: 422, if the id is not valid.

        Reference: Courses page, GET /courses/{course_id}/perspectives.
        """
    def list_group_users(self, /, group_id: int | Group) -> Listing[GroupUser]:
        """
        List the users of a group.

        Args:
            group_id: The id of the group, or a `Group`. No operation lists groups: take the id from Studio itself, or
                from the permissions of something that is shared with the group.

        Returns:
            A listing of `GroupUser`.

        Raises, while it is read:
            PermissionDeniedError: 403, if the caller is neither an administrator nor a member of the group.
            NotFoundError: 404, if there is no such group.
            UnprocessableEntityError: 422, if the id is not valid.

        Reference: Group page, GET /groups/{group_id}/users.
        """
    def list_insights_users(
        self,
        /,
        perspective: str | UUID | Perspective,
        role: Literal["Admin", "Teacher", "Student", "Observer"] | str | None = None,
    ) -> Listing[InsightsUser]:
        """
        List how much each user watched of a perspective, which is a media in one of its collections.

        Args:
            perspective: The perspective, or its UUID.
            role: Only people with this role; everybody if omitted. The words are not documented; those in the type hint are
                expected, and any other is sent.

        Returns:
            A listing of `InsightsUser`.

        Raises, while it is read:
            PermissionDeniedError: 403, if the caller may not see that.
            NotFoundError: 404, if there is no such perspective.
            UnprocessableEntityError: 422, if something is not valid, such as the role.
            ResponseDecodeError: If the answer is no such table.

        Reference: Insights page, GET /perspectives/{perspective_uuid}/insights/users.
        """
    def list_media_courses(self, /, id: int | Media) -> Listing[Course]:
        """
        List the courses that contain a media.

        Args:
            id: The media, or its id.

        Returns:
            A listing of `Course`.

        Raises, while it is read:
            PermissionDeniedError: 403, if the caller may not see that.
            NotFoundError: 404, if there is no such media.
            UnprocessableEntityError: 422, if the id is not valid.

        Reference: Media page, GET /media/{media_id}/courses.
        """
    def list_media_perspectives(self, /, id: int | Media) -> Listing[Perspective]:
        """
        List the perspectives of a media, which are the places where it appears.

        Args:
            id: The media, or its id.

        Returns:
            A listing of `Perspective`, each with its collection.

        Raises, while it is read:
            PermissionDeniedError: 403, if the caller may not see that.
            NotFoundError: 404, if there is no such media.
            UnprocessableEntityError: 422, if the id is not valid.

        Reference: Media page, GET /media/{media_id}/perspectives.
        """
    def list_media_sources(self, /, id: int | Media) -> Listing[Source]:
        """
        List the files and streams of a media.

        Args:
            id: The media, or its id.

        Returns:
            A listing of `Source`.

        Raises, while it is read:
            PermissionDeniedError: 403, if the caller may not see that.
            NotFoundError: 404, if there is no such media.

        Reference: Media page, GET /media/{media_id}/sources.
        """
    def list_media_users(
        self, /, id: int | Media, *, min_permission: "Literal['access', 'view', 'edit']" = "access"
    ) -> Listing[User]:
        """
        List everyone who has access to a media, directly or not.

        Args:
            id: The media, or its id.
            min_permission: The minimum permission: `access`, `view` or `edit`, each of which includes the previous
                ones.

        Returns:
            A listing of `User`, each with a permission.

        Raises, while it is read:
            PermissionDeniedError: 403, if the caller may not see that.
            NotFoundError: 404, if there is no such media.
            UnprocessableEntityError: 422, if something is not valid.

        Reference: Media page, GET /media/{media_id}/users.
        """
    def list_tags(self, /, media_id: int | Media) -> Listing[Tag]:
        """
        List the tags of a media.

        Args:
            media_id: The media, or its id.

        Returns:
            A listing of `Tag`.

        Raises, while it is read:
            PermissionDeniedError: 403, if the caller may not see them.
            NotFoundError: 404, if there is no such media.

        Reference: Tags page, GET /media/{media_id}/tags.
        """
    def list_user_collections(
        self, /, id: int | Owner | User | GroupUser, *, page: "int" = 1, per_page: "int" = 50
    ) -> Listing[Collection]:
        """
        List the collections that a user has permission to.

        Args:
            id: The Studio user id, or an `Owner` or a `User`.
            page: The first page to read.
            per_page: How many collections to request at once, 1 to 50.

        Returns:
            A listing of `Collection`, each with the permission of this user.

        Raises, while it is read:
            PermissionDeniedError: 403, if the caller may not see that.
            NotFoundError: 404, if there is no such user.
            UnprocessableEntityError: 422, if the id is not valid.

        Reference: User page, GET /users/{user_id}/collections.
        """
    def list_user_media(
        self, /, id: int | Owner | User | GroupUser, *, page: "int" = 1, per_page: "int" = 50
    ) -> Listing[Media]:
        """
        List the media that a user has permission to: what they own, and what is shared with them.

        For what they own, call `search_media(owner=email)`, or compare `media.owner.id`.

        Args:
            id: The Studio user id, or an `Owner` or a `User`.
            page: The first page to read.
            per_page: How many media to request at once, 1 to 50.

        Returns:
            A listing of `Media`, each with the permission of this user.

        Raises, while it is read:
            PermissionDeniedError: 403, if the caller may not see that.
            NotFoundError: 404, if there is no such user.
            UnprocessableEntityError: 422, if the id is not valid.

        Reference: User page, GET /users/{user_id}/media.
        """
    @overload
    def map(
        self,
        /,
        operation: Literal["find_user"],
        items: Iterable[str] | AsyncIterable[str],
        *,
        max_concurrency: int | None = None,
        errors: Literal["raise"] = "raise",
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[User]:
        """
        Make the same call for many items, several at a time, and get the results in the order of the items.

        Nothing is sent before you read it, with `for`, `async for` or `collect()`. If Studio throttles requests, all of
        them wait. A call that Studio refuses to the last retry (429 or 503) is sent again, alone, at most twice, before it
        counts as failed. If you leave the loop early, the calls under way end.

        Args:
            operation: The name of a method that reads, such as `"get_media"` or `"list_media_courses"`. Each list is read
                to its end.
            items: The first argument of each call: ids or objects; tuples of several arguments; or dicts of keyword
                arguments. A collection is checked before anything is sent. From an iterator, a generator or a `Listing`,
                an item is taken when there is room for its call. `async for` also takes async iterables.
            max_concurrency: How many calls may be under way, 1 to 64; the client's own number if omitted.
            errors: `"raise"` raises the error of a call in its place. `"return"` gives the exception in place of the
                result, and goes on.
            consistent: Whether to read each list until two readings in a row agree, as `Listing.with_options` does. Only
                for lists.
            progress: `True` for a bar in a terminal or a notebook (the extra `progress`), or a callable that gets the
                number of results so far and the number of items, `None` if that is unknown.
            arguments: Keyword arguments for all calls.

        Returns:
            A `Map` of the results.

        Raises:
            InvalidArgumentError: If the operation is none that reads, or an item or an argument is invalid.
            TypeError: If an item or an argument has the wrong type.

        Reference: the page of the operation.
        """
    @overload
    def map(
        self,
        /,
        operation: Literal["find_user"],
        items: Iterable[str] | AsyncIterable[str],
        *,
        max_concurrency: int | None = None,
        errors: Literal["return"],
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[User | StudioError]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["get_caption_text"],
        items: Iterable[int | Caption] | AsyncIterable[int | Caption],
        *,
        max_concurrency: int | None = None,
        errors: Literal["raise"] = "raise",
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[str]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["get_caption_text"],
        items: Iterable[int | Caption] | AsyncIterable[int | Caption],
        *,
        max_concurrency: int | None = None,
        errors: Literal["return"],
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[str | StudioError]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["get_collection"],
        items: Iterable[int | Collection] | AsyncIterable[int | Collection],
        *,
        max_concurrency: int | None = None,
        errors: Literal["raise"] = "raise",
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[Collection]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["get_collection"],
        items: Iterable[int | Collection] | AsyncIterable[int | Collection],
        *,
        max_concurrency: int | None = None,
        errors: Literal["return"],
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[Collection | StudioError]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["get_collection_permissions"],
        items: Iterable[int | Collection] | AsyncIterable[int | Collection],
        *,
        max_concurrency: int | None = None,
        errors: Literal["raise"] = "raise",
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[Permissions]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["get_collection_permissions"],
        items: Iterable[int | Collection] | AsyncIterable[int | Collection],
        *,
        max_concurrency: int | None = None,
        errors: Literal["return"],
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[Permissions | StudioError]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["get_course"],
        items: Iterable[int | Course | Collection] | AsyncIterable[int | Course | Collection],
        *,
        max_concurrency: int | None = None,
        errors: Literal["raise"] = "raise",
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[Collection]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["get_course"],
        items: Iterable[int | Course | Collection] | AsyncIterable[int | Course | Collection],
        *,
        max_concurrency: int | None = None,
        errors: Literal["return"],
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[Collection | StudioError]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["get_download_url"],
        items: Iterable[int | Media] | AsyncIterable[int | Media],
        *,
        max_concurrency: int | None = None,
        errors: Literal["raise"] = "raise",
        progress: bool | Callable[[int, int | None], object] | None = None,
        quality: str | None = None,
    ) -> Map[str]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["get_download_url"],
        items: Iterable[int | Media] | AsyncIterable[int | Media],
        *,
        max_concurrency: int | None = None,
        errors: Literal["return"],
        progress: bool | Callable[[int, int | None], object] | None = None,
        quality: str | None = None,
    ) -> Map[str | StudioError]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["get_insights_overview"],
        items: Iterable[
            str
            | UUID
            | Perspective
            | tuple[str | UUID | Perspective, Literal["Admin", "Teacher", "Student", "Observer"] | str | None]
        ]
        | AsyncIterable[
            str
            | UUID
            | Perspective
            | tuple[str | UUID | Perspective, Literal["Admin", "Teacher", "Student", "Observer"] | str | None]
        ],
        *,
        max_concurrency: int | None = None,
        errors: Literal["raise"] = "raise",
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[InsightsOverview]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["get_insights_overview"],
        items: Iterable[
            str
            | UUID
            | Perspective
            | tuple[str | UUID | Perspective, Literal["Admin", "Teacher", "Student", "Observer"] | str | None]
        ]
        | AsyncIterable[
            str
            | UUID
            | Perspective
            | tuple[str | UUID | Perspective, Literal["Admin", "Teacher", "Student", "Observer"] | str | None]
        ],
        *,
        max_concurrency: int | None = None,
        errors: Literal["return"],
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[InsightsOverview | StudioError]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["get_media"],
        items: Iterable[int | Media] | AsyncIterable[int | Media],
        *,
        max_concurrency: int | None = None,
        errors: Literal["raise"] = "raise",
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[Media]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["get_media"],
        items: Iterable[int | Media] | AsyncIterable[int | Media],
        *,
        max_concurrency: int | None = None,
        errors: Literal["return"],
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[Media | StudioError]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["get_media_permissions"],
        items: Iterable[int | Media] | AsyncIterable[int | Media],
        *,
        max_concurrency: int | None = None,
        errors: Literal["raise"] = "raise",
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[Permissions]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["get_media_permissions"],
        items: Iterable[int | Media] | AsyncIterable[int | Media],
        *,
        max_concurrency: int | None = None,
        errors: Literal["return"],
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[Permissions | StudioError]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["get_user"],
        items: Iterable[int | Owner | User | GroupUser] | AsyncIterable[int | Owner | User | GroupUser],
        *,
        max_concurrency: int | None = None,
        errors: Literal["raise"] = "raise",
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[User]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["get_user"],
        items: Iterable[int | Owner | User | GroupUser] | AsyncIterable[int | Owner | User | GroupUser],
        *,
        max_concurrency: int | None = None,
        errors: Literal["return"],
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[User | StudioError]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["get_user_library"],
        items: Iterable[int | Owner | User | GroupUser] | AsyncIterable[int | Owner | User | GroupUser],
        *,
        max_concurrency: int | None = None,
        errors: Literal["raise"] = "raise",
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[Collection]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["get_user_library"],
        items: Iterable[int | Owner | User | GroupUser] | AsyncIterable[int | Owner | User | GroupUser],
        *,
        max_concurrency: int | None = None,
        errors: Literal["return"],
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[Collection | StudioError]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_caption_requests"],
        items: Iterable["str" | tuple["str", "str"]] | AsyncIterable["str" | tuple["str", "str"]],
        *,
        max_concurrency: int | None = None,
        errors: Literal["raise"] = "raise",
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[list[CaptionFileRequest]]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_caption_requests"],
        items: Iterable["str" | tuple["str", "str"]] | AsyncIterable["str" | tuple["str", "str"]],
        *,
        max_concurrency: int | None = None,
        errors: Literal["return"],
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[list[CaptionFileRequest] | StudioError]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_captioning_services"],
        items: Iterable[dict[str, Any]] | AsyncIterable[dict[str, Any]],
        *,
        max_concurrency: int | None = None,
        errors: Literal["raise"] = "raise",
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[list[CaptioningServiceType]]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_captioning_services"],
        items: Iterable[dict[str, Any]] | AsyncIterable[dict[str, Any]],
        *,
        max_concurrency: int | None = None,
        errors: Literal["return"],
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[list[CaptioningServiceType] | StudioError]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_captions"],
        items: Iterable[int | Media] | AsyncIterable[int | Media],
        *,
        max_concurrency: int | None = None,
        errors: Literal["raise"] = "raise",
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[list[Caption]]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_captions"],
        items: Iterable[int | Media] | AsyncIterable[int | Media],
        *,
        max_concurrency: int | None = None,
        errors: Literal["return"],
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[list[Caption] | StudioError]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_collection_media"],
        items: Iterable[int | Collection] | AsyncIterable[int | Collection],
        *,
        max_concurrency: int | None = None,
        errors: Literal["raise"] = "raise",
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
        page: "int" = 1,
        per_page: "int" = 50,
    ) -> Map[list[Media]]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_collection_media"],
        items: Iterable[int | Collection] | AsyncIterable[int | Collection],
        *,
        max_concurrency: int | None = None,
        errors: Literal["return"],
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
        page: "int" = 1,
        per_page: "int" = 50,
    ) -> Map[list[Media] | StudioError]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_collections"],
        items: Iterable[dict[str, Any]] | AsyncIterable[dict[str, Any]],
        *,
        max_concurrency: int | None = None,
        errors: Literal["raise"] = "raise",
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
        page: "int" = 1,
        per_page: "int" = 50,
    ) -> Map[list[Collection]]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_collections"],
        items: Iterable[dict[str, Any]] | AsyncIterable[dict[str, Any]],
        *,
        max_concurrency: int | None = None,
        errors: Literal["return"],
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
        page: "int" = 1,
        per_page: "int" = 50,
    ) -> Map[list[Collection] | StudioError]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_course_perspectives"],
        items: Iterable[int | Course | Collection] | AsyncIterable[int | Course | Collection],
        *,
        max_concurrency: int | None = None,
        errors: Literal["raise"] = "raise",
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[list[Perspective]]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_course_perspectives"],
        items: Iterable[int | Course | Collection] | AsyncIterable[int | Course | Collection],
        *,
        max_concurrency: int | None = None,
        errors: Literal["return"],
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[list[Perspective] | StudioError]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_group_users"],
        items: Iterable[int | Group] | AsyncIterable[int | Group],
        *,
        max_concurrency: int | None = None,
        errors: Literal["raise"] = "raise",
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[list[GroupUser]]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_group_users"],
        items: Iterable[int | Group] | AsyncIterable[int | Group],
        *,
        max_concurrency: int | None = None,
        errors: Literal["return"],
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[list[GroupUser] | StudioError]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_insights_users"],
        items: Iterable[
            str
            | UUID
            | Perspective
            | tuple[str | UUID | Perspective, Literal["Admin", "Teacher", "Student", "Observer"] | str | None]
        ]
        | AsyncIterable[
            str
            | UUID
            | Perspective
            | tuple[str | UUID | Perspective, Literal["Admin", "Teacher", "Student", "Observer"] | str | None]
        ],
        *,
        max_concurrency: int | None = None,
        errors: Literal["raise"] = "raise",
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[list[InsightsUser]]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_insights_users"],
        items: Iterable[
            str
            | UUID
            | Perspective
            | tuple[str | UUID | Perspective, Literal["Admin", "Teacher", "Student", "Observer"] | str | None]
        ]
        | AsyncIterable[
            str
            | UUID
            | Perspective
            | tuple[str | UUID | Perspective, Literal["Admin", "Teacher", "Student", "Observer"] | str | None]
        ],
        *,
        max_concurrency: int | None = None,
        errors: Literal["return"],
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[list[InsightsUser] | StudioError]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_media_courses"],
        items: Iterable[int | Media] | AsyncIterable[int | Media],
        *,
        max_concurrency: int | None = None,
        errors: Literal["raise"] = "raise",
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[list[Course]]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_media_courses"],
        items: Iterable[int | Media] | AsyncIterable[int | Media],
        *,
        max_concurrency: int | None = None,
        errors: Literal["return"],
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[list[Course] | StudioError]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_media_perspectives"],
        items: Iterable[int | Media] | AsyncIterable[int | Media],
        *,
        max_concurrency: int | None = None,
        errors: Literal["raise"] = "raise",
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[list[Perspective]]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_media_perspectives"],
        items: Iterable[int | Media] | AsyncIterable[int | Media],
        *,
        max_concurrency: int | None = None,
        errors: Literal["return"],
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[list[Perspective] | StudioError]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_media_sources"],
        items: Iterable[int | Media] | AsyncIterable[int | Media],
        *,
        max_concurrency: int | None = None,
        errors: Literal["raise"] = "raise",
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[list[Source]]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_media_sources"],
        items: Iterable[int | Media] | AsyncIterable[int | Media],
        *,
        max_concurrency: int | None = None,
        errors: Literal["return"],
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[list[Source] | StudioError]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_media_users"],
        items: Iterable[int | Media] | AsyncIterable[int | Media],
        *,
        max_concurrency: int | None = None,
        errors: Literal["raise"] = "raise",
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
        min_permission: "Literal['access', 'view', 'edit']" = "access",
    ) -> Map[list[User]]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_media_users"],
        items: Iterable[int | Media] | AsyncIterable[int | Media],
        *,
        max_concurrency: int | None = None,
        errors: Literal["return"],
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
        min_permission: "Literal['access', 'view', 'edit']" = "access",
    ) -> Map[list[User] | StudioError]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_tags"],
        items: Iterable[int | Media] | AsyncIterable[int | Media],
        *,
        max_concurrency: int | None = None,
        errors: Literal["raise"] = "raise",
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[list[Tag]]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_tags"],
        items: Iterable[int | Media] | AsyncIterable[int | Media],
        *,
        max_concurrency: int | None = None,
        errors: Literal["return"],
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Map[list[Tag] | StudioError]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_user_collections"],
        items: Iterable[int | Owner | User | GroupUser] | AsyncIterable[int | Owner | User | GroupUser],
        *,
        max_concurrency: int | None = None,
        errors: Literal["raise"] = "raise",
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
        page: "int" = 1,
        per_page: "int" = 50,
    ) -> Map[list[Collection]]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_user_collections"],
        items: Iterable[int | Owner | User | GroupUser] | AsyncIterable[int | Owner | User | GroupUser],
        *,
        max_concurrency: int | None = None,
        errors: Literal["return"],
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
        page: "int" = 1,
        per_page: "int" = 50,
    ) -> Map[list[Collection] | StudioError]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_user_media"],
        items: Iterable[int | Owner | User | GroupUser] | AsyncIterable[int | Owner | User | GroupUser],
        *,
        max_concurrency: int | None = None,
        errors: Literal["raise"] = "raise",
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
        page: "int" = 1,
        per_page: "int" = 50,
    ) -> Map[list[Media]]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["list_user_media"],
        items: Iterable[int | Owner | User | GroupUser] | AsyncIterable[int | Owner | User | GroupUser],
        *,
        max_concurrency: int | None = None,
        errors: Literal["return"],
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
        page: "int" = 1,
        per_page: "int" = 50,
    ) -> Map[list[Media] | StudioError]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["paginate"],
        items: Iterable[str] | AsyncIterable[str],
        *,
        max_concurrency: int | None = None,
        errors: Literal["raise"] = "raise",
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
        key: str,
        params: Mapping[str, Any] | None = None,
        page: "int" = 1,
        per_page: "int" = 50,
    ) -> Map[list[dict[str, Any]]]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["paginate"],
        items: Iterable[str] | AsyncIterable[str],
        *,
        max_concurrency: int | None = None,
        errors: Literal["return"],
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
        key: str,
        params: Mapping[str, Any] | None = None,
        page: "int" = 1,
        per_page: "int" = 50,
    ) -> Map[list[dict[str, Any]] | StudioError]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["search_media"],
        items: Iterable[dict[str, Any]] | AsyncIterable[dict[str, Any]],
        *,
        max_concurrency: int | None = None,
        errors: Literal["raise"] = "raise",
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
        title: str | None = None,
        min_size: int | None = None,
        max_size: int | None = None,
        start_date: date | str | None = None,
        end_date: date | str | None = None,
        last_viewed_start_date: date | str | None = None,
        last_viewed_end_date: date | str | None = None,
        last_viewed_by_student_start_date: date | str | None = None,
        last_viewed_by_student_end_date: date | str | None = None,
        owner: str | None = None,
        tag: str | None = None,
        source: str | None = None,
        page: "int" = 1,
        per_page: "int" = 50,
    ) -> Map[list[Media]]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["search_media"],
        items: Iterable[dict[str, Any]] | AsyncIterable[dict[str, Any]],
        *,
        max_concurrency: int | None = None,
        errors: Literal["return"],
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
        title: str | None = None,
        min_size: int | None = None,
        max_size: int | None = None,
        start_date: date | str | None = None,
        end_date: date | str | None = None,
        last_viewed_start_date: date | str | None = None,
        last_viewed_end_date: date | str | None = None,
        last_viewed_by_student_start_date: date | str | None = None,
        last_viewed_by_student_end_date: date | str | None = None,
        owner: str | None = None,
        tag: str | None = None,
        source: str | None = None,
        page: "int" = 1,
        per_page: "int" = 50,
    ) -> Map[list[Media] | StudioError]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["search_users"],
        items: Iterable[dict[str, Any]] | AsyncIterable[dict[str, Any]],
        *,
        max_concurrency: int | None = None,
        errors: Literal["raise"] = "raise",
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
        email: str | None = None,
        role: Literal["Admin", "Teacher", "Student", "Observer"] | str | None = None,
        page: "int" = 1,
        per_page: "int" = 50,
    ) -> Map[list[User]]: ...
    @overload
    def map(
        self,
        /,
        operation: Literal["search_users"],
        items: Iterable[dict[str, Any]] | AsyncIterable[dict[str, Any]],
        *,
        max_concurrency: int | None = None,
        errors: Literal["return"],
        consistent: bool = False,
        progress: bool | Callable[[int, int | None], object] | None = None,
        email: str | None = None,
        role: Literal["Admin", "Teacher", "Student", "Observer"] | str | None = None,
        page: "int" = 1,
        per_page: "int" = 50,
    ) -> Map[list[User] | StudioError]: ...
    def paginate(
        self, /, path: str, *, key: str, params: Mapping[str, Any] | None = None, page: "int" = 1, per_page: "int" = 50
    ) -> Listing[dict[str, Any]]:
        """
        Read any list of Studio's API, like every other list.

        Args:
            path: The part after `/api/public/v1`, such as `"/users/7/media"`.
            key: The key of the items in the answer, such as `"media"`.
            params: The query: strings, numbers, bools, dates, UUIDs, or lists of them; `None` is left out.
            page: The page to start at.
            per_page: How many items to request at once, 1 to 50.

        Returns:
            A listing of dicts.

        Reference: every page with `page` and `per_page`.
        """
    def ping(self, /) -> bool:
        """
        Check that Studio's API answers, and takes the token.

        Returns:
            `True`. Whatever else happens is an error.

        Raises:
            AuthenticationError: 401, if the token is missing or not valid.
            APIConnectionError: If there is no connection.
            APITimeoutError: If there is no answer in time.
            ResponseDecodeError: If something else answers, such as the page of a proxy: its body is not `pong`.

        Reference: Ping page, GET /ping.
        """
    async def ping_async(self, /) -> bool:
        """
        Check that Studio's API answers, and takes the token.

        Returns:
            `True`. Whatever else happens is an error.

        Raises:
            AuthenticationError: 401, if the token is missing or not valid.
            APIConnectionError: If there is no connection.
            APITimeoutError: If there is no answer in time.
            ResponseDecodeError: If something else answers, such as the page of a proxy: its body is not `pong`.

        Reference: Ping page, GET /ping.
        """
    def put_captioning_service(
        self,
        /,
        key: str | CaptioningServiceType,
        *,
        label: str,
        description: str,
        is_asr: bool,
        languages: Iterable[str] | None = None,
    ) -> CaptioningServiceType | None:
        """
        Insert or update the type of a captioning service.

        Args:
            key: Its name for machines, which comes with requests for captions, or the `CaptioningServiceType` that has it.
            label: Its name for people.
            description: What it is.
            is_asr: Whether a machine makes the captions (automatic speech recognition).
            languages: The languages that it is for, as tags such as `en` or `pt-BR`.

        Returns:
            The type, or `None` if Studio's answer holds none (its body is not documented).

        Raises:
            InvalidArgumentError: If a text is empty, or a language is no tag of one.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if the account has no active captioning service.

        Reference: Professional Captioning page, PUT /captioning_service_types/{key}.
        """
    async def put_captioning_service_async(
        self,
        /,
        key: str | CaptioningServiceType,
        *,
        label: str,
        description: str,
        is_asr: bool,
        languages: Iterable[str] | None = None,
    ) -> CaptioningServiceType | None:
        """
        Insert or update the type of a captioning service.

        Args:
            key: Its name for machines, which comes with requests for captions, or the `CaptioningServiceType` that has it.
            label: Its name for people.
            description: What it is.
            is_asr: Whether a machine makes the captions (automatic speech recognition).
            languages: The languages that it is for, as tags such as `en` or `pt-BR`.

        Returns:
            The type, or `None` if Studio's answer holds none (its body is not documented).

        Raises:
            InvalidArgumentError: If a text is empty, or a language is no tag of one.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if the account has no active captioning service.

        Reference: Professional Captioning page, PUT /captioning_service_types/{key}.
        """
    def remove_tag(self, /, media_id: int | Media, tag: int | Tag) -> None:
        """
        Remove a tag from a media.

        Args:
            media_id: The media, or its id.
            tag: The tag, or its id.

        Returns:
            Nothing.

        Raises:
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such media, or it does not have this tag.

        Reference: Tags page, DELETE /media/{media_id}/tags/{tag_id}.
        """
    async def remove_tag_async(self, /, media_id: int | Media, tag: int | Tag) -> None:
        """
        Remove a tag from a media.

        Args:
            media_id: The media, or its id.
            tag: The tag, or its id.

        Returns:
            Nothing.

        Raises:
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such media, or it does not have this tag.

        Reference: Tags page, DELETE /media/{media_id}/tags/{tag_id}.
        """
    def request(
        self,
        /,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any | None = None,
        data: Mapping[str, Any] | None = None,
        files: Mapping[str, Any] | None = None,
        content: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        raw: "bool" = False,
    ) -> Any:
        """
        Send any request to Studio's API, with the same token, retries and errors as every other request.

        Args:
            method: `GET`, `POST`, `PUT`, `PATCH` or `DELETE`. Only a `GET` is retried if it may have been processed.
            path: The part after `/api/public/v1`, such as `"/users/7"`.
            params: The query: strings, numbers, bools, dates, UUIDs, or lists of them; `None` is left out.
            json: The body, as JSON.
            data: Fields, with values as in `params`: a form, or with `files` the fields of a multipart body.
            files: Files of a multipart body, each under the name of its field: a path; `(name, path or bytes)`;
                `(name, path or bytes, media type)`; or a list of them. A path is opened anew for each attempt and
                streamed. An open binary file is read into memory.
            content: The body as it is: bytes, or a str in UTF-8.
            headers: More headers, such as `{"Accept": "text/csv"}`.
            raw: Whether to return a `Response`, whatever the status. Such an answer is never retried, and its body is not
                parsed; only a request without an answer raises.

        Returns:
            The parsed JSON; a `str` if the answer is text, such as CSV; `bytes` if it is neither; `None` if it is empty.
            With `raw`, a `Response`.

        Raises:
            InvalidArgumentError: If the request would leave Studio's API, or the arguments do not go together.
            FileChangedError: If a file changes while it is sent.
            OSError: If a file cannot be read.
            APIStatusError: If Studio answers with an error status.
            ResponseDecodeError: If the answer is none of these, or longer than 16 MiB.

        Reference: every page.
        """
    async def request_async(
        self,
        /,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any | None = None,
        data: Mapping[str, Any] | None = None,
        files: Mapping[str, Any] | None = None,
        content: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        raw: "bool" = False,
    ) -> Any:
        """
        Send any request to Studio's API, with the same token, retries and errors as every other request.

        Args:
            method: `GET`, `POST`, `PUT`, `PATCH` or `DELETE`. Only a `GET` is retried if it may have been processed.
            path: The part after `/api/public/v1`, such as `"/users/7"`.
            params: The query: strings, numbers, bools, dates, UUIDs, or lists of them; `None` is left out.
            json: The body, as JSON.
            data: Fields, with values as in `params`: a form, or with `files` the fields of a multipart body.
            files: Files of a multipart body, each under the name of its field: a path; `(name, path or bytes)`;
                `(name, path or bytes, media type)`; or a list of them. A path is opened anew for each attempt and
                streamed. An open binary file is read into memory.
            content: The body as it is: bytes, or a str in UTF-8.
            headers: More headers, such as `{"Accept": "text/csv"}`.
            raw: Whether to return a `Response`, whatever the status. Such an answer is never retried, and its body is not
                parsed; only a request without an answer raises.

        Returns:
            The parsed JSON; a `str` if the answer is text, such as CSV; `bytes` if it is neither; `None` if it is empty.
            With `raw`, a `Response`.

        Raises:
            InvalidArgumentError: If the request would leave Studio's API, or the arguments do not go together.
            FileChangedError: If a file changes while it is sent.
            OSError: If a file cannot be read.
            APIStatusError: If Studio answers with an error status.
            ResponseDecodeError: If the answer is none of these, or longer than 16 MiB.

        Reference: every page.
        """
    def resume(self, /, checkpoint: Checkpoint) -> Listing[Any]:
        """
        Continue a list at a checkpoint, perhaps in another process.

        Args:
            checkpoint: A checkpoint from `Listing.checkpoint`.

        Returns:
            A listing of the items that were not yielded yet. If items vanished or appeared meanwhile, the list is read
            again, as it is within one process.

        Raises:
            InvalidArgumentError: If the checkpoint belongs to another school.

        Reference: the page of the list.
        """
    def search_media(
        self,
        /,
        *,
        title: str | None = None,
        min_size: int | None = None,
        max_size: int | None = None,
        start_date: date | str | None = None,
        end_date: date | str | None = None,
        last_viewed_start_date: date | str | None = None,
        last_viewed_end_date: date | str | None = None,
        last_viewed_by_student_start_date: date | str | None = None,
        last_viewed_by_student_end_date: date | str | None = None,
        owner: str | None = None,
        tag: str | None = None,
        source: str | None = None,
        page: "int" = 1,
        per_page: "int" = 50,
    ) -> Listing[Media]:
        """
        Search for media. Filters are combined with AND; without any, all media that the caller may see are found.

        Args:
            title: A part of the title.
            min_size: The minimum size, in bytes.
            max_size: The maximum size, in bytes.
            start_date: The first day of creation, as a date or as `"YYYY-MM-DD"`.
            end_date: The last day of creation.
            last_viewed_start_date: The first day of the last view.
            last_viewed_end_date: The last day of the last view.
            last_viewed_by_student_start_date: The first day of the last view by a student.
            last_viewed_by_student_end_date: The last day of the last view by a student.
            owner: The e-mail address of the owner. Owners without one cannot be found this way.
            tag: The full name of a tag.
            source: The source of the media. The values are not documented.
            page: The page to start at.
            per_page: How many items to request at once, 1 to 50.

        Returns:
            A listing of `Media`.

        Raises, while it is read:
            UnprocessableEntityError: 422, if something is not valid.

        Reference: Media page, GET /media/search.
        """
    def search_users(
        self,
        /,
        *,
        email: str | None = None,
        role: Literal["Admin", "Teacher", "Student", "Observer"] | str | None = None,
        page: "int" = 1,
        per_page: "int" = 50,
    ) -> Listing[User]:
        """
        Search users by e-mail address, by role, or by both. Give at least one of them.

        Args:
            email: The e-mail address, or the Canvas login id if Studio holds that in its place. Whether a part of it is
                enough is unknown; `find_user` finds one exact person.
            role: The role. The words are not documented; those in the type hint are expected, and any other is sent.
            page: The first page to read.
            per_page: How many users to request at once, 1 to 50.

        Returns:
            A listing of `User`, each with their roles. Only people who have opened Studio are found.

        Raises, while it is read:
            BadRequestError: 400, if Studio misses a parameter.
            PermissionDeniedError: 403, if the caller may not search users.
            UnprocessableEntityError: 422, if something is not valid, such as the role.

        Reference: User page, GET /users/search.
        """
    def send_upload(
        self,
        /,
        slot: UploadSlot,
        path: str | PathLike[str],
        *,
        progress: bool | Callable[[int, int | None], object] | None = None,
        check: "bool" = True,
    ) -> None:
        """
        Send a file to an upload that was created: the second step.

        Args:
            slot: What `create_upload` returned.
            path: The file. It is streamed; if a connection breaks, it is sent again from its first byte.
            progress: As for `upload_media`.
            check: As for `upload_media`.

        Returns:
            Nothing.

        Raises:
            InvalidArgumentError: If the file is empty or too large. No request was sent.
            APIStatusError: If the storage host rejects the file, as when the signed URL has expired (403).
            FileChangedError: If the file changed while it was sent.
            OSError: If the file cannot be read.

        Reference: Media Upload page, a PUT to the storage host.
        """
    async def send_upload_async(
        self,
        /,
        slot: UploadSlot,
        path: str | PathLike[str],
        *,
        progress: bool | Callable[[int, int | None], object] | None = None,
        check: "bool" = True,
    ) -> None:
        """
        Send a file to an upload that was created: the second step.

        Args:
            slot: What `create_upload` returned.
            path: The file. It is streamed; if a connection breaks, it is sent again from its first byte.
            progress: As for `upload_media`.
            check: As for `upload_media`.

        Returns:
            Nothing.

        Raises:
            InvalidArgumentError: If the file is empty or too large. No request was sent.
            APIStatusError: If the storage host rejects the file, as when the signed URL has expired (403).
            FileChangedError: If the file changed while it was sent.
            OSError: If the file cannot be read.

        Reference: Media Upload page, a PUT to the storage host.
        """
    def set_collection_permissions(
        self, /, id: int | Collection, permissions: Mapping[Any, str | None], *, keep_others: "bool" = True
    ) -> Permissions:
        """
        Set the levels of several users and groups. The permissions are read, and only what differs is sent, in one request.

        Call it as often as you like. The owner stays the owner. The level `access`, which comes from courses and collections,
        is raised if you name its user or group, and never taken away.

        Args:
            id: The collection, or its id.
            permissions: A dict from users and groups (an id of a user, an `Owner`, `User` or `Group`) to `view`, `edit`, or
                `None` to stop sharing with them.
            keep_others: Whether everybody else keeps what they have. If `False`, it is no longer shared with them.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            InvalidArgumentError: If somebody is named twice, or a level is another word. No request was sent.
            BadRequestError: 400, if Studio refuses, and a change is still to be made. The others of the same call may have
                been made.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such collection.
            APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and a change
                is not made so far. Call it again.

        Reference: Collection page, /collections/{collection_id}/permissions: GET, then POST.
        """
    async def set_collection_permissions_async(
        self, /, id: int | Collection, permissions: Mapping[Any, str | None], *, keep_others: "bool" = True
    ) -> Permissions:
        """
        Set the levels of several users and groups. The permissions are read, and only what differs is sent, in one request.

        Call it as often as you like. The owner stays the owner. The level `access`, which comes from courses and collections,
        is raised if you name its user or group, and never taken away.

        Args:
            id: The collection, or its id.
            permissions: A dict from users and groups (an id of a user, an `Owner`, `User` or `Group`) to `view`, `edit`, or
                `None` to stop sharing with them.
            keep_others: Whether everybody else keeps what they have. If `False`, it is no longer shared with them.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            InvalidArgumentError: If somebody is named twice, or a level is another word. No request was sent.
            BadRequestError: 400, if Studio refuses, and a change is still to be made. The others of the same call may have
                been made.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such collection.
            APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and a change
                is not made so far. Call it again.

        Reference: Collection page, /collections/{collection_id}/permissions: GET, then POST.
        """
    def set_media_permissions(
        self, /, id: int | Media, permissions: Mapping[Any, str | None], *, keep_others: "bool" = True
    ) -> Permissions:
        """
        Set the levels of several users and groups. The permissions are read, and only what differs is sent, in one request.

        Call it as often as you like. The owner stays the owner. The level `access`, which comes from courses and collections,
        is raised if you name its user or group, and never taken away.

        Args:
            id: The media, or its id.
            permissions: A dict from users and groups (an id of a user, an `Owner`, `User` or `Group`) to `view`, `edit`, or
                `None` to stop sharing with them.
            keep_others: Whether everybody else keeps what they have. If `False`, it is no longer shared with them.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            InvalidArgumentError: If somebody is named twice, or a level is another word. No request was sent.
            BadRequestError: 400, if Studio refuses, and a change is still to be made. The others of the same call may have
                been made.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such media.
            APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and a change
                is not made so far. Call it again.

        Reference: Media page, /media/{media_id}/permissions: GET, then POST (observed).
        """
    async def set_media_permissions_async(
        self, /, id: int | Media, permissions: Mapping[Any, str | None], *, keep_others: "bool" = True
    ) -> Permissions:
        """
        Set the levels of several users and groups. The permissions are read, and only what differs is sent, in one request.

        Call it as often as you like. The owner stays the owner. The level `access`, which comes from courses and collections,
        is raised if you name its user or group, and never taken away.

        Args:
            id: The media, or its id.
            permissions: A dict from users and groups (an id of a user, an `Owner`, `User` or `Group`) to `view`, `edit`, or
                `None` to stop sharing with them.
            keep_others: Whether everybody else keeps what they have. If `False`, it is no longer shared with them.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            InvalidArgumentError: If somebody is named twice, or a level is another word. No request was sent.
            BadRequestError: 400, if Studio refuses, and a change is still to be made. The others of the same call may have
                been made.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such media.
            APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and a change
                is not made so far. Call it again.

        Reference: Media page, /media/{media_id}/permissions: GET, then POST (observed).
        """
    def share_collection(
        self,
        /,
        id: int | Collection,
        who: int | Owner | User | GroupUser | Group,
        level: "Literal['view', 'edit']" = "view",
    ) -> Permissions:
        """
        Share a collection with a user or a group. If they have another level, it is changed to this one.

        Call it as often as you like: the permissions are read first, and nothing is sent if they have the level. The owner
        stays the owner.

        Args:
            id: The collection, or its id.
            who: The Studio user (an id, an `Owner` or a `User`), or a `Group`. For a group's id, pass `Group(id)`.
            level: `view` or `edit`.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if Studio refuses, and the level is still missing: there is no such user or group, say.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such collection.
            APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and the level
                is missing so far. Call it again.

        Reference: Collection page, /collections/{collection_id}/permissions: GET, then POST.
        """
    async def share_collection_async(
        self,
        /,
        id: int | Collection,
        who: int | Owner | User | GroupUser | Group,
        level: "Literal['view', 'edit']" = "view",
    ) -> Permissions:
        """
        Share a collection with a user or a group. If they have another level, it is changed to this one.

        Call it as often as you like: the permissions are read first, and nothing is sent if they have the level. The owner
        stays the owner.

        Args:
            id: The collection, or its id.
            who: The Studio user (an id, an `Owner` or a `User`), or a `Group`. For a group's id, pass `Group(id)`.
            level: `view` or `edit`.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if Studio refuses, and the level is still missing: there is no such user or group, say.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such collection.
            APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and the level
                is missing so far. Call it again.

        Reference: Collection page, /collections/{collection_id}/permissions: GET, then POST.
        """
    def share_media(
        self, /, id: int | Media, who: int | Owner | User | GroupUser | Group, level: "Literal['view', 'edit']" = "view"
    ) -> Permissions:
        """
        Share a media with a user or a group. If they have another level, it is changed to this one.

        Call it as often as you like: the permissions are read first, and nothing is sent if they have the level. The owner
        stays the owner.

        Args:
            id: The media, or its id.
            who: The Studio user (an id, an `Owner` or a `User`), or a `Group`. For a group's id, pass `Group(id)`.
            level: `view` or `edit`.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if Studio refuses, and the level is still missing: there is no such user or group, say.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such media.
            APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and the level
                is missing so far. Call it again.

        Reference: Media page, /media/{media_id}/permissions: GET, then POST (observed).
        """
    async def share_media_async(
        self, /, id: int | Media, who: int | Owner | User | GroupUser | Group, level: "Literal['view', 'edit']" = "view"
    ) -> Permissions:
        """
        Share a media with a user or a group. If they have another level, it is changed to this one.

        Call it as often as you like: the permissions are read first, and nothing is sent if they have the level. The owner
        stays the owner.

        Args:
            id: The media, or its id.
            who: The Studio user (an id, an `Owner` or a `User`), or a `Group`. For a group's id, pass `Group(id)`.
            level: `view` or `edit`.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if Studio refuses, and the level is still missing: there is no such user or group, say.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such media.
            APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and the level
                is missing so far. Call it again.

        Reference: Media page, /media/{media_id}/permissions: GET, then POST (observed).
        """
    def transfer_media(
        self, /, from_user: int | Owner | User | GroupUser, to_user: int | Owner | User | GroupUser, *, expect: int
    ) -> MediaTransfer:
        """
        Give all media of a user that are not shared to another user.

        Studio moves every unshared media at once, with its perspectives in the library and in custom collections, and only
        a transfer in the other direction brings them back, with all else that the other user has. So say how many you
        expect. They are counted first; if there are more or fewer, nothing is transferred.

        What counts is a media whose owner is `from_user` and that is shared with nobody directly. Whether Studio also
        calls a media shared that is only in a shared collection or in a course is unknown: it moves that many at most.
        The count takes a request for each media of the user.

        Args:
            from_user: Who has the media: the Studio user id, or a user as an object.
            to_user: Who gets them; likewise.
            expect: How many unshared media `from_user` has.

        Returns:
            What was not transferred.

        Raises:
            MediaCountError: If they are not as many as expected. Nothing was transferred.
            InvalidArgumentError: If both users are the same, or `expect` is no number of media.
            BadRequestError: 400, if Studio does not know the users.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no `from_user`, whose media are listed first.
            UnprocessableEntityError: 422, if an id is not valid.

        Reference: Transfer Media page, POST /transfer_media.
        """
    async def transfer_media_async(
        self, /, from_user: int | Owner | User | GroupUser, to_user: int | Owner | User | GroupUser, *, expect: int
    ) -> MediaTransfer:
        """
        Give all media of a user that are not shared to another user.

        Studio moves every unshared media at once, with its perspectives in the library and in custom collections, and only
        a transfer in the other direction brings them back, with all else that the other user has. So say how many you
        expect. They are counted first; if there are more or fewer, nothing is transferred.

        What counts is a media whose owner is `from_user` and that is shared with nobody directly. Whether Studio also
        calls a media shared that is only in a shared collection or in a course is unknown: it moves that many at most.
        The count takes a request for each media of the user.

        Args:
            from_user: Who has the media: the Studio user id, or a user as an object.
            to_user: Who gets them; likewise.
            expect: How many unshared media `from_user` has.

        Returns:
            What was not transferred.

        Raises:
            MediaCountError: If they are not as many as expected. Nothing was transferred.
            InvalidArgumentError: If both users are the same, or `expect` is no number of media.
            BadRequestError: 400, if Studio does not know the users.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no `from_user`, whose media are listed first.
            UnprocessableEntityError: 422, if an id is not valid.

        Reference: Transfer Media page, POST /transfer_media.
        """
    def unarchive_collection(self, /, id: int | Collection) -> Collection | None:
        """
        Unarchive a collection, with all its media and perspectives.

        Args:
            id: The collection, or its id.

        Returns:
            The collection, or `None` if Studio's answer holds none (its body is not documented).

        Raises:
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such collection.
            UnprocessableEntityError: 422, if the id is not valid.

        Reference: Collection page, /collections/{collection_id}/unarchive (the method, POST, is inferred).
        """
    async def unarchive_collection_async(self, /, id: int | Collection) -> Collection | None:
        """
        Unarchive a collection, with all its media and perspectives.

        Args:
            id: The collection, or its id.

        Returns:
            The collection, or `None` if Studio's answer holds none (its body is not documented).

        Raises:
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such collection.
            UnprocessableEntityError: 422, if the id is not valid.

        Reference: Collection page, /collections/{collection_id}/unarchive (the method, POST, is inferred).
        """
    def unarchive_media(self, /, id: int | Media, *, collection_id: int | Collection | None = None) -> Media:
        """
        Unarchive a media, with all its perspectives.

        Args:
            id: The media, or its id.
            collection_id: The collection, or its id, to move it into; if omitted, it is not moved.

        Returns:
            The media.

        Raises:
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such media.

        Reference: Media page, /media/{media_id}/unarchive (the method, POST, is inferred).
        """
    async def unarchive_media_async(
        self, /, id: int | Media, *, collection_id: int | Collection | None = None
    ) -> Media:
        """
        Unarchive a media, with all its perspectives.

        Args:
            id: The media, or its id.
            collection_id: The collection, or its id, to move it into; if omitted, it is not moved.

        Returns:
            The media.

        Raises:
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such media.

        Reference: Media page, /media/{media_id}/unarchive (the method, POST, is inferred).
        """
    def unshare_collection(self, /, id: int | Collection, who: int | Owner | User | GroupUser | Group) -> Permissions:
        """
        Stop sharing a collection with a user or a group.

        Call it as often as you like: nothing is sent if it is not shared with them. The owner stays the owner, and the level
        `access`, which comes from courses and collections, stays.

        Args:
            id: The collection, or its id.
            who: The Studio user (an id, an `Owner` or a `User`), or a `Group`. For a group's id, pass `Group(id)`.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if Studio refuses, and it is still shared with them.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such collection.
            APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and it is
                shared with them so far. Call it again.

        Reference: Collection page, /collections/{collection_id}/permissions: GET, then POST.
        """
    async def unshare_collection_async(
        self, /, id: int | Collection, who: int | Owner | User | GroupUser | Group
    ) -> Permissions:
        """
        Stop sharing a collection with a user or a group.

        Call it as often as you like: nothing is sent if it is not shared with them. The owner stays the owner, and the level
        `access`, which comes from courses and collections, stays.

        Args:
            id: The collection, or its id.
            who: The Studio user (an id, an `Owner` or a `User`), or a `Group`. For a group's id, pass `Group(id)`.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if Studio refuses, and it is still shared with them.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such collection.
            APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and it is
                shared with them so far. Call it again.

        Reference: Collection page, /collections/{collection_id}/permissions: GET, then POST.
        """
    def unshare_media(self, /, id: int | Media, who: int | Owner | User | GroupUser | Group) -> Permissions:
        """
        Stop sharing a media with a user or a group.

        Call it as often as you like: nothing is sent if it is not shared with them. The owner stays the owner, and the level
        `access`, which comes from courses and collections, stays.

        Args:
            id: The media, or its id.
            who: The Studio user (an id, an `Owner` or a `User`), or a `Group`. For a group's id, pass `Group(id)`.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if Studio refuses, and it is still shared with them.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such media.
            APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and it is
                shared with them so far. Call it again.

        Reference: Media page, /media/{media_id}/permissions: GET, then POST (observed).
        """
    async def unshare_media_async(self, /, id: int | Media, who: int | Owner | User | GroupUser | Group) -> Permissions:
        """
        Stop sharing a media with a user or a group.

        Call it as often as you like: nothing is sent if it is not shared with them. The owner stays the owner, and the level
        `access`, which comes from courses and collections, stays.

        Args:
            id: The media, or its id.
            who: The Studio user (an id, an `Owner` or a `User`), or a `Group`. For a group's id, pass `Group(id)`.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if Studio refuses, and it is still shared with them.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such media.
            APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and it is
                shared with them so far. Call it again.

        Reference: Media page, /media/{media_id}/permissions: GET, then POST (observed).
        """
    def update_caption_request(
        self,
        /,
        id: int | CaptionFileRequest,
        status: Literal["processing", "fulfilled", "failed"] | str,
        message: str | None = None,
        file: str | PathLike[str] | BinaryIO | tuple[str, bytes | str | PathLike[str]] | None = None,
    ) -> None:
        """
        Report the result of a request for captions.

        A request is fulfilled or failed once.

        Args:
            id: The request, or its id.
            status: `processing`, `fulfilled` or `failed`.
            message: Why it failed.
            file: The captions: a path, an open binary file, or `(name, bytes)`. Only SubRip, named `.srt`. Not with
                `failed`. It is checked as `add_caption` checks it, and must be UTF-8 or UTF-16, since its language is not
                known.

        Returns:
            Nothing.

        Raises:
            InvalidArgumentError: If the file is empty, has no cues, is not SubRip, or has a cue that players would show
                wrongly; the message names the line. Also if there is a file although the captions failed.
            CaptionWarning: As a warning, if the file had to be converted, or is odd in a way that players put up with.
            OSError: If the file cannot be read.
            BadRequestError: 400, if Studio misses a parameter.
            PermissionDeniedError: 403, if the caller may not do that.
            UnprocessableEntityError: 422, if something is not valid.

        Reference: Professional Captioning page, PATCH /caption_file_requests/{caption_file_request_id}.
        """
    async def update_caption_request_async(
        self,
        /,
        id: int | CaptionFileRequest,
        status: Literal["processing", "fulfilled", "failed"] | str,
        message: str | None = None,
        file: str | PathLike[str] | BinaryIO | tuple[str, bytes | str | PathLike[str]] | None = None,
    ) -> None:
        """
        Report the result of a request for captions.

        A request is fulfilled or failed once.

        Args:
            id: The request, or its id.
            status: `processing`, `fulfilled` or `failed`.
            message: Why it failed.
            file: The captions: a path, an open binary file, or `(name, bytes)`. Only SubRip, named `.srt`. Not with
                `failed`. It is checked as `add_caption` checks it, and must be UTF-8 or UTF-16, since its language is not
                known.

        Returns:
            Nothing.

        Raises:
            InvalidArgumentError: If the file is empty, has no cues, is not SubRip, or has a cue that players would show
                wrongly; the message names the line. Also if there is a file although the captions failed.
            CaptionWarning: As a warning, if the file had to be converted, or is odd in a way that players put up with.
            OSError: If the file cannot be read.
            BadRequestError: 400, if Studio misses a parameter.
            PermissionDeniedError: 403, if the caller may not do that.
            UnprocessableEntityError: 422, if something is not valid.

        Reference: Professional Captioning page, PATCH /caption_file_requests/{caption_file_request_id}.
        """
    def upload_folder(
        self,
        /,
        folder: str | PathLike[str],
        *,
        pattern: str | None = None,
        recursive: "bool" = False,
        collection_id: int | Collection | None = None,
        user_id: int | Owner | User | GroupUser | None = None,
        jobs: "int" = 4,
        journal: str | PathLike[str] | None = None,
        progress: bool | Callable[[int, int | None], object] | None = None,
        dry_run: "bool" = False,
    ) -> UploadReport:
        """
        Upload the files of a folder, several at once. A run that was interrupted, even killed, is continued by the next one.

        A journal in the folder remembers each file by its content (SHA-256). So a file that was uploaded is not uploaded
        again, in whatever way the run before ended, and even if the file has another name now: its title in Studio stays.
        A file whose content has changed is a new media. The same journal does not upload a file to a second collection: the
        report says where it is.

        What concerns one file is in the report. An error that would stop every file ends the run: the token or the
        destination is rejected, the journal cannot be written, the client is closed.

        Args:
            folder: The folder. Hidden files, links, and kinds that the vendor does not name are skipped.
            pattern: Which files, such as `"*.mp4"`, which also matches `A.MP4`; all if omitted. A pattern with `/` is for paths
                relative to the folder, such as `"Week */*.mp4"`; any other is for names.
            recursive: Whether to upload the files of the folders inside, too, except hidden ones.
            collection_id: The collection, or its id, to upload into; the user's own library if omitted.
            user_id: The user, or their Studio id, to upload for. Only an administrator may upload for others.
            jobs: How many files to upload at once, 1 to 64.
            journal: The file of the journal; `.canvas-studio-uploads.jsonl` in the folder if omitted.
            progress: `True` for a progress bar (needs tqdm), or a callable that is given the bytes of all files that are
                dealt with so far, and those in all (`None` before the folder has been read), several times a second, on
                the calling thread. The async method also takes an async callable, and awaits it, one report at a time.
            dry_run: Whether to send nothing, and only report what would be done.

        Returns:
            What was uploaded, what was skipped and why, what failed, and which uploads were never completed.

        Raises:
            InvalidArgumentError: If an argument is invalid, or the journal is that of another school, or damaged.
            PermissionDeniedError: 403, if the caller may not upload there.
            NotFoundError: 404, if there is no such user or collection.
            UnprocessableEntityError: 422, if `user_id` or `collection_id` is not valid.
            OSError: If the folder cannot be read, or the journal cannot be written or is in use by another run.

        Reference: Media Upload page, POST /media/uploads, then the storage host, then POST
        /media/uploads/{media_id}/complete.
        """
    async def upload_folder_async(
        self,
        /,
        folder: str | PathLike[str],
        *,
        pattern: str | None = None,
        recursive: "bool" = False,
        collection_id: int | Collection | None = None,
        user_id: int | Owner | User | GroupUser | None = None,
        jobs: "int" = 4,
        journal: str | PathLike[str] | None = None,
        progress: bool | Callable[[int, int | None], object] | None = None,
        dry_run: "bool" = False,
    ) -> UploadReport:
        """
        Upload the files of a folder, several at once. A run that was interrupted, even killed, is continued by the next one.

        A journal in the folder remembers each file by its content (SHA-256). So a file that was uploaded is not uploaded
        again, in whatever way the run before ended, and even if the file has another name now: its title in Studio stays.
        A file whose content has changed is a new media. The same journal does not upload a file to a second collection: the
        report says where it is.

        What concerns one file is in the report. An error that would stop every file ends the run: the token or the
        destination is rejected, the journal cannot be written, the client is closed.

        Args:
            folder: The folder. Hidden files, links, and kinds that the vendor does not name are skipped.
            pattern: Which files, such as `"*.mp4"`, which also matches `A.MP4`; all if omitted. A pattern with `/` is for paths
                relative to the folder, such as `"Week */*.mp4"`; any other is for names.
            recursive: Whether to upload the files of the folders inside, too, except hidden ones.
            collection_id: The collection, or its id, to upload into; the user's own library if omitted.
            user_id: The user, or their Studio id, to upload for. Only an administrator may upload for others.
            jobs: How many files to upload at once, 1 to 64.
            journal: The file of the journal; `.canvas-studio-uploads.jsonl` in the folder if omitted.
            progress: `True` for a progress bar (needs tqdm), or a callable that is given the bytes of all files that are
                dealt with so far, and those in all (`None` before the folder has been read), several times a second, on
                the calling thread. The async method also takes an async callable, and awaits it, one report at a time.
            dry_run: Whether to send nothing, and only report what would be done.

        Returns:
            What was uploaded, what was skipped and why, what failed, and which uploads were never completed.

        Raises:
            InvalidArgumentError: If an argument is invalid, or the journal is that of another school, or damaged.
            PermissionDeniedError: 403, if the caller may not upload there.
            NotFoundError: 404, if there is no such user or collection.
            UnprocessableEntityError: 422, if `user_id` or `collection_id` is not valid.
            OSError: If the folder cannot be read, or the journal cannot be written or is in use by another run.

        Reference: Media Upload page, POST /media/uploads, then the storage host, then POST
        /media/uploads/{media_id}/complete.
        """
    def upload_media(
        self,
        /,
        path: str | PathLike[str],
        *,
        title: str | None = None,
        description: str | None = None,
        collection_id: int | Collection | None = None,
        user_id: int | Owner | User | GroupUser | None = None,
        auto_caption: bool | None = None,
        progress: bool | Callable[[int, int | None], object] | None = None,
        check: "bool" = True,
    ) -> Media:
        """
        Upload a file, which becomes a media. Studio transcodes it afterwards: see `wait_until_ready`.

        It creates an upload, sends the file to the storage host, and completes the upload. The upload is completed only
        after the storage host has taken the whole file, and the file is still the same. If it is unknown whether the
        completion was carried out, Studio is asked. If something fails, the exception has the id of the upload that was
        left uncompleted: `media_id`.

        Args:
            path: The file. It is streamed; if a connection breaks, it is sent again from its first byte.
            title: The title; the file's name without its ending if omitted.
            description: The description.
            collection_id: The collection, or its id, to upload it into; the library of the user if omitted.
            user_id: The Studio user (an id, an `Owner` or a `User`) who will own it; the caller if omitted. Only an
                administrator may upload for another user.
            auto_caption: Whether Studio makes captions automatically. The account must have that.
            progress: `True` for a progress bar (needs tqdm), or a callable that is given the bytes sent so far and the
                bytes in all, several times a second, on the calling thread. The async method also takes an async
                callable, and awaits it, one report at a time, while the upload continues.
            check: Whether to refuse a file of more than 10 GB, and to warn of one of more than 5 GB or of an unknown kind.

        Returns:
            The media.

        Raises:
            InvalidArgumentError: If the file is empty or too large, or the title is empty. No request was sent.
            PermissionDeniedError: 403, if the caller may not upload there, or the storage host rejects the file.
            NotFoundError: 404, if there is no such user or collection.
            UnprocessableEntityError: 422, if the user id is not valid.
            InternalServerError: 501, if captions cannot be made automatically. `complete_upload` without `auto_caption`
                then completes the upload.
            FileChangedError: If the file changed while it was sent.
            OSError: If the file cannot be read.

        Reference: Media Upload page, POST /media/uploads, a PUT to the storage host, and POST
        /media/uploads/{media_id}/complete.
        """
    async def upload_media_async(
        self,
        /,
        path: str | PathLike[str],
        *,
        title: str | None = None,
        description: str | None = None,
        collection_id: int | Collection | None = None,
        user_id: int | Owner | User | GroupUser | None = None,
        auto_caption: bool | None = None,
        progress: bool | Callable[[int, int | None], object] | None = None,
        check: "bool" = True,
    ) -> Media:
        """
        Upload a file, which becomes a media. Studio transcodes it afterwards: see `wait_until_ready`.

        It creates an upload, sends the file to the storage host, and completes the upload. The upload is completed only
        after the storage host has taken the whole file, and the file is still the same. If it is unknown whether the
        completion was carried out, Studio is asked. If something fails, the exception has the id of the upload that was
        left uncompleted: `media_id`.

        Args:
            path: The file. It is streamed; if a connection breaks, it is sent again from its first byte.
            title: The title; the file's name without its ending if omitted.
            description: The description.
            collection_id: The collection, or its id, to upload it into; the library of the user if omitted.
            user_id: The Studio user (an id, an `Owner` or a `User`) who will own it; the caller if omitted. Only an
                administrator may upload for another user.
            auto_caption: Whether Studio makes captions automatically. The account must have that.
            progress: `True` for a progress bar (needs tqdm), or a callable that is given the bytes sent so far and the
                bytes in all, several times a second, on the calling thread. The async method also takes an async
                callable, and awaits it, one report at a time, while the upload continues.
            check: Whether to refuse a file of more than 10 GB, and to warn of one of more than 5 GB or of an unknown kind.

        Returns:
            The media.

        Raises:
            InvalidArgumentError: If the file is empty or too large, or the title is empty. No request was sent.
            PermissionDeniedError: 403, if the caller may not upload there, or the storage host rejects the file.
            NotFoundError: 404, if there is no such user or collection.
            UnprocessableEntityError: 422, if the user id is not valid.
            InternalServerError: 501, if captions cannot be made automatically. `complete_upload` without `auto_caption`
                then completes the upload.
            FileChangedError: If the file changed while it was sent.
            OSError: If the file cannot be read.

        Reference: Media Upload page, POST /media/uploads, a PUT to the storage host, and POST
        /media/uploads/{media_id}/complete.
        """
    def upload_rows(
        self,
        /,
        rows: str | PathLike[str] | Iterable[Mapping[str, Any]],
        *,
        jobs: "int" = 4,
        journal: str | PathLike[str] | None = None,
        progress: bool | Callable[[int, int | None], object] | None = None,
        dry_run: "bool" = False,
    ) -> UploadReport:
        """
        Upload the videos of a table, several at once, each with its caption.

        Each goes into the library of its owner, or into a collection. A run that was interrupted, even killed, is continued
        by the next one.

        The columns are `video` (a path), `caption` (the path of an `.srt` or `.vtt` file) with `srclang` (the tag of its
        language, such as `en`), `owner` (an e-mail address, as for `find_user`, or a Studio user id), `collection` (an id),
        `title` and `description`. Only `video` is required. All rows are checked before anything is sent: the error names
        every fault of every row.

        The journal is as for `upload_folder`. A row that was uploaded without its caption gets it in the next run. A video
        gets one caption. A title, description, owner, collection, caption or language that was changed after its row was
        uploaded is not applied; the report says so.

        Args:
            rows: The path of a CSV file with these columns in its first line, in UTF-8; paths in it are relative to its
                folder. Or an iterable of dicts with these keys; paths in it are relative to the current folder.
            jobs: How many videos to upload at once, 1 to 64.
            journal: The file of the journal; `.canvas-studio-uploads.jsonl` beside the CSV file if omitted. Required for
                other rows.
            progress: `True` for a progress bar (needs tqdm), or a callable that is given the bytes of all videos that are
                dealt with so far, and those in all (`None` before they have been checked), several times a second, on the
                calling thread. The async method also takes an async callable, and awaits it, one report at a time.
            dry_run: Whether to upload nothing, and only report what would be done. Owners and collections are looked up (GET).

        Returns:
            What was uploaded, what was skipped and why, what failed, and which uploads were never completed. A row is in
            `failed` if its owner is nobody or several people, or its collection does not exist.

        Raises:
            InvalidArgumentError: If a row or another argument is invalid, or the journal is that of another school, or
                damaged.
            PermissionDeniedError: 403, if the caller may not search users. None if the owners are ids.
            OSError: If the CSV file cannot be read, or the journal cannot be written or is in use by another run.

        Reference: Media Upload page, POST /media/uploads, then the storage host, then POST
        /media/uploads/{media_id}/complete; User page, GET /users/search; Captions page, POST
        /media/{media_id}/caption_files.
        """
    async def upload_rows_async(
        self,
        /,
        rows: str | PathLike[str] | Iterable[Mapping[str, Any]],
        *,
        jobs: "int" = 4,
        journal: str | PathLike[str] | None = None,
        progress: bool | Callable[[int, int | None], object] | None = None,
        dry_run: "bool" = False,
    ) -> UploadReport:
        """
        Upload the videos of a table, several at once, each with its caption.

        Each goes into the library of its owner, or into a collection. A run that was interrupted, even killed, is continued
        by the next one.

        The columns are `video` (a path), `caption` (the path of an `.srt` or `.vtt` file) with `srclang` (the tag of its
        language, such as `en`), `owner` (an e-mail address, as for `find_user`, or a Studio user id), `collection` (an id),
        `title` and `description`. Only `video` is required. All rows are checked before anything is sent: the error names
        every fault of every row.

        The journal is as for `upload_folder`. A row that was uploaded without its caption gets it in the next run. A video
        gets one caption. A title, description, owner, collection, caption or language that was changed after its row was
        uploaded is not applied; the report says so.

        Args:
            rows: The path of a CSV file with these columns in its first line, in UTF-8; paths in it are relative to its
                folder. Or an iterable of dicts with these keys; paths in it are relative to the current folder.
            jobs: How many videos to upload at once, 1 to 64.
            journal: The file of the journal; `.canvas-studio-uploads.jsonl` beside the CSV file if omitted. Required for
                other rows.
            progress: `True` for a progress bar (needs tqdm), or a callable that is given the bytes of all videos that are
                dealt with so far, and those in all (`None` before they have been checked), several times a second, on the
                calling thread. The async method also takes an async callable, and awaits it, one report at a time.
            dry_run: Whether to upload nothing, and only report what would be done. Owners and collections are looked up (GET).

        Returns:
            What was uploaded, what was skipped and why, what failed, and which uploads were never completed. A row is in
            `failed` if its owner is nobody or several people, or its collection does not exist.

        Raises:
            InvalidArgumentError: If a row or another argument is invalid, or the journal is that of another school, or
                damaged.
            PermissionDeniedError: 403, if the caller may not search users. None if the owners are ids.
            OSError: If the CSV file cannot be read, or the journal cannot be written or is in use by another run.

        Reference: Media Upload page, POST /media/uploads, then the storage host, then POST
        /media/uploads/{media_id}/complete; User page, GET /users/search; Captions page, POST
        /media/{media_id}/caption_files.
        """
    @property
    def url(self, /) -> str:
        """
        The school's URL.
        """
    def wait_until_ready(self, /, media: int | Media, *, timeout: float | timedelta) -> Media:
        """
        Wait until Studio has transcoded a media, so that it can be watched and downloaded.

        It asks at once, and then less and less often: every half second at first, every 15 seconds in the end.

        Args:
            media: The media, or its id.
            timeout: How long to wait, in seconds or as a timedelta; `float("inf")` for no limit.

        Returns:
            The media, whose `transcoding_status` is `transcoding_finished`. Any other status means "not yet".

        Raises:
            PermissionDeniedError: 403, if the caller may not see it.
            NotFoundError: 404, if there is no such media.
            TranscodingFailedError: If the status has `fail` or `error` in it, which is a guess.
            APITimeoutError: If it is not transcoded in time. The message has the last status; Studio goes on.

        Reference: Media page, GET /media/{media_id}.
        """
    async def wait_until_ready_async(self, /, media: int | Media, *, timeout: float | timedelta) -> Media:
        """
        Wait until Studio has transcoded a media, so that it can be watched and downloaded.

        It asks at once, and then less and less often: every half second at first, every 15 seconds in the end.

        Args:
            media: The media, or its id.
            timeout: How long to wait, in seconds or as a timedelta; `float("inf")` for no limit.

        Returns:
            The media, whose `transcoding_status` is `transcoding_finished`. Any other status means "not yet".

        Raises:
            PermissionDeniedError: 403, if the caller may not see it.
            NotFoundError: 404, if there is no such media.
            TranscodingFailedError: If the status has `fail` or `error` in it, which is a guess.
            APITimeoutError: If it is not transcoded in time. The message has the last status; Studio goes on.

        Reference: Media page, GET /media/{media_id}.
        """
    def with_options(
        self,
        /,
        *,
        timeout: "float | timedelta" = ...,
        connect_timeout: "float | timedelta" = ...,
        read_timeout: "float | timedelta" = ...,
        max_retries: "int" = ...,
        retry_delay: "float | timedelta" = ...,
        max_retry_wait: "float | timedelta" = ...,
        max_concurrency: "int" = ...,
        max_connections: "int" = ...,
        max_rate: "float" = ...,
    ) -> StudioClient:
        """
        Make a client with other options, for some calls.

        It shares the connections of this one, unless `connect_timeout` differs, and is closed separately.

        Args:
            timeout: The same as for the client itself; an option that is omitted stays as it is. `None` is refused:
                `float("inf")` means no limit.
            connect_timeout: The same.
            read_timeout: The same.
            max_retries: The same.
            retry_delay: The same.
            max_retry_wait: The same.
            max_concurrency: The same.
            max_connections: The same; a new limit counts for the new client, and for clients made from it.
            max_rate: The same; `float("inf")` for no limit.

        Returns:
            The client.

        Raises:
            InvalidArgumentError: If an argument is invalid.
            TypeError: If an argument is `None`.
        """

@final
class Tokens:
    """
    The tokens of a sign-in. They are secrets: `repr` does not show them, and they cannot be pickled.

    Args:
        access_token: The token that authorizes requests.
        refresh_token: The token that gets the next access token. It works once.
        expires_at: When the access token expires, as a datetime with a time zone; `None` if unknown.
        url: The school's URL; tokens are sent to no other.

    Raises:
        InvalidArgumentError: If an argument is invalid.
    """
    def __eq__(self, other: object, /) -> bool: ...
    def __new__(
        cls,
        /,
        access_token: str,
        *,
        refresh_token: str | None = None,
        expires_at: datetime | None = None,
        url: str | None = None,
    ) -> Tokens: ...
    def __reduce__(self, /) -> str: ...
    def __repr__(self, /) -> str: ...
    @property
    def access_token(self, /) -> str:
        """
        The token that authorizes requests.
        """
    @property
    def expires_at(self, /) -> datetime | None:
        """
        When the access token expires, in UTC, if known.
        """
    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Tokens:
        """
        Make them from a dict such as `to_dict()` returns, or from the token endpoint's own answer.

        Args:
            values: The dict. Other keys in it, such as further columns of a table, are ignored.

        Returns:
            The tokens.

        Raises:
            InvalidArgumentError: If a value is invalid. The message does not quote it.
        """
    @property
    def refresh_token(self, /) -> str | None:
        """
        The token that gets the next access token. It works once.
        """
    def to_dict(self, /) -> dict[str, Any]:
        """
        Return them as a dict that `json.dumps` accepts, for a database. The dict contains the secrets in plain text.

        Returns:
            `access_token`, `refresh_token`, `expires_at` (ISO 8601) and `url`.
        """
    @property
    def url(self, /) -> str | None:
        """
        The school's URL.
        """

def _decode_media_page(body: bytes) -> Any:
    """
    Decode the body of a page of media as a listing does, to measure what that costs without a server.
    """

def _first_classes(module: str, classes: "dict[str, type]") -> dict[str, Any]:
    """
    Return the classes that a module had when it was first imported; at the first import, the given ones.

    A program may import the package again (`importlib.reload`, or an emptied `sys.modules`). With the first classes in
    both modules, `except` and `isinstance` work with the old names and with the new ones.
    """

def _text(content_type: str, content: bytes) -> str:
    """
    Decode the body of a raw answer, by its byte order mark or the charset of its content type.
    """

def changed_by_others(path: str | PathLike[str]) -> str | None:
    """
    Check, as ssh does, that no other user can change a file, or replace it in its folder.

    Args:
        path: The file.

    Returns:
        What is wrong and what to do; `None` if all is well, if there is no file, or if it cannot be checked.
    """

def check_captions(
    file: str | PathLike[str] | BinaryIO | tuple[str, bytes | str | PathLike[str]], srclang: str
) -> list[str]:
    """
    Check a file of captions as `add_caption` does before it sends one.

    Args:
        file: A path, or `(name, bytes)`.
        srclang: Its language, which decides how a file that is not UTF-8 is read.

    Returns:
        What players put up with; each begins with the name of the file.

    Raises:
        InvalidArgumentError: If the file would not be sent.
        OSError: If the file cannot be read.
    """

def check_group_user_change(action: str, user_id: int, permission: str | None) -> None:
    """
    Check the fields of a `GroupUserChange` when it is made.
    """

def check_permission_change(action: str, id: int, share_type: str, permission_type: str) -> None:
    """
    Check the fields of a `PermissionChange` when it is made.
    """

def forked() -> None:
    """
    Marks this process as the child of a fork. The threads that run requests stayed in the parent.

    Registered with `os.register_at_fork` when the package is imported.
    """

def make_private_folder(path: str | PathLike[str]) -> None:
    """
    Make a folder that only its owner can open, with its missing parents, unless it exists.

    Args:
        path: The folder.

    Raises:
        OSError: If it cannot be made.
    """

def print_no_panics() -> None:
    """
    Keep Rust from printing panics, since the caller gets an exception. With `CANVAS_STUDIO_LOG=debug` they are printed.
    """

def put_in_place(temporary: str | PathLike[str], path: str | PathLike[str]) -> None:
    """
    Give a file the name of another one, which it replaces.

    Args:
        temporary: The file, which is complete.
        path: Its new name.

    Raises:
        OSError: If it cannot be done.
    """

def read_bool(name: str, value: Any, expected: str = "True or False") -> bool:
    """
    Read an argument of a class written in Python: a bool.
    """

def read_int(name: str, value: Any) -> int:
    """
    Read an argument of a class written in Python: an int.
    """

def read_json(name: str, value: Any) -> str:
    """
    Read an argument of a class written in Python: a JSON value, returned as JSON text.
    """

def read_path(name: str, value: Any) -> Path:
    """
    Read an argument of a class written in Python: the path of a file.
    """

def read_seconds(name: str, value: Any) -> float:
    """
    Read an argument of a class written in Python: a duration, returned in seconds.
    """

def replace_file(path: str | PathLike[str], content: bytes) -> None:
    """
    Replace a file with new content, all of it or none, so that only its owner can read it.

    Args:
        path: The file.
        content: The new content.

    Raises:
        OSError: If it cannot be written, or others can change its folder.
    """

def school_url(school: str) -> str:
    """
    Return the URL of a school, as `StudioClient` understands it.

    Args:
        school: Its name, host or URL.

    Returns:
        The URL.

    Raises:
        InvalidArgumentError: If it is not a valid school.
    """

def shut_down() -> None:
    """
    Stops all work before the interpreter is finalized: a thread that returned to Python later would abort the process.

    Registered with `atexit` when the package is imported.
    """

def temporary_path(path: str | PathLike[str]) -> Path:
    """
    Choose a new name beside `path`, for a file that replaces it once it is complete.

    Args:
        path: The file to replace.

    Returns:
        The path to write to. No file exists there yet.

    Raises:
        OSError: If the file system does not allow a name as long as that of `path`.
    """

def without_formula(text: str) -> str:
    """
    Put an apostrophe in front of what a spreadsheet may take for a formula.

    Args:
        text: The text of a cell.

    Returns:
        The text, with an apostrophe in front if it begins with `=`, `+`, `-` or `@`, also in another form of the sign and
        behind characters that show nothing, which some spreadsheets pass over; or with a tab or a carriage return. Where
        a semicolon or a tab separates, a cell begins behind one, also inside of the text, and a row behind the end of a
        line: so an apostrophe stands there, too.
    """
