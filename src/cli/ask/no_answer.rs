//! The operator gave no answer: why, in words that hold no address, and what to do.

use crate::cli::command_error::CommandError;
use crate::domain::brief::brief;
use crate::ports::unreached::describe_unreached;

/// What to do where a port of its pod is forwarded.
pub(super) const LOOK_AT_IT: &str = "Look at its pod and its log (kubectl describe pod, kubectl logs)";
/// The same where people have named an address.
pub(super) const CHECK_URL: &str = "Check --operator-url, and that the operator, or the port-forward to it, still runs";

/// There was no answer, or only half of one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operator does not answer: {why}. {way_out}")]
pub(in crate::cli) struct NoAnswer {
    why: String,
    way_out: &'static str,
}

impl NoAnswer {
    pub(super) fn new(error: &reqwest::Error, way_out: &'static str) -> Self {
        let why = match (error.is_timeout(), error.is_connect()) {
            (true, true) => "the connection was not made in time".to_owned(),
            // The kernel takes connections for a process that is stopped.
            (true, false) => "it accepted the request and did not answer in time. Perhaps it hangs".to_owned(),
            // What is around the innermost cause may name addresses.
            (false, _) => brief(describe_unreached(error)),
        };
        Self { why, way_out }
    }

    /// Why, without what to do.
    pub(super) fn reason_of(error: &CommandError) -> String {
        match error.downcast_ref::<Self>() {
            Some(silent) => silent.why.clone(),
            None => error.to_string().trim_end_matches('.').to_owned(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::*;

    async fn asked(url: &str) -> NoAnswer {
        // As every command does before its first call.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let answer = http.get(url).timeout(Duration::from_millis(300)).send().await;
        NoAnswer::new(&answer.expect_err("no answer"), CHECK_URL)
    }

    #[tokio::test]
    async fn it_says_why_and_what_to_do_without_an_address() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let url = format!("http://{address}/v1/events?contact=51");
        // Taken by the kernel, and never answered.
        let silent = asked(&url).await;
        assert!(silent.why.contains("did not answer in time"), "{silent}");
        let closing = tokio::spawn(async move {
            let taken = listener.accept().await;
            drop((taken, listener));
        });
        let broken = asked(&url).await;
        closing.await.expect("it ends");
        let refused = asked(&url).await;
        assert_eq!(refused.why, "connection refused");
        for said in [silent, broken, refused] {
            let text = said.to_string();
            assert!(
                text.starts_with("the operator does not answer: ") && text.ends_with(CHECK_URL),
                "{text}"
            );
            let secrets = [
                address.to_string(),
                "contact".to_owned(),
                "error sending request".to_owned(),
            ];
            assert!(!secrets.iter().any(|secret| text.contains(secret)), "{text}");
        }
    }
}
