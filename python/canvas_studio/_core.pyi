"""
The compiled part of `canvas_studio`. Import from `canvas_studio` instead.
"""

from canvas_studio.auth import AsyncTokenStore, TokenStore
from canvas_studio.listing import Listing
from canvas_studio.models import Course, Owner, PermissionChange, Permissions, Perspective, Source, User
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from os import PathLike
from pathlib import Path
from typing import Any, Final, Literal, final

__all__ = [
    "__version__",
    "ArrowBatch",
    "ArrowTable",
    "Checkpoint",
    "Collection",
    "FileTokenStore",
    "ListingSource",
    "Media",
    "MemoryTokenStore",
    "OAuth",
    "PageReader",
    "SandboxServer",
    "StoreLock",
    "StudioClient",
    "Tokens",
    "_decode_media_page",
    "_first_classes",
    "changed_by_others",
    "forked",
    "make_private_folder",
    "print_no_panics",
    "read_bool",
    "read_int",
    "read_json",
    "read_path",
    "read_seconds",
    "replace_file",
    "school_url",
    "shut_down",
    "temporary_path",
]

__version__: Final[str]

@final
class ArrowBatch:
    """
    Some rows of a listing, as columns.
    """
    def __arrow_c_array__(self, /, requested_schema: Any | None = None) -> tuple[Any, Any]: ...
    def __arrow_c_schema__(self, /) -> Any: ...
    @property
    def num_rows(self, /) -> int:
        """
        How many rows there are.
        """

@final
class ArrowTable:
    """
    Batches that were read, as one table.
    """
    def __arrow_c_schema__(self, /) -> Any: ...
    def __arrow_c_stream__(self, /, requested_schema: Any | None = None) -> Any: ...
    def __new__(cls, /, source: ListingSource, batches: Sequence[ArrowBatch]) -> ArrowTable: ...

@final
class Checkpoint:
    """
    Where the reading of a list is: exactly behind the last item that was given.

    `StudioClient.resume` goes on there, in any process. It can be pickled and written as JSON. It holds no token, but the
    query of the list, which may name a person.
    """
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __reduce__(self, /) -> tuple[Any, tuple[str]]: ...
    def __repr__(self, /) -> str: ...
    @staticmethod
    def from_json(text: str) -> Checkpoint:
        """
        Read what `to_json` wrote.

        Args:
            text: The JSON.

        Returns:
            The checkpoint.

        Raises:
            InvalidArgumentError: If it is something else.
        """
    @property
    def items(self, /) -> int:
        """
        How many items were given so far.
        """
    def to_json(self, /) -> str:
        """
        Write it as text.

        Returns:
            JSON on one line.
        """

