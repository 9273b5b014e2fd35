//! Changes the users of a group, and looks at the answer to see that it was done.

use super::error::Error;
use super::send::Client;
use crate::api::groups::ChangeUsers;
use crate::api::models::GroupUser;

impl Client {
    /// The users of the group after the changes. It is an error if they are not as they shall be.
    pub async fn change_group_users(&self, change: &ChangeUsers) -> Result<Vec<GroupUser>, Error> {
        let request = &change.request;
        let answer = self.send_call(&request.call).await?;
        let users = self.read(request, &answer)?.items;
        let Some(left) = change.not_made(&users) else { return Ok(users) };
        let problem = format!(
            "Studio accepted the change but did not make it: its list does not show \"{left}\" (list the users of the group \
             before you try again)"
        );
        Err(self.context(&request.call).without_effect(&answer, &problem))
    }
}
