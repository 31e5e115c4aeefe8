//! The controller of `GoogleAdsAccount`: credentials, one snapshot of the
//! account's configuration for all its events, and what stands in their way.

mod interval_backoff;
mod lists;
mod memory;
pub mod once;
mod read;
mod status;

use std::sync::Arc;

use jiff::Timestamp;

use self::memory::GoogleMemory;
use self::read::{ReadScope, ReadTarget};
use crate::api::GoogleAdsAccount;
use crate::api::reasons::reason;
use crate::controller::shared::account::controller::AccountController;
use crate::controller::shared::account::kind::{AccountKind, AccountSummary, CommonStatus, StatusUpdate};
use crate::controller::shared::account::user_change::UserChange;
use crate::controller::shared::context::{Cache, Caches, Context};
use crate::controller::shared::error::Error;
use crate::controller::shared::object::Object;
use crate::controller::shared::{log, secrets};
use crate::domain::account_health::{AccountFault, FaultKind};
use crate::domain::account_state;
use crate::domain::conditions::Conditions;
use crate::domain::ids::{CustomerId, ObjectKey};
use crate::ports::{GoogleClients, GoogleCredentials, SecretData};
use crate::registry::{Account, GoogleAccount, GoogleSnapshot, Readiness};

/// The controller of Google accounts.
pub type GoogleController = AccountController<GoogleKind>;

/// Accounts of Google Ads.
pub struct GoogleKind;

/// The account's id at Google, and that of the manager to come through.
type Identity = (CustomerId, Option<CustomerId>);

/// What a pass knows of a Google account.
pub struct View {
    /// None if the manifest holds a malformed id.
    identity: Option<Identity>,
    snapshot: Option<Arc<GoogleSnapshot>>,
}

impl AccountKind for GoogleKind {
    type Object = GoogleAdsAccount;
    type Memory = GoogleMemory;
    type View = View;

    fn as_account(key: ObjectKey) -> Account {
        Account::Google(key)
    }

    fn cache_of(caches: &Caches) -> &Cache<GoogleAdsAccount> {
        &caches.google
    }

    fn is_suspended(object: &GoogleAdsAccount) -> bool {
        object.spec.suspend
    }

    async fn check_account(
        ctx: &Context,
        object: &GoogleAdsAccount,
        memory: &mut GoogleMemory,
        change: UserChange,
    ) -> Result<(), Error> {
        match identity_of(object) {
            Ok(_) if object.spec.suspend => {}
            Ok(identity) => read_account(ctx, object, memory, &identity, change).await?,
            Err(fault) => memory.state.health.check_failed(fault, ctx.clock.now()),
        }
        Ok(())
    }

    fn build_view(ctx: &Context, object: &GoogleAdsAccount, memory: &GoogleMemory) -> View {
        let registered = ctx
            .registry
            .google_account(&object.key())
            .and_then(|account| account.snapshot);
        View {
            identity: identity_of(object).ok(),
            snapshot: memory.current_snapshot(registered.as_deref()),
        }
    }

    fn summarize(object: &GoogleAdsAccount, memory: &GoogleMemory, view: &View) -> AccountSummary {
        AccountSummary {
            what: described_as(object, memory),
            known: view.snapshot.is_some(),
            remark: memory.remark(),
        }
    }

    fn add_conditions(memory: &GoogleMemory, conditions: &mut Conditions) {
        if let Some((customer, _)) = &memory.customer {
            let enablement = customer.enablement.as_deref();
            account_state::add_google_conditions(conditions, customer.accepted_customer_data_terms, enablement);
        }
    }

    fn is_usable(view: &View) -> bool {
        view.identity.is_some()
    }

    fn register_account(
        ctx: &Context,
        object: &GoogleAdsAccount,
        memory: &GoogleMemory,
        view: &View,
        readiness: Readiness,
    ) -> bool {
        let Some((customer, login)) = view.identity.clone() else {
            return false;
        };
        ctx.registry.set_google(GoogleAccount {
            key: object.key(),
            customer,
            login,
            uploads: object.spec.uploads,
            clients: memory.clients.clone(),
            readiness,
            snapshot: view.snapshot.clone(),
        })
    }

    async fn build_status(
        ctx: &Context,
        object: &GoogleAdsAccount,
        memory: &GoogleMemory,
        view: &View,
        common: &CommonStatus<'_>,
    ) -> StatusUpdate<Self> {
        status::compose_status(ctx, object, memory, view.snapshot.as_deref(), common).await
    }

    fn next_read(ctx: &Context, key: &ObjectKey, memory: &GoogleMemory, view: &View) -> Option<Timestamp> {
        read::next_due(ctx, key, memory, view.snapshot.as_deref())
    }
}