@final
class Collection:
    """
    A collection of media.

    It is what Studio said when it was asked: it does not change, and reading an attribute sends nothing. Every
    attribute but `id` may be `None`.
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
    def archive_async(self, /) -> Coroutine[Any, Any, Collection | None]:
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
            changes: `PermissionChange` objects, or dicts with the same names. Whether Studio carries out either all of
                them or none is not documented.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if one to update or destroy does not exist, or one to create exists already.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.
            ResponseDecodeError: If Studio says yes, and its list shows that it did not make the change.

        Reference: Collection page, POST /collections/{collection_id}/permissions.
        """
    def change_permissions_async(
        self, /, changes: Iterable[PermissionChange | Mapping[str, Any]]
    ) -> Coroutine[Any, Any, Permissions]:
        """
        Change with whom it is shared.

        Args:
            changes: `PermissionChange` objects, or dicts with the same names. Whether Studio carries out either all of
                them or none is not documented.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if one to update or destroy does not exist, or one to create exists already.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.
            ResponseDecodeError: If Studio says yes, and its list shows that it did not make the change.

        Reference: Collection page, POST /collections/{collection_id}/permissions.
        """
    @property
    def course_id(self, /) -> int | None:
        """
        The id of the course in Canvas, for a course's collection.
        """
    @property
    def created_at(self, /) -> datetime | None:
        """
        When it was made, in UTC.
        """
    def delete(self, /) -> Collection | None:
        """
        Delete it with all its media and perspectives. There is no way back.

        Returns:
            The collection as it was, or `None` if Studio's answer holds none (its body is hardly documented).

        Raises:
            PermissionDeniedError: 403, if the caller may not delete it.
            NotFoundError: 404, if it is no longer there.

        Reference: Collection page, DELETE /collections/{collection_id}.
        """
    def delete_async(self, /) -> Coroutine[Any, Any, Collection | None]:
        """
        Delete it with all its media and perspectives. There is no way back.

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
        Fields that are not documented, as they were sent.
        """
    @staticmethod
    def from_dict(fields: Mapping[str, Any]) -> Collection:
        """
        Make one from a dict such as `to_dict()` returns. It knows no client.

        Args:
            fields: The fields; all but `id` may be missing.

        Returns:
            The object.

        Raises:
            InvalidArgumentError: If there is no `id` that can be read, or if it cannot be JSON. Any other field that
                cannot be read stands in `extra`.
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
            page: The page to begin with.
            per_page: How many items are asked for at once, 1 to 50.

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
        To whom it belongs.
        """
    @property
    def permission(self, /) -> str | None:
        """
        What the caller may do with it. The words are not documented.
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
    def permissions_async(self, /) -> Coroutine[Any, Any, Permissions]:
        """
        Get the users and groups with whom it is shared.

        Returns:
            The users and the groups, each with a permission.

        Raises:
            PermissionDeniedError: 403, if the caller may not see that.
            NotFoundError: 404, if it is no longer there.

        Reference: Collection page, GET /collections/{collection_id}/permissions.
        """
    def refresh(self, /) -> Collection:
        """
        Ask for it anew.

        Returns:
            The collection as it is now; this object does not change.

        Raises:
            NotFoundError: 404, if it is no longer there.

        Reference: Collection page, GET /collections/{collection_id}.
        """
    def refresh_async(self, /) -> Coroutine[Any, Any, Collection]:
        """
        Ask for it anew.

        Returns:
            The collection as it is now; this object does not change.

        Raises:
            NotFoundError: 404, if it is no longer there.

        Reference: Collection page, GET /collections/{collection_id}.
        """
    def to_dict(self, /) -> dict[str, Any]:
        """
        Return it as a dict that `json.dumps` takes.

        Returns:
            Every documented field, `None` where Studio sent none, then the undocumented ones as they were sent.
        """
    @property
    def type(self, /) -> str | None:
        """
        The type: `user` is somebody's own library, `course_wide` a course's; others exist.
        """
    def unarchive(self, /) -> Collection | None:
        """
        Bring it back from the archive, with all its media and perspectives.

        Returns:
            The collection, or `None` if Studio's answer holds none (its body is not documented).

        Raises:
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.

        Reference: Collection page, /collections/{collection_id}/unarchive (the method, POST, is inferred).
        """
    def unarchive_async(self, /) -> Coroutine[Any, Any, Collection | None]:
        """
        Bring it back from the archive, with all its media and perspectives.

        Returns:
            The collection, or `None` if Studio's answer holds none (its body is not documented).

        Raises:
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.

        Reference: Collection page, /collections/{collection_id}/unarchive (the method, POST, is inferred).
        """

@final
class FileTokenStore:
    """
    Keeps tokens in a file, for all processes that know its path.

    Only its owner can read the file. It is replaced as a whole, so that there is always a complete one, and locked
    through a second file beside it, `PATH.lock`. Folders that are missing are made.

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
            TokenStoreError: If the file cannot be read, or does not hold tokens.
        """
    def lock(self, /) -> StoreLock:
        """
        Keep other processes, and other threads, from refreshing.

        Returns:
            A context manager, for one `with`.
        """
    @property
    def path(self, /) -> Path:
        """
        The file.
        """
    def save(self, /, tokens: Tokens | None) -> None:
        """
        Keep tokens in place of those that are there.

        Args:
            tokens: The tokens; `None` forgets them.

        Raises:
            TokenStoreError: If the file cannot be written.
        """

@final
class ListingSource:
    """
    What a `Listing` reads from.
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
        The page to begin with; `None` for a list without pages, or one that is resumed.
        """
    @property
    def per_page(self, /) -> int | None:
        """
        How many items are asked for at once.
        """
    def range(self, /, first: int, last: int | None) -> ListingSource:
        """
        Only the pages from the first to the last, or to the end.
        """
    def read(self, /, limit: int | None, consistent: bool) -> PageReader:
        """
        Begin to read; nothing is sent.
        """
    @property
    def request(self, /) -> str:
        """
        The request for the first page, without its host.
        """
    def total(self, /) -> int:
        """
        Ask how many items there are.
        """
    def total_async(self, /) -> Coroutine[Any, Any, int]:
        """
        Ask how many items there are.
        """
    def within(self, /, seconds: float) -> ListingSource:
        """
        The same, if it answers within so many seconds.
        """

@final
class Media:
    """
    A video or an audio recording.

    It is what Studio said when it was asked: it does not change, and reading an attribute sends nothing. Every
    attribute but `id` may be `None`; lists send fewer of them than `get_media`.
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
    def archive_async(self, /) -> Coroutine[Any, Any, Media]:
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
    def change_permissions(self, /, changes: Iterable[PermissionChange | Mapping[str, Any]]) -> Permissions:
        """
        Change with whom it is shared.

        Args:
            changes: `PermissionChange` objects, or dicts with the same names. Whether Studio carries out either all of
                them or none is not documented.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if one to update or destroy does not exist, or one to create exists already.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.
            ResponseDecodeError: If Studio says yes, and its list shows that it did not make the change.

        Reference: Media page, /media/{media_id}/permissions (POST is observed; of two bodies, one is inferred and one typed by a public client).
        """
    def change_permissions_async(
        self, /, changes: Iterable[PermissionChange | Mapping[str, Any]]
    ) -> Coroutine[Any, Any, Permissions]:
        """
        Change with whom it is shared.

        Args:
            changes: `PermissionChange` objects, or dicts with the same names. Whether Studio carries out either all of
                them or none is not documented.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if one to update or destroy does not exist, or one to create exists already.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.
            ResponseDecodeError: If Studio says yes, and its list shows that it did not make the change.

        Reference: Media page, /media/{media_id}/permissions (POST is observed; of two bodies, one is inferred and one typed by a public client).
        """
    @property
    def collection(self, /) -> Collection | None:
        """
        The collection that it is in; only `get_media`, `refresh` and the like tell.
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
            downloadable: Whether viewers may download it; Studio's own default if left out.

        Returns:
            The URL. It works only when it is launched over LTI.

        Raises:
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there, or if Studio has not met the course: somebody has to open Studio
                from the course in Canvas once (observed).
            UnprocessableEntityError: 422, if something is not valid.

        Reference: Media page, /media/{media_id}/create_embed (the method, POST, is observed).
        """
    def create_embed_async(
        self,
        /,
        *,
        course_id: int | Course | Collection,
        embed_type: "Literal['embed', 'bare_embed']" = "embed",
        downloadable: bool | None = None,
    ) -> Coroutine[Any, Any, str]:
        """
        Add it to the collection of a course, and get the URL that launches it there.

        Args:
            course_id: The course's id in Canvas, or a `Course` or a `Collection` that has one.
            embed_type: `embed` for a player with media tabs, `bare_embed` for the player alone.
            downloadable: Whether viewers may download it; Studio's own default if left out.

        Returns:
            The URL. It works only when it is launched over LTI.

        Raises:
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there, or if Studio has not met the course: somebody has to open Studio
                from the course in Canvas once (observed).
            UnprocessableEntityError: 422, if something is not valid.

        Reference: Media page, /media/{media_id}/create_embed (the method, POST, is observed).
        """
    @property
    def created_at(self, /) -> datetime | None:
        """
        When it was made, in UTC.
        """
    def delete(self, /) -> Media:
        """
        Delete it with all its perspectives. There is no way back.

        Returns:
            The media as it was.

        Raises:
            PermissionDeniedError: 403, if the caller may not delete it.
            NotFoundError: 404, if it is no longer there.

        Reference: Media page, DELETE /media/{media_id}.
        """
    def delete_async(self, /) -> Coroutine[Any, Any, Media]:
        """
        Delete it with all its perspectives. There is no way back.

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
    def download(
        self,
        /,
        path: str | PathLike[str],
        *,
        quality: str | None = None,
        progress: bool | Callable[[int, int | None], object] | None = ...,
        max_bytes: int | None = None,
    ) -> Path:
        """
        Download it into a file.

        It is written to `PATH.part` and has its name only when it is whole. A broken connection is taken up where it
        broke; if the signed URL expires, a new one is asked for.

        Args:
            path: The file; one that is there is replaced.
            quality: Which version; the best if left out. The words are not documented.
            progress: `True` for a progress bar (needs tqdm), or a callable that is given the bytes so far and the bytes
                in all (`None` if unknown), several times a second, on the calling thread.
            max_bytes: The most bytes that the file may have, 1 or more; no limit if left out. A larger file is refused,
                before it is transferred if its length is announced, and nothing of it stays.

        Returns:
            The path.

        Raises:
            PermissionDeniedError: 403, if the caller is neither the owner nor an administrator.
            NotFoundError: 404, if it is no longer there, or not in that quality.
            UnprocessableEntityError: 422, if it is external (YouTube, Vimeo).
            ResponseDecodeError: If what comes is not a recording, or is larger than `max_bytes`.
            OSError: If the file cannot be written.

        Reference: Media page, GET /media/{media_id}/download.
        """
    def download_async(
        self,
        /,
        path: str | PathLike[str],
        *,
        quality: str | None = None,
        progress: bool | Callable[[int, int | None], object] | None = ...,
        max_bytes: int | None = None,
    ) -> Coroutine[Any, Any, Path]:
        """
        Download it into a file.

        It is written to `PATH.part` and has its name only when it is whole. A broken connection is taken up where it
        broke; if the signed URL expires, a new one is asked for.

        Args:
            path: The file; one that is there is replaced.
            quality: Which version; the best if left out. The words are not documented.
            progress: `True` for a progress bar (needs tqdm), or a callable that is given the bytes so far and the bytes
                in all (`None` if unknown), several times a second, on the calling thread.
            max_bytes: The most bytes that the file may have, 1 or more; no limit if left out. A larger file is refused,
                before it is transferred if its length is announced, and nothing of it stays.

        Returns:
            The path.

        Raises:
            PermissionDeniedError: 403, if the caller is neither the owner nor an administrator.
            NotFoundError: 404, if it is no longer there, or not in that quality.
            UnprocessableEntityError: 422, if it is external (YouTube, Vimeo).
            ResponseDecodeError: If what comes is not a recording, or is larger than `max_bytes`.
            OSError: If the file cannot be written.

        Reference: Media page, GET /media/{media_id}/download.
        """
    def download_url(self, /, *, quality: str | None = None) -> str:
        """
        Get the signed URL from which it can be downloaded for 24 hours. Treat it as a secret.

        Args:
            quality: Which version; the best if left out. The words are not documented.

        Returns:
            The URL. It must not be sent the access token.

        Raises:
            PermissionDeniedError: 403, if the caller is neither the owner nor an administrator.
            NotFoundError: 404, if it is no longer there, or not in that quality.
            UnprocessableEntityError: 422, if it is external (YouTube, Vimeo).

        Reference: Media page, GET /media/{media_id}/download.
        """
    def download_url_async(self, /, *, quality: str | None = None) -> Coroutine[Any, Any, str]:
        """
        Get the signed URL from which it can be downloaded for 24 hours. Treat it as a secret.

        Args:
            quality: Which version; the best if left out. The words are not documented.

        Returns:
            The URL. It must not be sent the access token.

        Raises:
            PermissionDeniedError: 403, if the caller is neither the owner nor an administrator.
            NotFoundError: 404, if it is no longer there, or not in that quality.
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
        Fields that are not documented, as they were sent.
        """
    @staticmethod
    def from_dict(fields: Mapping[str, Any]) -> Media:
        """
        Make one from a dict such as `to_dict()` returns. It knows no client.

        Args:
            fields: The fields; all but `id` may be missing.

        Returns:
            The object.

        Raises:
            InvalidArgumentError: If there is no `id` that can be read, or if it cannot be JSON. Any other field that
                cannot be read stands in `extra`.
        """
    @property
    def id(self, /) -> int:
        """
        Studio's id of the media.
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
        To whom it belongs.
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
    def permissions_async(self, /) -> Coroutine[Any, Any, Permissions]:
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
        List its perspectives: where it is placed.

        Returns:
            A listing of `Perspective`, each with its collection.

        Reference: Media page, GET /media/{media_id}/perspectives.
        """
    def refresh(self, /) -> Media:
        """
        Ask for it anew.

        Returns:
            The media as it is now; this object does not change.

        Raises:
            NotFoundError: 404, if it is no longer there.

        Reference: Media page, GET /media/{media_id}.
        """
    def refresh_async(self, /) -> Coroutine[Any, Any, Media]:
        """
        Ask for it anew.

        Returns:
            The media as it is now; this object does not change.

        Raises:
            NotFoundError: 404, if it is no longer there.

        Reference: Media page, GET /media/{media_id}.
        """
    @property
    def size(self, /) -> int | None:
        """
        The size in bytes.
        """
    @property
    def source(self, /) -> str | None:
        """
        Where it comes from. The words are not documented.
        """
    def sources(self, /) -> Listing[Source]:
        """
        List its files and streams.

        Returns:
            A listing of `Source`.

        Reference: Media page, GET /media/{media_id}/sources.
        """
    @property
    def thumbnail_url(self, /) -> str | None:
        """
        Where its thumbnail is. That of an audio recording may look right and yet not load.
        """
    @property
    def title(self, /) -> str | None:
        """
        The title.
        """
    def to_dict(self, /) -> dict[str, Any]:
        """
        Return it as a dict that `json.dumps` takes.

        Returns:
            Every documented field, `None` where Studio sent none, then the undocumented ones as they were sent.
        """
    @property
    def transcoding_status(self, /) -> str | None:
        """
        How far Studio is with it: `transcoding_finished` is ready; the other words are not documented.
        """
    def unarchive(self, /, *, collection_id: int | Collection | None = None) -> Media:
        """
        Bring it back from the archive, with all its perspectives.

        Args:
            collection_id: The collection, or its id, into which it is put; left out, it is not moved.

        Returns:
            The media.

        Raises:
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.

        Reference: Media page, /media/{media_id}/unarchive (the method, POST, is inferred).
        """
    def unarchive_async(self, /, *, collection_id: int | Collection | None = None) -> Coroutine[Any, Any, Media]:
        """
        Bring it back from the archive, with all its perspectives.

        Args:
            collection_id: The collection, or its id, into which it is put; left out, it is not moved.

        Returns:
            The media.

        Raises:
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if it is no longer there.

        Reference: Media page, /media/{media_id}/unarchive (the method, POST, is inferred).
        """
    def users(self, /, *, min_permission: "Literal['access', 'view', 'edit']" = "access") -> Listing[User]:
        """
        List everyone who has access to it, directly or not.

        Args:
            min_permission: The least that they may do: `access`, `view` or `edit`, each of which includes those before.

        Returns:
            A listing of `User`, each with a permission.

        Reference: Media page, GET /media/{media_id}/users.
        """

@final
class MemoryTokenStore:
    """
    Keeps tokens for as long as this process lives.

    It is not for several processes: after a fork, both would refresh with the same refresh token, which works once.

    Args:
        tokens: What it holds at first.
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
        Keep others from refreshing.

        Returns:
            A context manager, for one `with`.
        """
    def save(self, /, tokens: Tokens | None) -> None:
        """
        Keep tokens in place of those that are there.

        Args:
            tokens: The tokens; `None` forgets them.
        """

@final
class OAuth:
    """
    The sign-in of one person at one school: a developer key, and where the person's tokens are kept.

    Share it between clients: they refresh the tokens together, once.

    Args:
        client_id: The developer key's id.
        client_secret: Its secret.
        store: Where the tokens are: a `FileTokenStore`, a `KeyringTokenStore`, a `MemoryTokenStore` (if left out), or a
            store of your own.
        url: The school, as for `StudioClient`. Only `authorization_url()` and `exchange()` need it.
        redirect_uri: Where Studio sends the browser with the code. It is one of the developer key's; with the default
            Studio shows the code instead.
        proxy: For `exchange()`, as for `StudioClient`, which has its own for refreshing.
        ca_bundle: Likewise.

    Raises:
        InvalidArgumentError: If an argument cannot be right.
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
        Make the URL of the page on which a person signs in and allows it. Nothing is sent.

        Args:
            state: A value of your own that nobody can guess, such as `secrets.token_urlsafe()`. Keep it in the session of
                the person, and give it to `exchange()`: Studio sends it back (observed in 2026; it did not in 2024).
            code_verifier: A second such value, `secrets.token_urlsafe(48)`, for PKCE (RFC 7636): the code is then good only
                together with it, so nobody can slip in a code of their own. Keep it like the `state`, and give it to
                `exchange()`. Studio tolerates it (inferred); whether it checks it is unknown.

        Returns:
            The URL, for a browser.

        Raises:
            InvalidArgumentError: If the school was not given, or the `code_verifier` is none.
        """
    @property
    def client_id(self, /) -> str:
        """
        The developer key's id.
        """
    def exchange(self, /, code: str, state: str | None = None, *, code_verifier: str | None = None) -> Tokens:
        """
        Turn the code of a person's signing in into tokens, and keep them in the store.

        Args:
            code: The code, or the whole URL that the browser was redirected to, as a person pastes it.
            state: The `state` that `authorization_url()` was given. If the URL has another one, nothing is sent. One
                without any is accepted: Studio sent none back in 2024, and does in 2026 (observed).
            code_verifier: The `code_verifier` that `authorization_url()` was given.

        Returns:
            The tokens; by then they are in the store.

        Raises:
            InvalidArgumentError: If there is no code in it, or if the URL is another one than the redirect URI.
            SignInError: If the person denied access, if Studio takes the code or the key for wrong, or if the URL has
                another `state` (its `reason` is then `other_state`).
            TokenStoreError: If the tokens could not be kept.

        Reference: none; observed in several clients, and in the vendor's guide for Postman.
        """
    def exchange_async(
        self, /, code: str, state: str | None = None, *, code_verifier: str | None = None
    ) -> Coroutine[Any, Any, Tokens]:
        """
        Turn the code of a person's signing in into tokens, and keep them in the store.

        Args:
            code: The code, or the whole URL that the browser was redirected to, as a person pastes it.
            state: The `state` that `authorization_url()` was given. If the URL has another one, nothing is sent. One
                without any is accepted: Studio sent none back in 2024, and does in 2026 (observed).
            code_verifier: The `code_verifier` that `authorization_url()` was given.

        Returns:
            The tokens; by then they are in the store.

        Raises:
            InvalidArgumentError: If there is no code in it, or if the URL is another one than the redirect URI.
            SignInError: If the person denied access, if Studio takes the code or the key for wrong, or if the URL has
                another `state` (its `reason` is then `other_state`).
            TokenStoreError: If the tokens could not be kept.

        Reference: none; observed in several clients, and in the vendor's guide for Postman.
        """
    def forget(self, /) -> None:
        """
        Log out: forget the tokens, here and in the store. Studio has no documented way to revoke them.

        Returns:
            None.

        Raises:
            TokenStoreError: If the store cannot be written.

        Reference: none; nothing is sent.
        """
    def forget_async(self, /) -> Coroutine[Any, Any, None]:
        """
        Log out: forget the tokens, here and in the store. Studio has no documented way to revoke them.

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
        Where the tokens are.
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
    def arrow_stream(self, /, progress: Any | None) -> Any:
        """
        Read it as a stream of Arrow's, in a capsule. `progress` is called with the rows so far and in all.
        """
    def checkpoint(self, /, given: int | None) -> Checkpoint | None:
        """
        Where it is, when so many items of this reading were given on, or all that were handed over. `None` if that
        is before what was handed over last.
        """
    def close(self, /) -> None:
        """
        Stop reading ahead.
        """
    @property
    def drift(self, /) -> tuple[int, int, int, int | None, int | None]:
        """
        What happened to the list so far.
        """
    def next_columns(self, /) -> ArrowBatch | None:
        """
        Read some thousand rows as columns; `None` at the end.
        """
    def next_columns_async(self, /) -> Coroutine[Any, Any, ArrowBatch | None]:
        """
        Read some thousand rows as columns; `None` at the end.
        """
    def next_pages(self, /) -> list[list[Any]] | None:
        """
        Read what is ready: the items of each page that has any; `None` at the end.
        """
    def next_pages_async(self, /) -> Coroutine[Any, Any, list[list[Any]] | None]:
        """
        Read what is ready: the items of each page that has any; `None` at the end.
        """
    @property
    def total(self, /) -> int | None:
        """
        How many items there are in all, as Studio said last.
        """

