//! The Insights page: who watched how much of a media in a collection, generated from its last views.

use std::fmt::Write as _;
use std::time::Duration;

use super::super::operation::{Call, ErrorReply, Operation, Reply, TEXT};
use super::super::parameters::Kind;
use super::super::random::mix;
use super::super::records::{Media, Permission, Role, User};
use super::super::shapes::perspective_uuid;
use super::super::state::State;
use super::lookup;

/// The number of parts of a media for which views are counted. A guess.
const PARTS: u8 = 10;
/// What stands between several roles in a cell. A guess.
const BETWEEN_ROLES: &str = ", ";

pub(super) fn operations() -> Vec<Operation> {
    let operation = |path, id, summary, handle| {
        Operation::get(path, id, summary, handle)
            .query("role", Kind::Word(Role::WORDS), "Only those with this role; if left out, all roles together.")
            .produces("text/plain")
            .answers(200, "The insights as comma-separated values.", None)
            .refuses(&[403, 404, 422])
    };
    vec![
        operation(
            "/perspectives/{perspective_uuid}/insights/overview",
            "getInsightsOverview",
            "Get an overview of the insights of a perspective",
            overview,
        ),
        operation(
            "/perspectives/{perspective_uuid}/insights/users",
            "getInsightsUsers",
            "Get the insights of a perspective by users",
            users,
        ),
    ]
}

/// The rows after the first are observed, up to the one that may lack a value.
fn overview(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let (media, viewers) = viewers(state, call)?;
    let views: u32 = viewers.iter().map(|viewer| u32::from(viewer.views)).sum();
    let parts: u32 = viewers.iter().map(|viewer| u32::from(viewer.views) * u32::from(viewer.parts)).sum();
    let minutes = media.duration / 60.0 * f64::from(parts) / f64::from(PARTS);
    let mut table = String::from("Name,Value\n");
    let values = [
        ("Views", f64::from(views)),
        ("Time Viewed [min]", minutes.round()),
        ("Unique Viewers", viewers.iter().map(|_| 1.0).sum()),
    ];
    for (name, value) in values {
        // Writing into a string cannot fail.
        let _ = if views == 0 { writeln!(table, "{name}") } else { writeln!(table, "{name},{value}") };
    }
    for part in 0..PARTS {
        let views: u32 = viewers.iter().map(|viewer| u32::from(viewer.views_of(part))).sum();
        let _ = writeln!(table, "{},{views}", start_of(part, media));
    }
    Ok(Reply::text(200, TEXT, table))
}

/// The first four columns are observed.
fn users(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let (media, viewers) = viewers(state, call)?;
    let mut table = String::from("Name,Email,Role,Completion rate [%]");
    for part in 0..PARTS {
        let _ = write!(table, ",{}", start_of(part, media));
    }
    for viewer in viewers {
        let (name, email) = (cell(&viewer.user.full_name), cell(viewer.user.email.as_deref().unwrap_or_default()));
        let roles = cell(&viewer.user.roles().map(Role::title).collect::<Vec<_>>().join(BETWEEN_ROLES));
        let rate = u32::from(viewer.parts) * 100 / u32::from(PARTS);
        let _ = write!(table, "\n{name},{email},{roles},{rate}");
        for part in 0..PARTS {
            let _ = write!(table, ",{}", viewer.views_of(part));
        }
    }
    table.push('\n');
    Ok(Reply::text(200, TEXT, table))
}

/// A viewer: how often they watched, and how many parts each time.
struct Viewer<'state> {
    user: &'state User,
    views: u8,
    parts: u8,
}

impl Viewer<'_> {
    fn views_of(&self, part: u8) -> u8 {
        if part < self.parts { self.views } else { 0 }
    }
}

/// The media of a perspective and its viewers: some of the users who may see it. If it was viewed, the owner is among
/// them, and if students viewed it, at least one student.
fn viewers<'state>(state: &'state State, call: &Call<'_>) -> Result<(&'state Media, Vec<Viewer<'state>>), ErrorReply> {
    let wanted = call.text("perspective_uuid").unwrap_or_default().to_lowercase();
    let is_wanted = |media: &&Media| media.collections().any(|id| perspective_uuid(media.id, id).to_string() == wanted);
    let media = state.media.values().find(is_wanted).ok_or_else(ErrorReply::not_found)?;
    lookup::shown(call, media)?;
    // Who may see the views of others is a guess.
    state.media(call.caller, media.id, Permission::Edit)?;
    let everyone = if media.last_viewed.is_some() { state.everyone_on(media, Permission::Access) } else { Vec::new() };
    let first_student = everyone.iter().find(|(user, _)| user.role == Role::Student).map(|(user, _)| user.id);
    let role = call.text("role").and_then(Role::from_word);
    let watched = everyone.into_iter().filter_map(|(user, _)| {
        let dice = mix(mix(media.id) ^ user.id).to_le_bytes();
        let [chance, views, parts, ..] = dice;
        let certain = user.id == media.owner || Some(user.id) == first_student;
        let possible = user.role != Role::Student || media.last_viewed_by_student.is_some();
        let counted = role.is_none_or(|role| user.roles().any(|one| one == role));
        (possible && counted && (certain || chance < 150)).then_some(Viewer {
            user,
            views: 1 + views % 3,
            parts: 1 + parts % PARTS,
        })
    });
    Ok((media, watched.collect()))
}

fn start_of(part: u8, media: &Media) -> String {
    let seconds = media.duration * f64::from(part) / f64::from(PARTS);
    let seconds = Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs();
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A text as a cell of CSV, as RFC 4180 quotes it.
fn cell(text: &str) -> String {
    let needs_quotes = text.contains([',', '"', '\r', '\n']);
    if needs_quotes { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
