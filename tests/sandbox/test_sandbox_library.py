"""The seeded library: the same seed gives the same library, of the requested size, and like that of a school."""

from __future__ import annotations

import json
import statistics
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import Collection, Media, PermissionDeniedError, UnprocessableEntityError
from canvas_studio.sandbox import Assumptions, Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from canvas_studio import StudioClient
    from support.forms import Form

SOURCES = {"upload", "screen_capture", "webcam", "youtube", "vimeo"}
EXTERNAL = {"youtube", "vimeo"}
FINISHED = "transcoding_finished"
STATUSES = {FINISHED, "transcoding_started", "transcoding_queued", "transcoding_failed"}
TYPES = {"user", "course_wide", "custom", "group", "featured_collection"}


@dataclass(frozen=True, slots=True)
class Inventory:
    """A library as an administrator finds it."""

    box: Sandbox
    studio: StudioClient
    media: list[Media]
    collections: list[Collection]

    @property
    def with_file(self) -> list[Media]:
        """The media of which Studio has a file."""
        return [media for media in self.media if media.size]


@pytest.fixture(
    scope="module", params=[(1_000, 1), (1_000, 2), (5_000, 1)], ids=["1000-seed-1", "1000-seed-2", "5000-seed-1"]
)
def inventory(request: pytest.FixtureRequest) -> Iterator[Inventory]:
    """Libraries that are large enough to have everything."""
    count, seed = request.param
    with Sandbox(media=count, seed=seed) as box, box.client() as studio:
        yield Inventory(box, studio, list(studio.search_media()), list(studio.list_collections()))


def answers(box: Sandbox) -> list[str]:
    """Much of what it can be asked, without what differs from start to start: its ports and what it signs."""
    with box.client() as studio:
        media = list(studio.search_media())
        collections = list(studio.list_collections())
        found: list[Any] = [box.users, *media, *collections]
        for one in media[::17]:
            found += [studio.get_media(one), studio.get_media_permissions(one)]
            found += [*studio.list_media_users(one), *studio.list_media_courses(one)]
            found += list(studio.list_media_perspectives(one))
        for group in collections[::17]:
            found += [studio.get_collection_permissions(group), *studio.list_collection_media(group)]
    texts = (repr(one.to_dict() if isinstance(one, (Media, Collection)) else one) for one in found)
    return [text.replace(box.storage_url, "") for text in texts]


def test_the_same_seed_gives_the_same_answers() -> None:
    with Sandbox(media=300, seed=7) as one, Sandbox(media=300, seed=7) as other, Sandbox(media=300, seed=8) as third:
        first = answers(one)
        assert answers(other) == first
        assert answers(third) != first


def state(box: Sandbox, path: Path) -> dict[str, Any]:
    """All that it knows, but for the tokens and the key, which are its own."""
    found: dict[str, Any] = json.loads(box.snapshot(path).read_text())
    del found["credentials"]
    return found


@pytest.mark.parametrize("count", [1, 40, 2_000])
def test_the_same_seed_gives_the_same_state_down_to_what_no_list_shows(tmp_path: Path, count: int) -> None:
    path = tmp_path / "state.json"
    with Sandbox(media=count, seed=7) as box:
        first = state(box, path)
        box.reset()
        assert state(box, path) == first
    with Sandbox(media=count, seed=7) as box:
        assert state(box, path) == first
    with Sandbox(media=count, seed=8) as box:
        assert state(box, path) != first


@pytest.mark.parametrize("count", [0, 1, 2, 19, 20, 50, 51, 500, 1_000, 5_000])
@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
def test_a_library_has_as_many_media_as_were_asked_for(count: int, seed: int) -> None:
    with Sandbox(media=count, seed=seed) as box, box.client() as studio:
        media = [one.id for one in studio.search_media()]
        assert len(media) == len(set(media)) == studio.search_media().total() == count


