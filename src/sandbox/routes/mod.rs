//! The operations of the sandbox, one file per page of the reference.

pub(crate) mod apidocs;
mod captions;
mod collections;
mod courses;
mod groups;
mod insights;
mod lookup;
mod media;
mod media_upload;
pub(crate) mod oauth;
mod permissions;
mod ping;
mod professional_captioning;
mod tags;
mod transfer_media;
mod users;

use super::assumptions::PermissionBodies;
use super::operation::Operation;

/// Every operation under `/api/public/v1`.
pub(crate) fn operations(bodies: PermissionBodies) -> Vec<Operation> {
    let pages = [
        captions::operations(),
        collections::operations(bodies),
        courses::operations(),
        groups::operations(),
        insights::operations(),
        media::operations(bodies),
        media_upload::operations(),
        ping::operations(),
        professional_captioning::operations(),
        tags::operations(),
        transfer_media::operations(),
        users::operations(),
    ];
    pages.into_iter().flatten().collect()
}
