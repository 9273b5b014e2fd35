"""The Courses page: the collection and the perspectives of a course in Canvas, over the recordings and the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import Collection, Course, InvalidArgumentError, Media, NotFoundError, Perspective
from canvas_studio.sandbox import Sandbox
from support.fault_server import FaultServer, collection_item, json_answer, media_item
from support.recorded_objects import assert_is_cell_biology

if TYPE_CHECKING:
    from support.forms import Connect, Form, Reach, Serve

KNOWS_A_COURSE = "Studio knows a course only after somebody opened Studio from it once"


def test_the_collection_of_a_course_has_the_id_of_the_collection_and_that_of_the_course(
    form: Form, recorded: Serve, connect: Connect
) -> None:
    collection = form.call(connect(recorded("courses/get_course").url), "get_course", 1301)
    assert_is_cell_biology(collection)
    assert (collection.id, collection.course_id) == (7, 1301)


@pytest.mark.parametrize(
    "course",
    [Course(id=7, course_id=1301), Collection.from_dict(collection_item(7, course_id=1301))],
    ids=["Course", "Collection"],
)
def test_a_course_may_be_named_by_what_studio_gave(
    course: Course | Collection, form: Form, recorded: Serve, connect: Connect
) -> None:
    assert form.call(connect(recorded("courses/get_course").url), "get_course", course).id == 7
    listing = connect(recorded("courses/list_course_perspectives").url).list_course_perspectives(course)
    assert len(form.items(listing)) == 2


def test_the_perspectives_of_a_course_have_a_uuid_and_a_title(reach: Reach) -> None:
    subject = reach("courses/list_course_perspectives", "list_course_perspectives", "perspectives")
    first, second = subject.items()
    assert type(first) is type(second) is Perspective
    assert (first.uuid, first.title) == ("7a0c9d3e-6a55-4d2c-9a0b-0d6a5f3e1c77", "Mitosis in four minutes")
    assert (first.collection, first.extra) == (None, {})


def test_a_404_of_a_course_says_that_somebody_has_to_open_studio_from_it_once(form: Form) -> None:
    with FaultServer(json_answer({"error": "Not found"}, 404)) as server, server.client() as studio:
        with pytest.raises(NotFoundError) as of_get:
            form.call(studio, "get_course", 1301)
        with pytest.raises(NotFoundError) as of_list:
            form.items(studio.list_course_perspectives(1301))
    for raised in (of_get, of_list):
        assert KNOWS_A_COURSE in str(raised.value)
        assert "course_id is the course's id in Canvas" in str(raised.value)


def test_a_course_lists_its_media_by_its_collection_and_its_perspectives_by_its_canvas_id(form: Form) -> None:
    course = {"id": 7, "name": "Cell biology", "course_id": 1301}
    answers = (
        json_answer({"courses": [course]}),
        json_answer({"media": [media_item(42)], "meta": {"current_page": 1, "last_page": 1, "total_count": 1}}),
        json_answer({"perspectives": []}),
    )
    with FaultServer(*answers) as server, server.client() as studio:
        [found] = form.items(studio.list_media_courses(42))
        assert [media.id for media in form.items(found.media(per_page=5))] == [42]
        assert form.items(found.perspectives()) == []
    paths = [request.path.partition("/v1")[2].partition("?")[0] for request in server.requests]
    assert paths == ["/media/42/courses", "/collections/7/media", "/courses/1301/perspectives"]


def test_what_has_no_course_is_refused_before_anything_is_sent(form: Form) -> None:
    library = json_answer({"collection": collection_item(9, course_id=None)})
    with FaultServer(library, json_answer({"courses": [{"id": 7}]})) as server, server.client() as studio:
        collection = form.call(studio, "get_collection", 9)
        with pytest.raises(InvalidArgumentError, match=r"has no course_id: list its media\(\) instead"):
            collection.perspectives()
        [course] = form.items(studio.list_media_courses(42))
        for call in (course.perspectives, lambda: studio.list_course_perspectives(course)):
            with pytest.raises(TypeError, match="course_id must have an id: this Course has no course_id"):
                call()
        for wrong in (collection, course):
            with pytest.raises(TypeError, match="course_id must have an id"):
                form.call(studio, "get_course", wrong)
        assert len(server.requests) == 2


def test_a_list_of_courses_is_carried_out_by_map() -> None:
    with Sandbox(media=0) as box, box.client() as studio:
        for course_id in (1301, 1302):
            collection = box.add_collection(f"Biology {course_id}", course_id=course_id)
            box.add_media(f"Mitosis {course_id}", collection_id=collection)
        found = list(studio.map("get_course", [1301, 1302]))
        assert [collection.name for collection in found] == ["Biology 1301", "Biology 1302"]
        listed = studio.map("list_course_perspectives", found)
        assert [[each.title for each in perspectives] for perspectives in listed] == [
            ["Mitosis 1301"],
            ["Mitosis 1302"],
        ]


def test_all_of_it_works_on_a_sandbox(form: Form) -> None:
    with Sandbox(media=0) as box, box.client() as studio:
        ada = box.add_user("Ada Park")
        collection_id = box.add_collection("Biology 101", owner=ada, course_id=1301)
        media_id = box.add_media("Mitosis", owner=ada, collection_id=collection_id)
        collection = form.call(studio, "get_course", 1301)
        assert (type(collection), collection.id, collection.course_id) == (Collection, collection_id, 1301)
        [perspective] = form.items(collection.perspectives())
        assert perspective.title == "Mitosis"
        [media] = form.items(collection.media())
        assert (type(media), media.id) == (Media, media_id)
        # The same perspective, whichever way it is reached.
        of_media = {each.uuid: each for each in form.items(media.perspectives())}
        assert of_media[perspective.uuid].collection == collection
        [course] = form.items(media.courses())
        assert [each.uuid for each in form.items(course.perspectives())] == [perspective.uuid]
        assert [each.id for each in form.items(course.media())] == [media_id]
        with pytest.raises(NotFoundError, match=KNOWS_A_COURSE):
            form.call(studio, "get_course", 1399)


def test_the_id_of_the_collection_is_not_taken_for_that_of_the_course(form: Form) -> None:
    """The slip of the vendor's first example: the `id` of the answer is no Canvas id."""
    with Sandbox(media=0) as box, box.client() as studio:
        collection_id = box.add_collection("Biology 101", course_id=1301)
        assert collection_id != 1301
        collection: Any = form.call(studio, "get_collection", collection_id)
        assert form.call(studio, "get_course", collection).id == collection_id
        with pytest.raises(NotFoundError, match="not that of its collection"):
            form.call(studio, "get_course", collection_id)