@final
class SandboxServer:
    """
    The server behind `canvas_studio.sandbox.Sandbox`, which is what to use.
    """
    def __new__(cls, /, options: Any) -> SandboxServer: ...
    def add(self, /, kind: str, fields: Any) -> int: ...
    def add_fault(self, /, fields: Any) -> int: ...
    def allow(self, /, query: dict[str, str], user_id: int | None) -> str: ...
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
    def oauth_token(self, /, user_id: int | None) -> dict[str, Any]: ...
    @property
    def panics(self, /) -> int:
        """
        How many requests ended in a fault of the sandbox's own.
        """
    @property
    def port(self, /) -> int: ...
    @property
    def redirect_uris(self, /) -> list[str]: ...
    def remove_fault(self, /, id: int) -> bool: ...
    def requests(self, /) -> list[dict[str, Any]]: ...
    def reset(self, /) -> None: ...
    def snapshot(self, /, path: str | PathLike[str]) -> None: ...
    @property
    def storage_url(self, /) -> str: ...
    @property
    def token(self, /) -> str: ...
    def token_for(self, /, user_id: int) -> str: ...
    @property
    def url(self, /) -> str: ...
    def users(self, /) -> list[dict[str, Any]]: ...

@final
class StoreLock:
    """
    The lock of a token store, for one `with`.
    """
    def __enter__(self, /) -> None: ...
    def __exit__(self, /, _kind: Any, _error: Any, _traceback: Any) -> None: ...

