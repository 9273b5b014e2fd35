//! In which form changes of permissions are sent: Studio takes one of two, and which one shows only when it is tried.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;
use tracing::info;

use super::error::Error;
use super::failure::said_by_server;
use super::limit::Hold;
use super::log::TARGET;
use super::send::Client;
use crate::api::answer::from_json;
use crate::api::permissions::{BodyForm, Changes, refuses_form};
use crate::api::{Answer, Body, Call};

/// The form that Studio took last. Clients that differ only in options share it.
#[derive(Debug, Default)]
pub(super) struct TakenForm(AtomicBool);

impl TakenForm {
    fn get(&self) -> BodyForm {
        if self.0.load(Ordering::Relaxed) { BodyForm::Object } else { BodyForm::Array }
    }

    fn set(&self, form: BodyForm) {
        self.0.store(form == BodyForm::Object, Ordering::Relaxed);
    }
}

/// Why the first form did not do.
enum First {
    /// Studio refused it.
    Refused(Error),
    /// Studio answered with a list that does not show these changes.
    Ignored(Answer, Changes),
}

impl Client {
    /// Sends changes in the form that Studio took last, or else as an array; and once in the other form, if it is certain
    /// that the first was not carried out: Studio refused it, or answered with a list that does not show the changes. Of
    /// several, only those are sent again that the list does not show.
    pub(super) async fn change(&self, call: &Call, changes: &Changes) -> Result<Answer, Error> {
        self.turn(call).await;
        let begun = Instant::now();
        let form = self.taken_form.get();
        let first =
            match self.answer_within(&written(call, changes, form), self.config.timeout, &mut Hold::default()).await {
                Ok(answer) => {
                    let Some(left) = not_made(changes, &answer) else {
                        self.taken_form.set(form);
                        return Ok(answer);
                    };
                    First::Ignored(answer, left)
                }
                Err(error) if is_about_the_form(&error) => First::Refused(error),
                Err(error) => return Err(error),
            };
        let left = match &first {
            First::Refused(_) => changes,
            First::Ignored(_, left) => left,
        };
        let (method, path, form) = (call.method.as_str(), self.context(call).display_path(), form.other());
        info!(target: TARGET, method, path, "{method} {path}: again with its body in the other form ({form:?})");
        let rest = self.config.timeout.saturating_sub(begun.elapsed());
        self.turn(call).await;
        let second = self.answer_within(&written(call, left, form), rest, &mut Hold::default()).await;
        match (first, second) {
            (first, Ok(answer)) => {
                let Some(left) = not_made(changes, &answer) else {
                    self.taken_form.set(form);
                    return Ok(answer);
                };
                let refusal = if let First::Refused(refusal) = &first { Some(refusal) } else { None };
                Err(self.not_made(call, &answer, &left, refusal))
            }
            (First::Refused(refusal), Err(error)) if is_about_the_form(&error) => Err(refusal),
            (First::Ignored(answer, left), Err(error)) if is_about_the_form(&error) => {
                Err(self.not_made(call, &answer, &left, Some(&error)))
            }
            (_, Err(error)) => Err(error),
        }
    }

    /// Studio said yes, and its list says that nothing came of it.
    fn not_made(&self, call: &Call, answer: &Answer, left: &Changes, other: Option<&Error>) -> Error {
        let other =
            other.map_or_else(String::new, |error| format!("; the other form of the body was refused: {error}"));
        let problem = format!(
            "Studio took the change and did not make it: its list does not show \"{left}\" (read the permissions \
             before you try again{other})"
        );
        self.context(call).without_effect(answer, &problem)
    }
}

fn written(call: &Call, changes: &Changes, form: BodyForm) -> Call {
    Call { body: Some(Body::Permissions(changes.clone(), form)), ..call.clone() }
}

/// The changes that an answer shows not to have been made.
fn not_made(changes: &Changes, answer: &Answer) -> Option<Changes> {
    // What is no JSON is told when it is read.
    from_json(answer).ok().map(|list| changes.not_made(&list)).filter(|left| !left.is_empty())
}

fn is_about_the_form(error: &Error) -> bool {
    match error {
        Error::Status(refusal) => refuses_form(refusal.status, &said_by_server(&refusal.body).unwrap_or_default()),
        _ => false,
    }
}
