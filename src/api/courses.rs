//! The Courses page: the collection of a course in Canvas, and the perspectives in it.

use super::check::{self, InvalidArgument};
use super::item::Page;
use super::models::{Collection, Perspective};
use super::request::{Call, Request};

/// Meanings of a status for a course. Observed: Studio must know the course already.
const MEANINGS: &[(u16, &str)] = &[(
    404,
    "Studio knows a course only after somebody opened Studio from it once: open Studio from the course in Canvas, and \
     check that course_id is the course's id in Canvas, not that of its collection",
)];

/// Gets the collection of a course. The id of the collection is not that of the course. Observed.
pub fn get(course_id: i64) -> Result<Request<Collection>, InvalidArgument> {
    Ok(call("get_course", course_id, "")?.at_key("course"))
}

/// Lists the perspectives of a course. The key is observed; the page shows no paging.
pub fn perspectives(course_id: i64) -> Result<Request<Page<Perspective>>, InvalidArgument> {
    Ok(call("list_course_perspectives", course_id, "/perspectives")?.page("perspectives"))
}

/// Lists the perspectives of the course of a collection, if it has one.
pub fn perspectives_of(collection: &Collection) -> Result<Request<Page<Perspective>>, InvalidArgument> {
    let course_id: Option<i64> = collection.named("course_id");
    let not_of_a_course = || {
        let expected = "must be that of a course, but it has no course_id: list its media() instead, and the \
                        perspectives() of each";
        InvalidArgument::new("collection", expected)
    };
    perspectives(course_id.ok_or_else(not_of_a_course)?)
}

fn call(operation: &'static str, course_id: i64, rest: &str) -> Result<Call, InvalidArgument> {
    let id = check::id("course_id", course_id)?;
    Ok(Call::get(operation, format!("/courses/{id}{rest}")).meaning(MEANINGS))
}
