//! Makes clients from Secrets. The same credentials always get
//! the same client, and with it the same limiters and token.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use reqwest::Client;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use super::auth::{Auth, Credentials};
use super::client::HubSpot;
use super::config::HubSpotConfig;
use super::limits::Portals;
use super::token::OAuthKeys;
use super::transport::Shared;
use crate::ports::crm::Crm;
use crate::ports::{CallObserver, CrmConnector, SecretData, SecretInvalid};
use crate::upstream::secret_value::secret_value;

/// How long an unused client is kept, with its token and its limiters.
const IDLE: Duration = Duration::from_hours(1);
const WAY_OUT: &str =
    "Add accessToken (a service key or private app token), or clientId, clientSecret and refreshToken (an OAuth app)";
/// Most unused clients that are kept, so that a tenant that replaces its Secret all the time can't fill the memory.
const MAX_IDLE: usize = 64;
/// The keys of an OAuth app.
const OAUTH: [&str; 3] = ["clientId", "clientSecret", "refreshToken"];

/// SHA-256 of the credentials: distinguishes them without keeping another copy. In memory only.
type CredentialsDigest = [u8; 32];

/// Makes HubSpot clients, and uses them again.
pub struct HubSpotConnector {
    shared: Arc<Shared>,
    clients: Mutex<HashMap<CredentialsDigest, (Arc<HubSpot>, Instant)>>,
}

impl HubSpotConnector {
    /// A connector whose clients all use `http`. A TLS provider must be installed before `http` is built.
    pub fn new(config: HubSpotConfig, http: Client, observer: Arc<dyn CallObserver>) -> Self {
        let shared = Shared {
            config,
            http,
            observer,
            portals: Portals::default(),
        };
        Self {
            shared: Arc::new(shared),
            clients: Mutex::default(),
        }
    }

    /// The client for these credentials.
    pub fn client_for(&self, secret: &SecretData) -> Result<Arc<HubSpot>, SecretInvalid> {
        let (credentials, identity) = read_credentials(secret)?;
        let now = Instant::now();
        let mut clients = self.clients.lock();
        forget_idle(&mut clients, now);
        if let Some((client, used)) = clients.get_mut(&identity) {
            *used = now;
            if Arc::strong_count(client) == 1 {
                // The account that used it before may have had another portal.
                client.auth.unpin_portal();
            }
            return Ok(Arc::clone(client));
        }
        let auth = Auth::new(credentials).ok_or_else(|| value_unusable("accessToken"))?;
        let client = Arc::new(HubSpot::new(Arc::clone(&self.shared), auth));
        clients.insert(identity, (Arc::clone(&client), now));
        Ok(client)
    }
}

/// Forgets clients that nobody has used for long, and the longest unused ones if there are too many.
fn forget_idle(clients: &mut HashMap<CredentialsDigest, (Arc<HubSpot>, Instant)>, now: Instant) {
    let is_idle = |client: &Arc<HubSpot>| Arc::strong_count(client) == 1;
    clients.retain(|_, (client, used)| !is_idle(client) || now.duration_since(*used) < IDLE);
    let mut idle: Vec<(Instant, CredentialsDigest)> = clients
        .iter()
        .filter(|(_, (client, _))| is_idle(client))
        .map(|(identity, (_, used))| (*used, *identity))
        .collect();
    idle.sort_unstable();
    let too_many = idle.len().saturating_sub(MAX_IDLE);
    for (_, identity) in idle.into_iter().take(too_many) {
        clients.remove(&identity);
    }
}

#[cfg(test)]
impl HubSpotConnector {
    pub(crate) fn client_count(&self) -> usize {
        self.clients.lock().len()
    }
}

#[async_trait]
impl CrmConnector for HubSpotConnector {
    async fn connect(&self, secret: &SecretData) -> Result<Arc<dyn Crm>, SecretInvalid> {
        Ok(self.client_for(secret)?)
    }
}

fn read_credentials(secret: &SecretData) -> Result<(Credentials, CredentialsDigest), SecretInvalid> {
    if secret.contains_key("accessToken") {
        let token = required_value(secret, "accessToken")?;
        let identity = credentials_digest(&["static", token]);
        return Ok((Credentials::Static(token.into()), identity));
    }
    let missing: Vec<_> = OAUTH.into_iter().filter(|key| !secret.contains_key(*key)).collect();
    if missing.len() == OAUTH.len() {
        return Err(keys_absent(&["accessToken"]));
    }
    if !missing.is_empty() {
        return Err(keys_absent(&missing));
    }
    let client_id = required_value(secret, "clientId")?;
    let client_secret = required_value(secret, "clientSecret")?;
    let refresh_token = required_value(secret, "refreshToken")?;
    let identity = credentials_digest(&["oauth", client_id, client_secret, refresh_token]);
    let keys = OAuthKeys {
        client_id: SecretString::from(client_id),
        client_secret: client_secret.into(),
        refresh_token: refresh_token.into(),
    };
    Ok((Credentials::OAuth(keys), identity))
}

/// A required value of the Secret.
fn required_value<'a>(secret: &'a SecretData, key: &str) -> Result<&'a str, SecretInvalid> {
    let Some(value) = secret_value(secret, key)? else {
        return Err(keys_absent(&[key]));
    };
    if value.is_empty() {
        return Err(SecretInvalid {
            message: format!("key {key:?} is empty. {WAY_OUT}"),
        });
    }
    if !value.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(value_unusable(key));
    }
    Ok(value)
}

fn keys_absent(keys: &[&str]) -> SecretInvalid {
    let (word, verb) = if keys.len() == 1 {
        ("key", "is")
    } else {
        ("keys", "are")
    };
    let named: Vec<_> = keys.iter().map(|key| format!("{key:?}")).collect();
    SecretInvalid {
        message: format!("{word} {} {verb} missing. {WAY_OUT}", named.join(" and ")),
    }
}

fn value_unusable(key: &str) -> SecretInvalid {
    let message = format!(
        "key {key:?} holds blanks or characters that no token has. Store the bare value, without \"Bearer\", quotes or \
         line breaks inside"
    );
    SecretInvalid { message }
}

fn credentials_digest(parts: &[&str]) -> CredentialsDigest {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}
