//! Credentials of Google: what a Secret or the process itself holds, and the tokens made of it.

pub mod credentials;
pub mod external;
pub mod google_auth;
pub mod grants;
pub mod jwt;
pub mod key_file;
pub mod metadata;
pub mod token;
pub mod token_file;
