//! Renews a token that a service refuses, once per call.

/// Makes a call with a token, and once more with another one if the service refused the first, so that the first call
/// surely had no effect. `renew` gets the refused token and the call's error, and returns that error if it can get no
/// other token.
pub async fn call_with_renewal<Token: Clone, Ended, Call, Renewal>(
    token: Token,
    call: impl Fn(Token) -> Call,
    is_refused: impl FnOnce(&Ended) -> bool,
    renew: impl FnOnce(Token, Ended) -> Renewal,
) -> Ended
where
    Call: Future<Output = Ended>,
    Renewal: Future<Output = Result<Token, Ended>>,
{
    let ended = call(token.clone()).await;
    if !is_refused(&ended) {
        return ended;
    }
    match renew(token, ended).await {
        Ok(other) => call(other).await,
        Err(ended) => ended,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    const REFUSED: u16 = 401;

    /// The call's result and the tokens that it was made with, given one answer for each token.
    async fn calls(answers: &[u16], renewable: bool) -> (u16, Vec<u16>) {
        let made = RefCell::new(Vec::new());
        let call = |token: u16| {
            made.borrow_mut().push(token);
            std::future::ready(answers[usize::from(token)])
        };
        let renew = |token: u16, ended: u16| std::future::ready(if renewable { Ok(token + 1) } else { Err(ended) });
        let ended = call_with_renewal(0, call, |ended| *ended == REFUSED, renew).await;
        (ended, made.into_inner())
    }

    #[rstest::rstest]
    #[case::taken(&[200], true, (200, vec![0]))]
    #[case::another_failure(&[500], true, (500, vec![0]))]
    #[case::renewed(&[REFUSED, 200], true, (200, vec![0, 1]))]
    #[case::once_only(&[REFUSED, REFUSED], true, (REFUSED, vec![0, 1]))]
    #[case::nothing_to_renew(&[REFUSED], false, (REFUSED, vec![0]))]
    #[tokio::test]
    async fn a_call_is_made_again_once_with_another_token(
        #[case] answers: &[u16],
        #[case] renewable: bool,
        #[case] expected: (u16, Vec<u16>),
    ) {
        assert_eq!(calls(answers, renewable).await, expected);
    }
}
