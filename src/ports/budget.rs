//! A time limit for all upstream calls of one pass together. Each call has limits of its own, but several tries of
//! several calls add up: a service that keeps silent must leave a pass the time to say so.

use std::time::Duration;

use tokio::time::Instant;

use super::{CallKind, Cause, Effect, UpstreamError};

tokio::task_local! {
    static ENDS: Instant;
}

/// Runs a pass, and gives all of its calls together no more time than `budget`.
pub async fn with_budget<T>(budget: Duration, pass: impl Future<Output = T>) -> T {
    ENDS.scope(Instant::now() + budget, pass).await
}

/// Makes a call within the time that is left to the pass. Outside of a pass only the call's own limits hold.
pub async fn within_budget<T, E: From<UpstreamError>>(
    service: &'static str,
    kind: CallKind,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let Ok(ends) = ENDS.try_with(|ends| *ends) else {
        return call.await;
    };
    let spent = |effect| {
        let what = "no answer in time: it took too long to answer the calls of one check, which is repeated later";
        E::from(UpstreamError {
            effect,
            ..UpstreamError::new(service, Cause::Unavailable, what)
        })
    };
    if ends <= Instant::now() {
        return Err(spent(Effect::None));
    }
    match tokio::time::timeout_at(ends, call).await {
        Ok(answer) => answer,
        Err(_) => Err(spent(kind.effect_without_answer())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    async fn silent(kind: CallKind) -> Result<(), UpstreamError> {
        within_budget("Google", kind, std::future::pending()).await
    }

    #[tokio::test]
    async fn a_silent_service_leaves_the_pass_time_to_say_so() {
        let begun = Instant::now();
        let (first, second, third) = with_budget(MS * 50, async {
            let first = silent(CallKind::Changes).await.unwrap_err();
            let second = silent(CallKind::Changes).await.unwrap_err();
            (
                first,
                second,
                within_budget::<(), UpstreamError>("Google", CallKind::Reads, async { Ok(()) }).await,
            )
        })
        .await;
        assert!(begun.elapsed() < MS * 5_000);
        assert_eq!((first.cause, first.effect), (Cause::Unavailable, Effect::Unknown));
        assert_eq!(second.effect, Effect::None, "not even begun");
        assert!(third.is_err(), "nothing is left");
    }

    #[tokio::test]
    async fn outside_of_a_pass_the_limits_of_the_call_hold() {
        let answer = within_budget::<_, UpstreamError>("Google", CallKind::Reads, async { Ok(7) }).await;
        assert_eq!(answer.unwrap(), 7);
    }
}