/// The schema refuses malformed ids; this is for objects older than the schema.
fn identity_of(object: &GoogleAdsAccount) -> Result<Identity, AccountFault> {
    let parse = |text: &str| {
        text.parse::<CustomerId>()
            .map_err(|error| AccountFault::new(FaultKind::Denied, reason::INVALID_SPEC, format!("{error}.")))
    };
    let login = object.spec.login_customer_id.as_deref().map(parse).transpose()?;
    Ok((parse(&object.spec.customer_id)?, login))
}

fn described_as(object: &GoogleAdsAccount, memory: &GoogleMemory) -> String {
    let id = &object.spec.customer_id;
    match memory
        .customer
        .as_ref()
        .and_then(|(customer, _)| customer.descriptive_name.as_deref())
    {
        Some(name) => format!("Google Ads account {id} ({name})"),
        None => format!("Google Ads account {id}"),
    }
}

/// Reads the Secret, and of Google what is due. What goes wrong upstream is noted in the memory.
async fn read_account(
    ctx: &Context,
    object: &GoogleAdsAccount,
    memory: &mut GoogleMemory,
    (customer, login): &Identity,
    change: UserChange,
) -> Result<(), Error> {
    let key = object.key();
    let account = Account::Google(key.clone());
    let asked = memory.state.is_read_asked(ctx, change, &account);
    let mut data: Option<SecretData> = None;
    let mut other_clients = change.manifest;
    let name = object.spec.credentials_secret_ref.as_ref().map(|r| r.name.as_str());
    memory.state.use_secret(name);
    if let Some(name) = name {
        let Some(secret) = memory.state.read_secret(ctx, &key.namespace, name).await? else {
            memory.clients = None;
            return Ok(());
        };
        other_clients |= memory.state.secret_changed(&secret.version);
        data = Some(secret.data);
    }
    let now = ctx.clock.now();
    let change = change.request || other_clients;
    if other_clients {
        memory.state.credentials_replaced(now);
    }
    let urgent = memory.state.begin_pass(ctx, &account, change, last_upload(ctx, &key));
    let refused = ctx.registry.take_ad_account_refused(&key);
    if !change && !memory.state.may_check_asked(asked, now, &ctx.settings) {
        return Ok(());
    }
    if other_clients || memory.state.token_refused() {
        memory.clients = None;
    }
    let Some(clients) = connect_clients(ctx, object, memory, data.as_ref(), login.clone()).await else {
        return Ok(());
    };
    if memory.state.doubts_token() {
        clients.ads.drop_token().await;
    }
    if other_clients {
        log::account_changed(object);
    }
    let target = ReadTarget {
        ctx,
        key: &key,
        customer,
        clients: &clients,
    };
    let scope = ReadScope {
        everything: change || asked || refused,
        customer: urgent,
    };
    read::read_due(target, memory, scope).await;
    Ok(())
}

/// The clients, made if there are none. `None` if the Secret does not allow it: that is noted.
async fn connect_clients(
    ctx: &Context,
    object: &GoogleAdsAccount,
    memory: &mut GoogleMemory,
    secret: Option<&SecretData>,
    login: Option<CustomerId>,
) -> Option<GoogleClients> {
    if memory.clients.is_none() {
        let (key, now) = (object.key(), ctx.clock.now());
        match ctx.google.connect(credentials_from(secret, &key), login).await {
            Ok(clients) => {
                memory.state.connected = Some(now);
                memory.clients = Some(clients);
            }
            Err(why) => {
                let fault = match (&object.spec.credentials_secret_ref, secret) {
                    (Some(reference), Some(secret)) => {
                        secrets::invalid_secret(&key.namespace, &reference.name, secret, &why)
                    }
                    _ => AccountFault::new(FaultKind::Credentials, reason::SECRET_INVALID, format!("{why}.")),
                };
                memory.state.check_failed(fault, now);
            }
        }
    }
    memory.clients.clone()
}

fn credentials_from<'a>(secret: Option<&'a SecretData>, account: &'a ObjectKey) -> GoogleCredentials<'a> {
    match secret {
        Some(secret) => GoogleCredentials::Secret(secret),
        None => GoogleCredentials::Ambient {
            namespace: &account.namespace,
        },
    }
}

/// When an upload of this account last went through: the proof that what was refused works again.
fn last_upload(ctx: &Context, key: &ObjectKey) -> Option<Timestamp> {
    let events = ctx.registry.events_of_ad_account(key);
    events
        .iter()
        .filter_map(|event| ctx.registry.event_report(&event.key).upload.last_success)
        .max()
}