def test_both_forms_see_the_same_library(form: Form) -> None:
    with Sandbox(media=1_000) as box, box.client() as studio:
        assert form.total(studio.search_media()) == 1_000
        assert len({one.id for one in form.items(studio.search_media())}) == 1_000


def test_without_media_there_is_only_the_administrator() -> None:
    with Sandbox(media=0) as box, box.client() as studio:
        [admin] = box.users
        assert admin.role == "admin"
        assert admin.email
        assert list(studio.search_media()) == []
        [own] = studio.list_collections()
        assert own.owner is not None
        assert (own.type, own.owner.id) == ("user", admin.id)


def test_a_small_library_is_whole_already() -> None:
    with Sandbox(media=1) as box, box.client() as studio:
        [media] = studio.search_media()
        assert media.owner is not None
        assert media.owner.id in {user.id for user in box.users}
        assert studio.get_media(media).collection is not None
        assert {user.role for user in box.users} == {"admin", "teacher", "student"}


def test_the_archive_comes_on_top_of_what_was_asked_for() -> None:
    with Sandbox(media=1_000, assumptions=Assumptions(archived_in_lists=True)) as box, box.client() as studio:
        assert studio.search_media().total() > 1_000
        everything = {collection.id for collection in studio.list_collections()}
    with Sandbox(media=1_000) as box, box.client() as studio:
        listed = {collection.id for collection in studio.list_collections()}
    assert listed < everything


def test_media_come_newest_first_over_years(inventory: Inventory) -> None:
    made = [media.created_at for media in inventory.media if media.created_at is not None]
    assert len(made) == len(inventory.media)
    assert made == sorted(made, reverse=True)
    assert len({moment.year for moment in made}) >= 8
    assert all(moment.utcoffset() is not None and moment.microsecond == 0 for moment in made)


def test_media_come_from_every_source(inventory: Inventory) -> None:
    found = Counter(media.source for media in inventory.media)
    assert set(found) == SOURCES
    assert found["upload"] > len(inventory.media) / 3
    for source, count in found.items():
        assert inventory.studio.search_media(source=source).total() == count


def test_external_media_have_no_file(inventory: Inventory) -> None:
    external = [media for media in inventory.media if media.source in EXTERNAL]
    assert external
    assert not any(media.size for media in external)
    with pytest.raises(UnprocessableEntityError, match="external"):
        inventory.studio.get_download_url(external[0])


def test_media_are_in_every_state_of_transcoding_and_nearly_all_are_finished(inventory: Inventory) -> None:
    found = Counter(media.transcoding_status for media in inventory.media)
    assert set(found) == STATUSES
    assert 0.9 < found[FINISHED] / len(inventory.media) < 0.999


def test_what_is_not_finished_has_no_length_and_was_watched_by_nobody(inventory: Inventory) -> None:
    unfinished = [media for media in inventory.media if media.transcoding_status != FINISHED]
    assert not any(media.size or media.duration or media.last_viewed for media in unfinished)
    assert all(media.duration for media in inventory.media if media.transcoding_status == FINISHED)


def test_some_media_were_never_watched_and_some_by_staff_alone(inventory: Inventory) -> None:
    count = len(inventory.media)
    never = [media for media in inventory.media if media.last_viewed is None]
    staff = [media for media in inventory.media if media.last_viewed and media.last_viewed_by_student is None]
    students = [media for media in inventory.media if media.last_viewed_by_student]
    assert 0.2 < len(never) / count < 0.6
    assert 0.05 < len(staff) / count < 0.4
    assert 0.2 < len(students) / count < 0.7
    assert len(never) + len(staff) + len(students) == count
    assert inventory.studio.search_media(last_viewed_start_date="2000-01-01").total() == count - len(never)


def test_nobody_watched_anything_before_it_was_made_and_students_are_somebody(inventory: Inventory) -> None:
    for media in inventory.media:
        assert media.created_at is not None
        if media.last_viewed:
            assert media.last_viewed >= media.created_at.date()
        if media.last_viewed_by_student:
            assert media.last_viewed
            assert media.created_at.date() <= media.last_viewed_by_student <= media.last_viewed