@final
class StudioClient:
    """
    A client of one school's Studio.

    It can be used from any number of threads and event loops, and after a fork. Every operation has two forms: `f`
    blocks, and `f_async` is a coroutine with the same arguments, result and exceptions. What lists returns a `Listing`,
    which is read with `for` or with `async for`.

    It can be pickled for other processes, which find its secrets again where this one finds them: in the environment
    (`CANVAS_STUDIO_TOKEN`), or in a profile and the token store of its `OAuth`. No secret is in the pickle.

    Args:
        url: The school's name (`"myschool"`), its host, or its URL. `http` only on this machine.
        token: An access token that you look after.
        auth: Instead of a token, an `OAuth`, which looks after its tokens itself.
        proxy: The proxy's URL (`"http://host:port"`, or `"http://user:password@host:port"`), instead of `HTTPS_PROXY`,
            `NO_PROXY` and the system's settings.
        ca_bundle: A file in PEM form, or a folder of such files, with the certificate authorities to trust, instead of
            `REQUESTS_CA_BUNDLE`, `SSL_CERT_FILE` and the system's trust store.
        timeout: Seconds (or a timedelta) for one call with all its repetitions; `float("inf")` for no limit. Downloads
            have none.
        connect_timeout: Seconds for making a connection; it never takes longer than `read_timeout`.
        read_timeout: Seconds without a byte from the server.
        max_retries: How often a request is repeated. What may have been carried out is never repeated blindly.
        retry_delay: Seconds before the first repetition; they double with each, and chance shortens them.
        max_retry_wait: Seconds that a server may ask to be left alone; if it asks for more, the error is raised.
        max_concurrency: How many pages of one list are asked for at once, 1 to 64. It falls by itself where Studio says
            that it is too much, or becomes slow.
        max_connections: How many requests are under way at once, 1 to 1000, and so how many connections there are. Further
            calls wait in line, which counts as part of `timeout`. Clients made by `with_options` share it with this one,
            unless they are given another.
        max_rate: How many requests a second begin at the most; no limit if left out. Clients made by `with_options` share
            it with this one.

    Raises:
        InvalidArgumentError: If an argument cannot be right.
    """
    def __aenter__(self, /) -> Coroutine[Any, Any, StudioClient]: ...
    def __aexit__(self, /, _kind: Any, _error: Any, _traceback: Any) -> Coroutine[Any, Any, None]: ...
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
    ) -> StudioClient: ...
    def __reduce__(self, /) -> tuple[Any, Any]: ...
    def __repr__(self, /) -> str: ...
    def _server_date(self, /) -> str | None:
        """
        What time it is at the server, as its `Date` says it; for `canvas-studio ping`.
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
    def archive_collection_async(self, /, id: int | Collection) -> Coroutine[Any, Any, Collection | None]:
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
    def archive_media_async(self, /, id: int | Media) -> Coroutine[Any, Any, Media]:
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
            changes: `PermissionChange` objects, or dicts with the same names. Whether Studio carries out either all of
                them or none is not documented.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if one to update or destroy does not exist, or one to create exists already.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such collection.
            UnprocessableEntityError: 422, if something is not valid.
            ResponseDecodeError: If Studio says yes, and its list shows that it did not make the change.

        Reference: Collection page, POST /collections/{collection_id}/permissions.
        """
    def change_collection_permissions_async(
        self, /, id: int | Collection, changes: Iterable[PermissionChange | Mapping[str, Any]]
    ) -> Coroutine[Any, Any, Permissions]:
        """
        Change with whom a collection is shared.

        Args:
            id: The collection, or its id.
            changes: `PermissionChange` objects, or dicts with the same names. Whether Studio carries out either all of
                them or none is not documented.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if one to update or destroy does not exist, or one to create exists already.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such collection.
            UnprocessableEntityError: 422, if something is not valid.
            ResponseDecodeError: If Studio says yes, and its list shows that it did not make the change.

        Reference: Collection page, POST /collections/{collection_id}/permissions.
        """
    def change_media_permissions(
        self, /, id: int | Media, changes: Iterable[PermissionChange | Mapping[str, Any]]
    ) -> Permissions:
        """
        Change with whom a media is shared.

        Args:
            id: The media, or its id.
            changes: `PermissionChange` objects, or dicts with the same names. Whether Studio carries out either all of
                them or none is not documented.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if one to update or destroy does not exist, or one to create exists already.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such media.
            UnprocessableEntityError: 422, if something is not valid.
            ResponseDecodeError: If Studio says yes, and its list shows that it did not make the change.

        Reference: Media page, /media/{media_id}/permissions (POST is observed; of two bodies, one is inferred and one typed by a public client).
        """
    def change_media_permissions_async(
        self, /, id: int | Media, changes: Iterable[PermissionChange | Mapping[str, Any]]
    ) -> Coroutine[Any, Any, Permissions]:
        """
        Change with whom a media is shared.

        Args:
            id: The media, or its id.
            changes: `PermissionChange` objects, or dicts with the same names. Whether Studio carries out either all of
                them or none is not documented.

        Returns:
            All users and groups with whom it is shared now.

        Raises:
            BadRequestError: 400, if one to update or destroy does not exist, or one to create exists already.
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such media.
            UnprocessableEntityError: 422, if something is not valid.
            ResponseDecodeError: If Studio says yes, and its list shows that it did not make the change.

        Reference: Media page, /media/{media_id}/permissions (POST is observed; of two bodies, one is inferred and one typed by a public client).
        """
    def close(self, /) -> None:
        """
        End what is under way with `ClientClosedError`, and refuse what comes.
        """
    def create_collection(self, /, name: str, *, user_id: int | Owner | User | None = None) -> Collection:
        """
        Make a collection.

        Args:
            name: Its name.
            user_id: The Studio user (an id, an `Owner` or a `User`) in whose library it is made; the caller's own if
                left out. Only an administrator may make one for another user.

        Returns:
            The new collection.

        Raises:
            PermissionDeniedError: 403, if the caller may not make it for that user.
            NotFoundError: 404, if there is no such user.
            UnprocessableEntityError: 422, if the user id is not valid.

        Reference: Collection page, POST /collections.
        """
    def create_collection_async(
        self, /, name: str, *, user_id: int | Owner | User | None = None
    ) -> Coroutine[Any, Any, Collection]:
        """
        Make a collection.

        Args:
            name: Its name.
            user_id: The Studio user (an id, an `Owner` or a `User`) in whose library it is made; the caller's own if
                left out. Only an administrator may make one for another user.

        Returns:
            The new collection.

        Raises:
            PermissionDeniedError: 403, if the caller may not make it for that user.
            NotFoundError: 404, if there is no such user.
            UnprocessableEntityError: 422, if the user id is not valid.

        Reference: Collection page, POST /collections.
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
            downloadable: Whether viewers may download it; Studio's own default if left out.

        Returns:
            The URL. It works only when it is launched over LTI.

        Raises:
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such media, or if Studio has not met the course: somebody has to open Studio
                from the course in Canvas once (observed).
            UnprocessableEntityError: 422, if something is not valid.

        Reference: Media page, /media/{media_id}/create_embed (the method, POST, is observed).
        """
    def create_embed_async(
        self,
        /,
        media_id: int | Media,
        *,
        course_id: int | Course | Collection,
        embed_type: "Literal['embed', 'bare_embed']" = "embed",
        downloadable: bool | None = None,
    ) -> Coroutine[Any, Any, str]:
        """
        Add a media to the collection of a course, and get the URL that launches it there.

        Args:
            media_id: The media, or its id.
            course_id: The course's id in Canvas, or a `Course` or a `Collection` that has one.
            embed_type: `embed` for a player with media tabs, `bare_embed` for the player alone.
            downloadable: Whether viewers may download it; Studio's own default if left out.

        Returns:
            The URL. It works only when it is launched over LTI.

        Raises:
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such media, or if Studio has not met the course: somebody has to open Studio
                from the course in Canvas once (observed).
            UnprocessableEntityError: 422, if something is not valid.

        Reference: Media page, /media/{media_id}/create_embed (the method, POST, is observed).
        """
    def delete_collection(self, /, id: int | Collection) -> Collection | None:
        """
        Delete a collection with all its media and perspectives. There is no way back.

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
    def delete_collection_async(self, /, id: int | Collection) -> Coroutine[Any, Any, Collection | None]:
        """
        Delete a collection with all its media and perspectives. There is no way back.

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
        Delete a media with all its perspectives. There is no way back.

        Args:
            id: The media, or its id.

        Returns:
            The media as it was.

        Raises:
            PermissionDeniedError: 403, if the caller may not delete it.
            NotFoundError: 404, if there is no such media.

        Reference: Media page, DELETE /media/{media_id}.
        """
    def delete_media_async(self, /, id: int | Media) -> Coroutine[Any, Any, Media]:
        """
        Delete a media with all its perspectives. There is no way back.

        Args:
            id: The media, or its id.

        Returns:
            The media as it was.

        Raises:
            PermissionDeniedError: 403, if the caller may not delete it.
            NotFoundError: 404, if there is no such media.

        Reference: Media page, DELETE /media/{media_id}.
        """
    def download_media(
        self,
        /,
        id: int | Media,
        path: str | PathLike[str],
        *,
        quality: str | None = None,
        progress: bool | Callable[[int, int | None], object] | None = ...,
        max_bytes: int | None = None,
    ) -> Path:
        """
        Download a media into a file.

        It is written to `PATH.part` and has its name only when it is whole. A broken connection is taken up where it
        broke; if the signed URL expires, a new one is asked for.

        Args:
            id: The media, or its id.
            path: The file; one that is there is replaced.
            quality: Which version; the best if left out. The words are not documented.
            progress: `True` for a progress bar (needs tqdm), or a callable that is given the bytes so far and the bytes
                in all (`None` if unknown), several times a second, on the calling thread.
            max_bytes: The most bytes that the file may have, 1 or more; no limit if left out. A larger file is refused,
                before it is transferred if its length is announced, and nothing of it stays.

        Returns:
            The path.

        Raises:
            PermissionDeniedError: 403, if the caller is neither the owner nor an administrator.
            NotFoundError: 404, if there is no such media, or not in that quality.
            UnprocessableEntityError: 422, if the media is external (YouTube, Vimeo), or Studio does not accept `quality`.
            ResponseDecodeError: If what comes is not a recording, or is larger than `max_bytes`.
            OSError: If the file cannot be written.

        Reference: Media page, GET /media/{media_id}/download.
        """
    def download_media_async(
        self,
        /,
        id: int | Media,
        path: str | PathLike[str],
        *,
        quality: str | None = None,
        progress: bool | Callable[[int, int | None], object] | None = ...,
        max_bytes: int | None = None,
    ) -> Coroutine[Any, Any, Path]:
        """
        Download a media into a file.

        It is written to `PATH.part` and has its name only when it is whole. A broken connection is taken up where it
        broke; if the signed URL expires, a new one is asked for.

        Args:
            id: The media, or its id.
            path: The file; one that is there is replaced.
            quality: Which version; the best if left out. The words are not documented.
            progress: `True` for a progress bar (needs tqdm), or a callable that is given the bytes so far and the bytes
                in all (`None` if unknown), several times a second, on the calling thread.
            max_bytes: The most bytes that the file may have, 1 or more; no limit if left out. A larger file is refused,
                before it is transferred if its length is announced, and nothing of it stays.

        Returns:
            The path.

        Raises:
            PermissionDeniedError: 403, if the caller is neither the owner nor an administrator.
            NotFoundError: 404, if there is no such media, or not in that quality.
            UnprocessableEntityError: 422, if the media is external (YouTube, Vimeo), or Studio does not accept `quality`.
            ResponseDecodeError: If what comes is not a recording, or is larger than `max_bytes`.
            OSError: If the file cannot be written.

        Reference: Media page, GET /media/{media_id}/download.
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
    ) -> StudioClient:
        """
        Make a client from arguments, environment variables, and a profile that `canvas-studio login` has made.

        An argument wins over a variable, and a variable over the profile: `CANVAS_STUDIO_URL`, `CANVAS_STUDIO_TOKEN`,
        or `CANVAS_STUDIO_CLIENT_ID`, `CANVAS_STUDIO_CLIENT_SECRET` and `CANVAS_STUDIO_TOKEN_FILE`; `CANVAS_STUDIO_PROFILE`
        names the profile. With a profile that is named here, the variables are not looked at. Nothing secret is sent to a
        URL that came from elsewhere.

        Args:
            profile: The profile; if left out, the variable's, or the only one that there is.
            url: Instead of `CANVAS_STUDIO_URL`.
            token: Instead of `CANVAS_STUDIO_TOKEN`.
            auth: Instead of a token.
            proxy: As for the client itself, and so are the others.
            ca_bundle: Likewise.
            timeout: Likewise.
            connect_timeout: Likewise.
            read_timeout: Likewise.
            max_retries: Likewise.
            retry_delay: Likewise.
            max_retry_wait: Likewise.
            max_concurrency: Likewise.
            max_connections: Likewise.
            max_rate: Likewise.

        Returns:
            A client.

        Raises:
            InvalidArgumentError: If something is missing, does not fit together, or cannot be right.
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
    def get_collection_async(self, /, id: int | Collection) -> Coroutine[Any, Any, Collection]:
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
    def get_collection_permissions_async(self, /, id: int | Collection) -> Coroutine[Any, Any, Permissions]:
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
    def get_download_url(self, /, id: int | Media, *, quality: str | None = None) -> str:
        """
        Get the signed URL from which a media can be downloaded for 24 hours. Treat it as a secret.

        Args:
            id: The media, or its id.
            quality: Which version; the best if left out. The words are not documented.

        Returns:
            The URL. It must not be sent the access token.

        Raises:
            PermissionDeniedError: 403, if the caller is neither the owner nor an administrator.
            NotFoundError: 404, if there is no such media, or not in that quality.
            UnprocessableEntityError: 422, if the media is external (YouTube, Vimeo), or Studio does not accept `quality`.

        Reference: Media page, GET /media/{media_id}/download.
        """
    def get_download_url_async(self, /, id: int | Media, *, quality: str | None = None) -> Coroutine[Any, Any, str]:
        """
        Get the signed URL from which a media can be downloaded for 24 hours. Treat it as a secret.

        Args:
            id: The media, or its id.
            quality: Which version; the best if left out. The words are not documented.

        Returns:
            The URL. It must not be sent the access token.

        Raises:
            PermissionDeniedError: 403, if the caller is neither the owner nor an administrator.
            NotFoundError: 404, if there is no such media, or not in that quality.
            UnprocessableEntityError: 422, if the media is external (YouTube, Vimeo), or Studio does not accept `quality`.

        Reference: Media page, GET /media/{media_id}/download.
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
    def get_media_async(self, /, id: int | Media) -> Coroutine[Any, Any, Media]:
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
    def get_media_permissions_async(self, /, id: int | Media) -> Coroutine[Any, Any, Permissions]:
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
    def list_collection_media(
        self, /, id: int | Collection, *, page: "int" = 1, per_page: "int" = 50
    ) -> Listing[Media]:
        """
        List the media in a collection.

        Args:
            id: The collection, or its id.
            page: The page to begin with.
            per_page: How many items are asked for at once, 1 to 50.

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
            page: The page to begin with.
            per_page: How many items are asked for at once, 1 to 50.

        Returns:
            A listing of `Collection`.

        Reference: Collection page, GET /collections.
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
        List the perspectives of a media: where it is placed.

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
            min_permission: The least that they may do: `access`, `view` or `edit`, each of which includes those before.

        Returns:
            A listing of `User`, each with a permission.

        Raises, while it is read:
            PermissionDeniedError: 403, if the caller may not see that.
            NotFoundError: 404, if there is no such media.
            UnprocessableEntityError: 422, if something is not valid.

        Reference: Media page, GET /media/{media_id}/users.
        """
    def paginate(
        self, /, path: str, *, key: str, params: Mapping[str, Any] | None = None, page: "int" = 1, per_page: "int" = 50
    ) -> Listing[dict[str, Any]]:
        """
        Read any list of Studio's API page by page, as every other list is read.

        Args:
            path: The part behind `/api/public/v1`, such as `"/users/7/media"`.
            key: The name under which the answer holds the items, such as `"media"`.
            params: The query: strings, numbers, bools, dates, UUIDs, or lists of them; `None` is left out.
            page: The page to begin with.
            per_page: How many items are asked for at once, 1 to 50.

        Returns:
            A listing of dicts.

        Reference: every page with `page` and `per_page`.
        """
    def request(
        self, /, method: str, path: str, *, params: Mapping[str, Any] | None = None, json: Any | None = None
    ) -> Any:
        """
        Send any request to Studio's API, with the token, the repetitions and the errors of every other.

        Args:
            method: `GET`, `POST`, `PUT`, `PATCH` or `DELETE`. Only a `GET` is repeated when it may have been carried out.
            path: The part behind `/api/public/v1`, such as `"/users/7"`.
            params: The query: strings, numbers, bools, dates, UUIDs, or lists of them; `None` is left out.
            json: The body.

        Returns:
            The parsed JSON; a `str` if the answer is plain text or CSV; `None` if it is empty.

        Raises:
            InvalidArgumentError: If the request would leave Studio's API.
            APIStatusError: If Studio says no.
            ResponseDecodeError: If the answer is neither.

        Reference: every page.
        """
    def request_async(
        self, /, method: str, path: str, *, params: Mapping[str, Any] | None = None, json: Any | None = None
    ) -> Coroutine[Any, Any, Any]:
        """
        Send any request to Studio's API, with the token, the repetitions and the errors of every other.

        Args:
            method: `GET`, `POST`, `PUT`, `PATCH` or `DELETE`. Only a `GET` is repeated when it may have been carried out.
            path: The part behind `/api/public/v1`, such as `"/users/7"`.
            params: The query: strings, numbers, bools, dates, UUIDs, or lists of them; `None` is left out.
            json: The body.

        Returns:
            The parsed JSON; a `str` if the answer is plain text or CSV; `None` if it is empty.

        Raises:
            InvalidArgumentError: If the request would leave Studio's API.
            APIStatusError: If Studio says no.
            ResponseDecodeError: If the answer is neither.

        Reference: every page.
        """
    def resume(self, /, checkpoint: Checkpoint) -> Listing[Any]:
        """
        Go on with a list where a checkpoint was taken of its reading, perhaps in another process.

        Args:
            checkpoint: What `Listing.checkpoint` has given.

        Returns:
            A listing of what had not been given. If items vanished or appeared meanwhile, the list is read again, as it
            is in one process.

        Raises:
            InvalidArgumentError: If it is of another school.

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
        Search for media. All that is given must hold; if nothing is given, everything that the caller may see is found.

        Args:
            title: A part of the title.
            min_size: The least size, in bytes.
            max_size: The greatest size, in bytes.
            start_date: The first day of creation, as a date or as `"YYYY-MM-DD"`.
            end_date: The last day of creation.
            last_viewed_start_date: The first day of the last view.
            last_viewed_end_date: The last day of the last view.
            last_viewed_by_student_start_date: The first day of the last view by a student.
            last_viewed_by_student_end_date: The last day of the last view by a student.
            owner: The e-mail address of the owner. Owners without one cannot be searched for.
            tag: The whole name of a tag.
            source: Where the media comes from. The words are not documented.
            page: The page to begin with.
            per_page: How many items are asked for at once, 1 to 50.

        Returns:
            A listing of `Media`.

        Raises, while it is read:
            UnprocessableEntityError: 422, if something is not valid.

        Reference: Media page, GET /media/search.
        """
    def unarchive_collection(self, /, id: int | Collection) -> Collection | None:
        """
        Bring a collection back from the archive, with all its media and perspectives.

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
    def unarchive_collection_async(self, /, id: int | Collection) -> Coroutine[Any, Any, Collection | None]:
        """
        Bring a collection back from the archive, with all its media and perspectives.

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
        Bring a media back from the archive, with all its perspectives.

        Args:
            id: The media, or its id.
            collection_id: The collection, or its id, into which it is put; left out, it is not moved.

        Returns:
            The media.

        Raises:
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such media.

        Reference: Media page, /media/{media_id}/unarchive (the method, POST, is inferred).
        """
    def unarchive_media_async(
        self, /, id: int | Media, *, collection_id: int | Collection | None = None
    ) -> Coroutine[Any, Any, Media]:
        """
        Bring a media back from the archive, with all its perspectives.

        Args:
            id: The media, or its id.
            collection_id: The collection, or its id, into which it is put; left out, it is not moved.

        Returns:
            The media.

        Raises:
            PermissionDeniedError: 403, if the caller may not do that.
            NotFoundError: 404, if there is no such media.

        Reference: Media page, /media/{media_id}/unarchive (the method, POST, is inferred).
        """
    @property
    def url(self, /) -> str:
        """
        The school's URL.
        """
    def with_options(
        self,
        /,
        *,
        timeout: float | timedelta | None = None,
        connect_timeout: float | timedelta | None = None,
        read_timeout: float | timedelta | None = None,
        max_retries: int | None = None,
        retry_delay: float | timedelta | None = None,
        max_retry_wait: float | timedelta | None = None,
        max_concurrency: int | None = None,
        max_connections: int | None = None,
        max_rate: float | None = None,
    ) -> StudioClient:
        """
        Make a client with other options, for some calls.

        It shares the connections of this one, unless connecting may take another time, and is closed by itself.

        Args:
            timeout: As for the client itself, and so are the others; what is left out stays as it is.
            connect_timeout: Likewise.
            read_timeout: Likewise.
            max_retries: Likewise.
            retry_delay: Likewise.
            max_retry_wait: Likewise.
            max_concurrency: Likewise.
            max_connections: Likewise; another number is counted for the new client alone, and those made of it.
            max_rate: Likewise; `float("inf")` for no limit.

        Returns:
            The client.

        Raises:
            InvalidArgumentError: If an argument cannot be right.
        """

@final
class Tokens:
    """
    The tokens that a person's signing in gave. They are secrets: they are shown to nobody, and not pickled.

    Args:
        access_token: What authorizes requests.
        refresh_token: What gives the next access token, once.
        expires_at: When the access token ends, as a datetime with a zone; `None` if that is not known.
        url: The school's URL; tokens are sent to no other.

    Raises:
        InvalidArgumentError: If something is no token.
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
        What authorizes requests.
        """
    @property
    def expires_at(self, /) -> datetime | None:
        """
        When the access token ends, in UTC, if that is known.
        """
    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Tokens:
        """
        Make them from a dict such as `to_dict()` returns, or from the token endpoint's own answer.

        Args:
            values: The dict. Of other names in it, such as the columns of a table, nothing is read.

        Returns:
            The tokens.

        Raises:
            InvalidArgumentError: If something in it cannot be right; the text does not quote it.
        """
    @property
    def refresh_token(self, /) -> str | None:
        """
        What gives the next access token, once.
        """
    def to_dict(self, /) -> dict[str, Any]:
        """
        Return them as a dict that `json.dumps` takes, for a database. The dict holds the secrets as they are.

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
    Reads the body of a page of media as a listing does, without a server: only to count what that costs.
    """

def _first_classes(module: str, classes: "dict[str, type]") -> dict[str, Any]:
    """
    Returns the classes that this module had when it was first imported: these, if it is imported for the first time.

    A program may import the package again (`importlib.reload`, or an emptied `sys.modules`). With the first classes in
    both, `except` and `isinstance` know an object by the old names and by the new ones.
    """

def changed_by_others(path: str | PathLike[str]) -> str | None:
    """
    Say what is wrong with a file that others can change, or in whose folder they can replace it; as ssh does.

    Args:
        path: The file.

    Returns:
        What is wrong and what to do; nothing if all is well, if there is no file, or if it cannot be looked at.
    """

def forked() -> None:
    """
    Lets the child of a fork know that it is one: what runs the requests stayed in the parent.

    Registered with `os.register_at_fork` when the package is imported.
    """

def make_private_folder(path: str | PathLike[str]) -> None:
    """
    Make a folder that only its owner can look into, and those above it that are missing, unless it is there.

    Args:
        path: The folder.

    Raises:
        OSError: If it cannot be made.
    """

def print_no_panics() -> None:
    """
    Keep Rust from printing its panics: the caller gets an exception. A debug log shows them all the same.
    """

def read_bool(name: str, value: Any, expected: str = "True or False") -> bool:
    """
    Likewise, what is true or false.
    """

def read_int(name: str, value: Any) -> int:
    """
    Read a whole number that a class written in Python was given.
    """

def read_json(name: str, value: Any) -> str:
    """
    Likewise, what JSON can hold, as the text of its JSON.
    """

def read_path(name: str, value: Any) -> Path:
    """
    Likewise, where a file is.
    """

def read_seconds(name: str, value: Any) -> float:
    """
    Likewise, a length of time in seconds.
    """

def replace_file(path: str | PathLike[str], content: bytes) -> None:
    """
    Put bytes into a file that only its owner can read, in place of one that is there: all of them or none.

    Args:
        path: The file.
        content: What it is to hold.

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
        InvalidArgumentError: If it cannot be one.
    """

def shut_down() -> None:
    """
    Stops everything before the interpreter is taken apart: a thread that came back later would end the process.

    Registered with `atexit` when the package is imported.
    """

def temporary_path(path: str | PathLike[str]) -> Path:
    """
    A file beside `path` that nobody else has, for what takes its place once it is whole.

    Args:
        path: The file that is to be there in the end.

    Returns:
        Where to write meanwhile; nothing is there yet.

    Raises:
        OSError: If the file system does not take a name as long as that of `path`.
    """
