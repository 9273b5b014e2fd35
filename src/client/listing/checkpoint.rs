//! Where the reading of a list is, in a form that another process can go on from. It holds no token.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::state::State;
use crate::api::item::Identity;
use crate::api::item::Item;
use crate::api::json::text::without_mark;
use crate::api::raw::relative;
use crate::api::{Call, InvalidArgument, Page, Request, Shape, Target};
use crate::client::error::Error;
use crate::client::send::Client;

/// What is written first, so that a later form can be told from this one. Version 1 told items without a type apart by
/// their ids.
const VERSION: u32 = 2;

/// A list's request, and how far its reading is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    version: u32,
    /// The school's URL, since the same path at another school is another list.
    school: String,
    /// What its items are, as [`Item::NAME`] has it.
    pub item: String,
    operation: String,
    path: String,
    query: Vec<(String, String)>,
    key: String,
    pub(super) last: Option<i64>,
    pub(super) state: State,
}

impl Checkpoint {
    pub(super) fn new<T: Item>(client: &Client, request: &Request<Page<T>>, last: Option<i64>, state: State) -> Self {
        let call = &request.call;
        let path = match &call.target {
            Target::Studio(path) => path.clone(),
            // No list is anywhere else.
            Target::SignIn(_) | Target::Signed(_) => String::new(),
        };
        let key = match &request.shape {
            Shape::Page(key) => key.to_string(),
            _ => String::new(),
        };
        Self {
            version: VERSION,
            school: client.config().url(),
            item: T::NAME.to_owned(),
            operation: call.operation.to_string(),
            path,
            query: call.query.iter().map(|(name, value)| (name.to_string(), value.clone())).collect(),
            key,
            last,
            state,
        }
    }

    /// Reads what [`Checkpoint::to_json`] has written.
    pub fn from_json(text: &str) -> Result<Self, InvalidArgument> {
        let mut read: Self = serde_json::from_str(without_mark(text))
            .map_err(|problem| InvalidArgument::new("checkpoint", format!("is not what to_json() wrote: {problem}")))?;
        let first_page = read.query.iter().find(|(name, _)| name == "page").and_then(|(_, page)| page.parse().ok());
        match read.version {
            VERSION => {}
            1 => read.state = read.state.of_version_1(&read.item, first_page),
            other => {
                let expected = format!("is of version {other}, and this package reads versions 1 and {VERSION}");
                return Err(InvalidArgument::new("checkpoint", expected));
            }
        }
        relative(&read.path)?;
        Ok(read)
    }

    pub fn to_json(&self) -> Result<String, Error> {
        serde_json::to_string(self).map_err(|error| Error::Setup(format!("the checkpoint cannot be written: {error}")))
    }

    /// How many items were given so far.
    pub fn items(&self) -> u64 {
        self.state.items
    }

    /// The path of the list, as far as it may be shown.
    pub fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn has_begun(&self) -> bool {
        self.state.has_begun()
    }

    pub(super) fn request<T: Item>(&self, client: &Client) -> Result<Request<Page<T>>, Error> {
        let own = client.config().url();
        if self.school != own {
            return Err(InvalidArgument::new("checkpoint", format!("is of {}, not of {own}", self.school)).into());
        }
        let mut call = Call::get(self.operation.clone(), self.path.clone());
        call.query = self.query.iter().map(|(name, value)| (name.clone().into(), value.clone())).collect();
        Ok(call.page(self.key.clone()))
    }
}

/// What told an item without a type from others in version 1.
pub(super) fn identity_of_version_1<T: Item>(item: &T, is_consistent: bool) -> Option<Identity> {
    let text = item.json();
    let fields: Value = serde_json::from_str(&text).ok()?;
    let kind = fields.get("type").or_else(|| fields.get("share_type")).and_then(Value::as_str).unwrap_or_default();
    let by_id = match fields.get("id").or_else(|| fields.get("uuid")) {
        Some(Value::Number(id)) if T::FIELDS.is_empty() => Some(format!("{kind} {id}")),
        Some(Value::String(id)) if T::FIELDS.is_empty() => Some(format!("{kind} {id}")),
        _ => None,
    };
    by_id.or_else(|| is_consistent.then(|| text.into_owned())).map(Identity::Text)
}
