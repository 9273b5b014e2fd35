//! Finds the one user with an e-mail address.

use super::error::Error;
use super::listing::Reading;
use super::send::Client;
use crate::api::models::User;
use crate::api::users::Find;

impl Client {
    /// Reads all hits of the search, since only then it is known that there is one.
    pub async fn find_user(&self, find: &Find) -> Result<User, Error> {
        let mut reader = self.list(find.search.clone()).read(Reading::default());
        let mut hits = Vec::new();
        while let Some(pages) = reader.next_pages().await? {
            hits.extend(pages.into_iter().flatten());
        }
        find.pick(hits).map_err(|problem| Error::NotOneUser(Box::new(problem)))
    }
}