def test_some_files_are_there_twice(inventory: Inventory) -> None:
    same = Counter((media.size, media.duration) for media in inventory.with_file)
    twice = {key for key, count in same.items() if count > 1}
    assert len(twice) >= len(inventory.media) / 100
    smallest = min(twice)
    copies = [media for media in inventory.with_file if (media.size, media.duration) == smallest]
    assert len({media.id for media in copies}) > 1
    assert len({inventory.box.media_file(media)[:1_000_000] for media in copies}) == 1
    titles = Counter(media.title for media in inventory.media)
    assert max(titles.values()) > 1
    assert any(title is not None and title.startswith("Copy of ") for title in titles)


def test_some_owners_have_no_mail_address_and_no_two_the_same(inventory: Inventory) -> None:
    owners = {media.owner.id: media.owner for media in inventory.media if media.owner is not None}
    assert any(owner.email is None for owner in owners.values())
    assert sum(owner.email is not None for owner in owners.values()) > len(owners) / 2
    addresses = [user.email for user in inventory.box.users if user.email is not None]
    assert len(addresses) == len(set(addresses))
    assert {user.role for user in inventory.box.users if user.id in owners} == {"teacher", "student"}


def test_what_an_owner_has_is_found_by_the_mail_address(inventory: Inventory) -> None:
    found = Counter(media.owner.email for media in inventory.media if media.owner is not None and media.owner.email)
    for address, count in [*found.most_common(3), *found.most_common()[-3:]]:
        assert inventory.studio.search_media(owner=address).total() == count


