//! The Insights page: who watched how much of a perspective. Both answers are CSV, labelled as plain text.

use serde_json::Value;

use super::answer::{Answer, DecodeError, Locator, csv_text};
use super::check::{self, InvalidArgument};
use super::insights_csv;
use super::item::Page;
use super::models::{InsightsOverview, InsightsUser};
use super::request::{Call, Request};

/// Meanings of a status for insights. Documented is that the perspective was not found.
const MEANINGS: &[(u16, &str)] = &[(
    404,
    "there is no such perspective: its UUID is not an id of a media; media.perspectives() and \
     list_course_perspectives(course_id) list them",
)];

/// Lists how much each user watched. The page shows no paging.
pub fn users(perspective: &str, role: Option<&str>) -> Result<Request<Page<InsightsUser>>, InvalidArgument> {
    // CSV has no key.
    Ok(call("list_insights_users", perspective, "users", role)?.page(""))
}

/// Gets how much a perspective was watched in all.
pub fn overview(perspective: &str, role: Option<&str>) -> Result<Request<InsightsOverview>, InvalidArgument> {
    Ok(call("get_insights_overview", perspective, "overview", role)?.accept("*/*").custom(read_overview))
}

/// The words of `role` are not documented, so any is sent.
fn call(operation: &'static str, perspective: &str, table: &str, role: Option<&str>) -> Result<Call, InvalidArgument> {
    let uuid = check::uuid("perspective", perspective)?;
    role.map_or(Ok(()), |role| check::text("role", role))?;
    let call = Call::get(operation, format!("/perspectives/{uuid}/insights/{table}"));
    Ok(call.query_if("role", role).meaning(MEANINGS))
}

fn read_overview(_: &Locator, answer: &Answer) -> Result<InsightsOverview, DecodeError> {
    let text = csv_text(answer)?;
    let mut fields = insights_csv::overview(text).map_err(DecodeError::new)?;
    fields.insert(insights_csv::CSV.to_owned(), text.into());
    serde_json::from_value(Value::Object(fields)).map_err(|error| DecodeError::new(error.to_string()))
}
