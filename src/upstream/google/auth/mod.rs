//! Credentials of Google, from a Secret or from the process's environment, and the tokens made from them.

pub mod credentials;
pub mod endpoint;
pub mod external;
pub mod google_auth;
pub mod grants;
pub mod jwt;
pub mod key_file;
pub mod metadata;
pub mod token;
pub mod token_file;