def test_there_are_as_many_owners_as_a_school_has(inventory: Inventory) -> None:
    owners = Counter(media.owner.id for media in inventory.media if media.owner is not None)
    assert sum(owners.values()) == len(inventory.media)
    assert len(owners) >= (200 if len(inventory.media) == 5_000 else 40)
    # A few make most of it.
    tenth = sum(count for _, count in owners.most_common(max(1, len(owners) // 10)))
    assert tenth > 0.3 * len(inventory.media)
    assert min(owners.values()) <= 3


def scripts(texts: list[str | None]) -> set[str]:
    letters = {letter for text in texts if text for letter in text if letter.isalpha()}
    return {unicodedata.name(letter).split()[0] for letter in letters}


def test_titles_names_and_people_are_written_in_several_scripts(inventory: Inventory) -> None:
    several = {"LATIN", "CYRILLIC", "GREEK", "CJK", "HIRAGANA", "HANGUL", "ARABIC", "HEBREW", "DEVANAGARI"}
    assert scripts([media.title for media in inventory.media]) >= several
    assert scripts([user.full_name for user in inventory.box.users]) >= several - {"HIRAGANA"}
    assert len(scripts([collection.name for collection in inventory.collections])) >= 5


def test_titles_and_descriptions_are_texts_that_somebody_wrote(inventory: Inventory) -> None:
    for media in inventory.media:
        assert media.title
        assert media.title.strip()
        assert not any(unicodedata.category(letter) == "Cc" for letter in media.title)
        assert "{" not in media.title + (media.description or "")
    described = [media for media in inventory.media if media.description]
    assert 0.1 < len(described) / len(inventory.media) < 0.5
    assert len({media.title for media in inventory.media}) > 0.8 * len(inventory.media)


def test_sizes_and_durations_have_a_long_tail(inventory: Inventory) -> None:
    for values in ([media.size for media in inventory.with_file], [media.duration for media in inventory.with_file]):
        numbers = [float(value) for value in values if value]
        median = statistics.median(numbers)
        assert statistics.mean(numbers) > 1.5 * median
        assert max(numbers) > 10 * median
        assert min(numbers) < median / 10
        # The largest twentieth holds far more than its share.
        largest = sorted(numbers, reverse=True)[: len(numbers) // 20]
        assert sum(largest) > 0.15 * sum(numbers)


def test_collections_are_of_every_type(inventory: Inventory) -> None:
    assert {collection.type for collection in inventory.collections} == TYPES
    libraries = [one.owner.id for one in inventory.collections if one.type == "user" and one.owner is not None]
    assert sorted(libraries) == sorted(user.id for user in inventory.box.users)


def test_collections_of_courses_are_of_many_terms_and_some_have_no_name(inventory: Inventory) -> None:
    courses = [collection for collection in inventory.collections if collection.type == "course_wide"]
    assert all(course.course_id is not None for course in courses)
    assert len({course.course_id for course in courses}) == len(courses) >= 100
    assert not {course.course_id for course in courses} & {collection.id for collection in inventory.collections}
    terms = {
        f"{season} {year}"
        for course in courses
        for season in ("Spring", "Summer", "Fall")
        for year in range(2018, 2027)
        if course.name is not None and season in course.name and str(year) in course.name
    }
    assert len(terms) >= 12
    nameless = [collection for collection in inventory.collections if collection.name is None]
    assert 0.05 < len(nameless) / len(courses) < 0.5
    assert {collection.type for collection in nameless} == {"course_wide"}


def test_every_media_lives_in_a_collection_that_is_listed(inventory: Inventory) -> None:
    listed = {collection.id for collection in inventory.collections}
    for media in inventory.media[::25]:
        home = inventory.studio.get_media(media).collection
        assert home is not None
        assert home.id in listed
        perspectives = list(inventory.studio.list_media_perspectives(media))
        assert home.id in [one.collection.id for one in perspectives if one.collection is not None]
    assert any(len(list(inventory.studio.list_media_perspectives(media))) > 1 for media in inventory.media[:100])


def test_media_and_collections_are_shared_with_people_and_groups(inventory: Inventory) -> None:
    courses = [collection for collection in inventory.collections if collection.type == "course_wide"]
    shares = [inventory.studio.get_collection_permissions(course) for course in courses[:100]]
    assert any(one.users for one in shares)
    assert any(one.groups for one in shares)
    direct = [inventory.studio.get_media_permissions(media) for media in inventory.media[:300]]
    assert any(one.users for one in direct)
    assert any(one.groups for one in direct)
    of_users = {user.permission for share in [*shares, *direct] for user in share.users}
    of_groups = {group.permission for share in [*shares, *direct] for group in share.groups}
    assert of_users | of_groups == {"access", "view", "edit"}


def test_what_is_tagged_is_found_by_its_tag(inventory: Inventory, tmp_path: Path) -> None:
    known = state(inventory.box, tmp_path / "state.json")["media"].values()
    listed = {media.id for media in inventory.media}
    tags = Counter(tag for media in known if media["id"] in listed for tag in media["tags"])
    assert len(tags) >= 5
    for tag, count in tags.most_common(3):
        assert inventory.studio.search_media(tag=tag).total() == count


def test_teachers_see_their_own_and_what_is_shared_and_students_download_nothing(inventory: Inventory) -> None:
    owners = Counter(media.owner.id for media in inventory.media if media.owner is not None)
    everything = {media.id for media in inventory.media}
    teacher = next(user for user in inventory.box.users if user.role == "teacher" and owners[user.id])
    with inventory.box.client(user=teacher) as studio:
        seen = list(studio.search_media())
        assert {media.id for media in seen} < everything
        assert sum(media.owner is not None and media.owner.id == teacher.id for media in seen) == owners[teacher.id]
    students = [user for user in inventory.box.users if user.role == "student"]
    for student in students[:10]:
        with inventory.box.client(user=student) as studio:
            foreign = [media for media in studio.search_media() if media.owner and media.owner.id != student.id]
            if foreign:
                with pytest.raises(PermissionDeniedError):
                    studio.get_download_url(foreign[0])
                return
    pytest.fail("no student sees anything of others")
