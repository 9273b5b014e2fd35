//! Checkpoints: the state of a reading as JSON, so that another process can continue it. It contains no token.

use serde::{Deserialize, Serialize};

use super::sweep::State;
use crate::api::item::Item;
use crate::api::json::text::without_mark;
use crate::api::raw::relative;
use crate::api::{Call, InvalidArgument, Locator, Page, Request, Target};
use crate::client::error::Error;
use crate::client::secrets::printable;
use crate::client::send::Client;

/// The format version. Version 1 distinguished items without a type by their ids.
const VERSION: u32 = 2;
/// How much of an invalid checkpoint is quoted, in characters.
const QUOTED: usize = 200;

/// A list's request, and the state of its reading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    version: u32,
    /// The school's URL, since the same path at another school is another list.
    school: String,
    /// The kind of its items, see [`Item::NAME`].
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
            // Lists exist only in Studio's API.
            Target::SignIn(_) | Target::Signed(_) => String::new(),
        };
        let key = match &request.locator {
            Locator::Page(key) => key.to_string(),
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

    /// Reads the output of [`Checkpoint::to_json`].
    pub fn from_json(text: &str) -> Result<Self, InvalidArgument> {
        let refused = |expected: String| InvalidArgument::new("checkpoint", expected);
        let mut read: Self = serde_json::from_str(without_mark(text))
            .map_err(|problem| refused(format!("is not what to_json() wrote: {}", quoted(&problem.to_string()))))?;
        let first_page = read.query.iter().find(|(name, _)| name == "page").and_then(|(_, page)| page.parse().ok());
        match read.version {
            VERSION => {}
            1 => read.state = read.state.upgrade_from_version_1(&read.item, first_page),
            other => {
                return Err(refused(format!("is of version {other}, and this package reads versions 1 and {VERSION}")));
            }
        }
        if !read.state.is_possible() || read.last.is_some_and(|last| last < 0) {
            return Err(refused("is not what to_json() wrote: it has counts that no reading has".to_owned()));
        }
        relative(&read.path).map_err(|wrong| refused(format!("has a path that {}", quoted(&wrong.expected))))?;
        Ok(read)
    }

    pub fn to_json(&self) -> Result<String, Error> {
        serde_json::to_string(self).map_err(|error| Error::Setup(format!("the checkpoint cannot be written: {error}")))
    }

    /// How many items were returned so far.
    pub fn items(&self) -> u64 {
        self.state.items
    }

    /// The path of the list.
    pub fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn has_begun(&self) -> bool {
        self.state.has_begun()
    }

    pub(super) fn request<T: Item>(&self, client: &Client) -> Result<Request<Page<T>>, Error> {
        let own = client.config().url();
        if self.school != own {
            let school = quoted(&self.school);
            return Err(InvalidArgument::new("checkpoint", format!("is of {school}, not of {own}")).into());
        }
        let mut call = Call::get(self.operation.clone(), self.path.clone());
        call.query = self.query.iter().map(|(name, value)| (name.clone().into(), value.clone())).collect();
        Ok(call.page(self.key.clone()))
    }
}

/// A part of a checkpoint as a message quotes it: anybody may have written it.
fn quoted(text: &str) -> String {
    printable(&text.chars().take(QUOTED).collect::<String>()).into_owned()
}
