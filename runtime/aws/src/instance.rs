//! A temporary instance: what it needs to be reached, its start, where it is, its end.

use std::sync::Arc;

use ssh_key::PrivateKey;

use crate::share::Shares;
use crate::tags::Tags;

mod address;
pub(crate) mod authorized;
mod caller;
mod console;
mod fleet;
mod group;
mod key;
mod left;
mod password;
mod profile;
pub(crate) mod session;
mod start;
mod stop;
mod user_data;

pub(crate) use address::{address, ready};
pub(crate) use caller::address as caller_address;
pub(crate) use console::host_keys;
pub(crate) use fleet::template_request;
pub(crate) use group::{Opening, check_range, make_group};
pub(crate) use key::{LogIn, TemporaryKey};
pub(crate) use left::{Door, Keeper, Left, LeftKey, Taken};
pub(crate) use password::password;
pub(crate) use profile::TemporaryProfile;
pub(crate) use start::{Fresh, Start, known, request as start_request, start};
pub(crate) use stop::stop;
pub(crate) use user_data::{HostKey, Room, UserData, check_user_data, put_off, switch};

/// What the instances of a run have in common in a region, where they need the same.
#[derive(Debug, Default)]
pub(crate) struct Common {
    groups: Shares<Opening, ()>,
    keys: Shares<(String, String, Option<u32>, Tags), Arc<PrivateKey>>,
}
