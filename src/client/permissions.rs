//! Decides in which form permission changes are sent, and whether an answer shows that they were made: pure functions.
//!
//! Studio accepts one of two forms, and only trying shows which.

use std::sync::atomic::{AtomicBool, Ordering};

use super::error::Error;
use super::failure::{RequestContext, said_by_server};
use crate::api::answer::from_json;
use crate::api::permissions::{BodyForm, Changes, rejects_form};
use crate::api::{Answer, Body, Call};

/// The form that Studio accepted last, shared by clients that differ only in options.
#[derive(Debug, Default)]
pub(super) struct AcceptedForm(AtomicBool);

impl AcceptedForm {
    pub(super) fn get(&self) -> BodyForm {
        if self.0.load(Ordering::Relaxed) { BodyForm::Object } else { BodyForm::Array }
    }

    pub(super) fn set(&self, form: BodyForm) {
        self.0.store(form == BodyForm::Object, Ordering::Relaxed);
    }
}

/// The result of the first form.
pub(super) enum First {
    Made(Answer),
    /// It is certain that nothing was changed, so the other form may be tried.
    NotMade(FirstFailure),
}

/// Why the first form changed nothing.
pub(super) enum FirstFailure {
    /// Studio refused it.
    Refused(Error),
    /// Studio answered with a list that does not show these changes.
    Ignored(Answer, Changes),
}

impl FirstFailure {
    /// The changes still to be made: only those that the list does not show.
    pub(super) fn left<'changes>(&'changes self, changes: &'changes Changes) -> &'changes Changes {
        match self {
            Self::Refused(_) => changes,
            Self::Ignored(_, left) => left,
        }
    }
}

/// Judges the result of the first form. It is an error if the changes may have been made, or if the form was not the
/// reason.
pub(super) fn judge_first(changes: &Changes, result: Result<Answer, Error>) -> Result<First, Error> {
    match result {
        Ok(answer) => Ok(match not_made(changes, &answer) {
            Some(left) => First::NotMade(FirstFailure::Ignored(answer, left)),
            None => First::Made(answer),
        }),
        Err(error) if is_about_the_form(&error) => Ok(First::NotMade(FirstFailure::Refused(error))),
        Err(error) => Err(error),
    }
}

/// Judges the result of the second form.
pub(super) fn judge_second(
    request: &RequestContext<'_>,
    changes: &Changes,
    first: FirstFailure,
    second: Result<Answer, Error>,
) -> Result<Answer, Error> {
    match (first, second) {
        (first, Ok(answer)) => match not_made(changes, &answer) {
            Some(left) => {
                let refusal = if let FirstFailure::Refused(refusal) = &first { Some(refusal) } else { None };
                Err(without_effect(request, &answer, &left, refusal))
            }
            None => Ok(answer),
        },
        (FirstFailure::Refused(refusal), Err(error)) if is_about_the_form(&error) => Err(refusal),
        (FirstFailure::Ignored(answer, left), Err(error)) if is_about_the_form(&error) => {
            Err(without_effect(request, &answer, &left, Some(&error)))
        }
        (_, Err(error)) => Err(error),
    }
}

/// The error if Studio accepted the changes and its list does not show them.
pub(super) fn without_effect(
    request: &RequestContext<'_>,
    answer: &Answer,
    left: &Changes,
    other: Option<&Error>,
) -> Error {
    let other = other.map_or_else(String::new, |error| format!("; the other form of the body was refused: {error}"));
    let problem = format!(
        "Studio accepted the change but did not make it: its list does not show \"{left}\" (read the permissions \
         before you try again{other})"
    );
    request.without_effect(answer, &problem)
}

/// The call with these changes in this form.
pub(super) fn with_form(call: &Call, changes: &Changes, form: BodyForm) -> Call {
    Call { body: Some(Body::Permissions(changes.clone(), form)), ..call.clone() }
}

/// The changes that the answer's list does not show.
fn not_made(changes: &Changes, answer: &Answer) -> Option<Changes> {
    // An answer that is not JSON is reported when it is decoded.
    from_json(answer).ok().map(|list| changes.not_made(&list)).filter(|left| !left.is_empty())
}

fn is_about_the_form(error: &Error) -> bool {
    match error {
        Error::Status(refusal) => rejects_form(refusal.status, &said_by_server(&refusal.body).unwrap_or_default()),
        _ => false,
    }
}
