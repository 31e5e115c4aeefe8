//! HubSpot or Google refuses for seconds, in its own words, what is good: nobody waits for long after it, however
//! seldom accounts are looked at that a person must mend.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Stage;
use super::meddler::{Asked, Meddler, Meddling, Reply};
use super::stage::{Counts, ago, condition};

const LONG: Duration = Duration::from_mins(2);
const FLAGS: [(&str, &str); 2] = [("stalled-probe-interval", "30m"), ("backoff-max", "2s")];
/// An id that no record has.
const NOBODY: &str = "9007199254740991";

fn stage(name: &str) -> (Stage, Meddler) {
    let options = ["--no-rate-limits", "--processing-delay=200ms"];
    let mut stage = Stage::empty(name, &options, &FLAGS);
    let meddler = stage.meddled();
    stage.start_with_accounts();
    stage.event("won", "customer", &json!({"startTime": ago(86_400)}));
    (stage, meddler)
}

/// One more contact goes, and so many in all.
fn goes(stage: &Stage, uploaded: u64) {
    stage.contact(&[("customer", ago(1))], Some(&format!("click-{uploaded}")), &json!({}));
    arrives(stage, uploaded);
}

fn arrives(stage: &Stage, uploaded: u64) {
    stage.wait_within(LONG, &format!("{uploaded} uploaded"), || {
        let event = stage.get("adce/won");
        let counts = Counts::of(&event);
        counts.conserved(&event);
        if counts.uploaded == uploaded {
            Ok(())
        } else {
            Err(event["status"].clone())
        }
    });
}

/// Calls that are picked are refused until the account says that it is stalled; then all is well.
fn refused_for_a_moment(
    stage: &Stage,
    meddler: &Meddler,
    (account, sent): (&str, u64),
    picks: fn(&Asked) -> bool,
    refusal: Reply,
) {
    let rule = meddler.always(picks, Meddling::Instead(refusal));
    stage.contact(&[("customer", ago(1))], Some(&format!("click-{sent}")), &json!({}));
    stage.condition(account, "Stalled", "True", "");
    meddler.lift(rule);
    // It stays as it is said until something shows that it is over.
    arrives(stage, sent);
    stage.condition(account, "Ready", "True", "");
    goes(stage, sent + 1);
}

fn hubspots(call: &Asked) -> bool {
    ["/crm/", "/account-info/", "/marketing/", "access-token-info"]
        .iter()
        .any(|path| call.path.contains(path))
}

fn contacts(call: &Asked) -> bool {
    call.path.starts_with("/crm/objects/")
}

fn googles(call: &Asked) -> bool {
    uploads(call) || call.path.contains("googleAds:search")
}

fn uploads(call: &Asked) -> bool {
    call.path.contains("events:ingest")
}

#[test]
fn what_hubspot_refuses_for_a_moment_goes_soon_after() {
    let (stage, meddler) = stage("brief-hubspot");
    goes(&stage, 1);
    let denied = json!({"status": "error", "message": "x", "category": "MISSING_SCOPES"});
    // All of the token's calls, or those for contacts while the account's own check is answered.
    for (sent, picks) in [(2, hubspots as fn(&Asked) -> bool), (4, contacts)] {
        refused_for_a_moment(&stage, &meddler, ("hsa/acme", sent), picks, Reply::json(403, &denied));
    }
}

#[test]
fn what_google_refuses_for_a_moment_goes_soon_after() {
    let (stage, meddler) = stage("brief-google");
    goes(&stage, 1);
    let denied = json!({"error": {"code": 403, "message": "x", "status": "PERMISSION_DENIED"}});
    for (sent, picks) in [(2, googles as fn(&Asked) -> bool), (4, uploads)] {
        refused_for_a_moment(&stage, &meddler, ("gaa/acme", sent), picks, Reply::json(403, &denied));
    }
}

fn begins_anew(stage: &Stage) {
    stage.kill_operator();
    stage.start_operator();
}

/// A person follows the advice of the condition.
fn other_secret(stage: &Stage) {
    stage.patch("secret/google-ads", &json!({"stringData": {"note": "another version"}}));
}

/// What is refused anew, as it was before, has not worked in this process, or with this Secret.
#[rstest::rstest]
#[case::start("brief-start", begins_anew)]
#[case::secret("brief-secret", other_secret)]
fn what_is_refused_over_a_change_goes_soon_after(#[case] name: &str, #[case] change: fn(&Stage)) {
    let (stage, meddler) = stage(name);
    goes(&stage, 1);
    let denied = json!({"error": {"code": 403, "message": "x", "status": "PERMISSION_DENIED"}});
    let rule = meddler.always(googles, Meddling::Instead(Reply::json(403, &denied)));
    stage.contact(&[("customer", ago(1))], Some("click-2"), &json!({}));
    stage.condition("gaa/acme", "Stalled", "True", "");
    change(&stage);
    let (fired, begun) = (meddler.fired(rule), Instant::now());
    stage.wait_for("that it is refused again, after the change was noticed", || {
        let more = meddler.fired(rule) - fired;
        if more > 0 && begun.elapsed() > Duration::from_secs(5) {
            Ok(())
        } else {
            Err(json!(more))
        }
    });
    stage.condition("gaa/acme", "Stalled", "True", "AccessDenied");
    meddler.lift(rule);
    arrives(&stage, 2);
    stage.condition("gaa/acme", "Ready", "True", "");
}

/// How the same call for nobody gets no answer.
fn no_answers() -> [(&'static str, Meddling); 3] {
    let failed = json!({"status": "error", "message": "x", "category": "INTERNAL_ERROR"});
    let limit = json!({"status": "error", "message": "You have reached your ten_secondly_rolling limit.",
        "errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING"});
    [
        ("lost", Meddling::Drop),
        ("503", Meddling::Instead(Reply::json(503, &failed))),
        ("429", Meddling::Instead(Reply::json(429, &limit))),
    ]
}

#[test]
fn a_refused_contact_is_no_matter_of_the_account_where_the_call_for_nobody_has_no_answer() {
    let (stage, meddler) = stage("open-refusals");
    goes(&stage, 1);
    for (number, (name, no_answer)) in (0_u64..).zip(no_answers()) {
        let id = stage.contact(&[("lead", ago(86_400))], Some(&format!("bad-{name}")), &json!({}));
        let bad = format!("\"{id}\"");
        let reads = |call: &Asked| call.path.contains("/contacts/batch/read");
        let denied = json!({"status": "error", "message": "x", "category": "MISSING_SCOPES"});
        let refusal = Meddling::Instead(Reply::json(403, &denied));
        let refused = meddler.always(move |call| reads(call) && call.says(&bad), refusal);
        let open = meddler.times(2, move |call| reads(call) && call.says(NOBODY), no_answer);
        let becomes = json!({"properties": {"lifecyclestage": "customer"}});
        stage.admin_call("PATCH", &format!("/hubspot/contacts/{id}"), Some(&becomes));
        stage.wait_for(&format!("two calls for nobody without an answer: {name}"), || {
            assert_ready(&stage.get("hsa/acme"), name);
            match meddler.fired(open) {
                2 => Ok(()),
                fired => Err(json!(fired)),
            }
        });
        // Others go while it is refused, and it goes itself as soon as it can be read.
        goes(&stage, 2 + 2 * number);
        assert_ready(&stage.get("hsa/acme"), name);
        meddler.lift(refused);
        arrives(&stage, 3 + 2 * number);
    }
}

fn assert_ready(account: &Value, name: &str) {
    let ready = condition(account, "Ready");
    assert_eq!(ready["status"], "True", "{name}: {ready}");
}
