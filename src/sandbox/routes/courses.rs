//! The Courses page: the collection of a course in Canvas, and its media.

use serde_json::json;

use super::super::lists::Query;
use super::super::operation::{Call, ErrorReply, Operation, Reply};
use super::super::records::{Collection, Permission};
use super::super::shapes;
use super::super::state::State;
use super::lookup;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/courses/{course_id}", "getCourse", "Get the collection of a course in Canvas", get)
            .answers(200, "The collection of the course.", shapes::wrapped("course", "Collection"))
            .refuses(&[403, 404, 422]),
        Operation::get(
            "/courses/{course_id}/perspectives",
            "listCoursePerspectives",
            "Get the perspectives of a course",
            perspectives,
        )
        .answers(200, "The perspectives of the course.", shapes::list("perspectives", "Perspective"))
        .refuses(&[403, 404, 422]),
    ]
}

fn get(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let course = course(state, call)?;
    Reply::json(200, &json!({"course": call.show(state).collection(course)}))
}

fn perspectives(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let id = course(state, call)?.id;
    let ids = state.list(call.caller, Query::CollectionMedia(id), &call.studio.assumptions);
    let media = ids.iter().filter_map(|media| state.media.get(media));
    let perspectives: Vec<_> = media.map(|media| shapes::perspective(media, id)).collect();
    Reply::json(200, &json!({"perspectives": perspectives}))
}

/// The collection of a course. Its id is not the id of the course. Observed.
fn course<'state>(state: &'state State, call: &Call<'_>) -> Result<&'state Collection, ErrorReply> {
    let course_id = call.id("course_id")?;
    let mut collections = state.collections.values();
    let found = collections.find(|collection| collection.course_id == Some(course_id));
    let collection = state.collection(call.caller, found.ok_or_else(ErrorReply::not_found)?.id, Permission::Access)?;
    lookup::shown_collection(call, collection)?;
    Ok(collection)
}
