//! What differs between the two kinds of accounts.

use jiff::Timestamp;

use super::state::AccountState;
use super::user_change::UserChange;
use crate::api::Condition;
use crate::controller::shared::context::{Cache, Caches, Context};
use crate::controller::shared::error::Error;
use crate::controller::shared::object::Object;
use crate::domain::conditions::Conditions;
use crate::domain::ids::ObjectKey;
use crate::domain::transitions::Announcement;
use crate::registry::{Account, Readiness};

/// What is remembered of an account between two passes, whatever its kind adds.
pub trait AccountMemory: Default + Send + Sync + 'static {
    /// What both kinds remember.
    fn account_state(&self) -> &AccountState;

    /// The same, to change it.
    fn state_mut(&mut self) -> &mut AccountState;
}

/// What an account's conditions say of it.
pub struct AccountSummary {
    /// What it is called, for people.
    pub what: String,
    /// Everything has been read at least once.
    pub known: bool,
    /// What people should know of its manifest.
    pub remark: Option<String>,
}

/// A status, and what else to tell people.
pub type StatusUpdate<K> = (
    <<K as AccountKind>::Object as kube::core::object::HasStatus>::Status,
    Vec<Announcement>,
);

/// A kind of accounts: [`super::controller::AccountController`] does with it what is the same for both.
pub trait AccountKind: Send + Sync + Sized + 'static {
    type Object: Object;
    /// What is remembered between two passes.
    type Memory: AccountMemory;
    /// What a pass knows of the account once it was checked.
    type View: Send + Sync;

    fn as_account(key: ObjectKey) -> Account;

    /// Where its objects are cached.
    fn cache_of(caches: &Caches) -> &Cache<Self::Object>;

    /// `spec.suspend`.
    fn is_suspended(object: &Self::Object) -> bool;

    /// Reads the Secret, and of the service what is due. What goes wrong upstream is noted in the memory.
    fn check_account(
        ctx: &Context,
        object: &Self::Object,
        memory: &mut Self::Memory,
        change: UserChange,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// What is known once it was checked.
    fn build_view(ctx: &Context, object: &Self::Object, memory: &Self::Memory) -> Self::View;

    /// What its conditions say of it.
    fn summarize(object: &Self::Object, memory: &Self::Memory, view: &Self::View) -> AccountSummary;

    /// Adds what only this kind has to say.
    fn add_conditions(_memory: &Self::Memory, _conditions: &mut Conditions) {}

    /// True if the manifest names an account that the sync loops could work with.
    fn is_usable(_view: &Self::View) -> bool {
        true
    }

    /// Tells the sync loops. True if that changes anything for them.
    fn register_account(
        ctx: &Context,
        object: &Self::Object,
        memory: &Self::Memory,
        view: &Self::View,
        readiness: Readiness,
    ) -> bool;

    /// The status as it should be.
    fn build_status(
        ctx: &Context,
        object: &Self::Object,
        memory: &Self::Memory,
        view: &Self::View,
        common: &CommonStatus<'_>,
    ) -> impl Future<Output = StatusUpdate<Self>> + Send;

    /// When something is to be read again.
    fn next_read(ctx: &Context, key: &ObjectKey, memory: &Self::Memory, view: &Self::View) -> Option<Timestamp>;
}

/// What every status of an account says.
pub struct CommonStatus<'a> {
    /// Names of the events that use it.
    pub users: &'a [String],
    pub conditions: &'a [Condition],
}
