//! Redirects to another host: nothing follows them, whichever call they answer, and who is redirected says so.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use super::Stage;
use super::forms::{self, FORM};
use super::judge::{PORTAL, crowd};
use super::meddler::{Asked, Meddler, Meddling, Reply, Rule};
use super::stage::{Counts, ago};
use super::strangers::all_arrive;

/// Another host, which counts who comes.
struct Elsewhere {
    address: String,
    came: Arc<AtomicUsize>,
}

impl Elsewhere {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}/stolen", listener.local_addr().expect("an address"));
        let came = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&came);
        // Ends with the process.
        thread::spawn(move || {
            for _ in listener.incoming() {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { address, came }
    }
}

struct Setting {
    stage: Stage,
    meddler: Meddler,
    elsewhere: Elsewhere,
}

impl Setting {
    /// Calls to paths that contain (or, with `$`, end with) this are sent elsewhere.
    fn redirect(&self, path: &'static str, status: u16) -> Rule {
        let away = Reply::new(status, "text/html", "").header("location", &self.elsewhere.address);
        let picks = move |asked: &Asked| match path.strip_suffix('$') {
            Some(end) => asked.path.ends_with(end),
            None => asked.path.contains(path),
        };
        self.meddler.always(picks, Meddling::Instead(away))
    }

    /// Waits until a condition of the object names the redirect and its status; then it is over.
    fn named(&self, rule: Rule, object: &str, status: u16) {
        let says = |object: &Value| {
            let conditions = object["status"]["conditions"].to_string();
            conditions.contains("redirect") && conditions.contains(&format!("HTTP {status}"))
        };
        let what = format!("{object} naming the redirect {status}");
        self.stage.wait(object, &what, says);
        assert!(self.meddler.fired(rule) > 0, "{object}");
        self.meddler.lift(rule);
    }

    fn ready(&self) {
        for object in ["gaa/acme", "hsa/acme"] {
            self.stage.condition(object, "Ready", "True", "");
        }
    }

    /// One more contact that has become a customer.
    fn customer(&self, click: &str) {
        self.stage.contact(&[("customer", ago(60))], Some(click), &json!({}));
    }

    fn over(&self) {
        let came = self.elsewhere.came.load(Ordering::Relaxed);
        assert_eq!(came, 0, "somebody followed a redirect");
        assert!(!self.stage.log().contains("panicked"), "{}", self.stage.log());
    }
}

fn setting(name: &str) -> Setting {
    let mut stage = Stage::empty(name, &["--no-rate-limits"], &[]);
    let meddler = stage.meddled();
    Setting {
        stage,
        meddler,
        elsewhere: Elsewhere::start(),
    }
}

#[test]
fn calls_about_accounts_and_stages_follow_no_redirect_and_name_it() {
    let setting = setting("redirects");
    let stage = &setting.stage;
    crowd(stage, 3);
    let (token, portal) = (
        setting.redirect("/token$", 301),
        setting.redirect("/account-info/", 302),
    );
    stage.start_operator();
    stage.accounts();
    setting.named(token, "gaa/acme", 301);
    setting.named(portal, "hsa/acme", 302);
    let (search, scopes) = (
        setting.redirect("googleAds:search", 303),
        setting.redirect("/access-token-info", 307),
    );
    setting.named(search, "gaa/acme", 303);
    setting.named(scopes, "hsa/acme", 307);
    let stages = setting.redirect("/lifecyclestage", 308);
    setting.named(stages, "hsa/acme", 308);
    let properties = setting.redirect("/contacts$", 301);
    setting.named(properties, "hsa/acme", 301);
    setting.ready();
    let create = setting.redirect("conversionActions:mutate", 308);
    stage.event("red", "customer", &json!({"startTime": ago(86_400 * 30)}));
    setting.named(create, "adce/red", 308);
    all_arrive(stage, "red", PORTAL);
    setting.over();
}

#[test]
fn calls_about_records_and_uploads_follow_no_redirect_and_name_it() {
    let setting = setting("redirected");
    let stage = &setting.stage;
    stage.post("/hubspot/forms", &json!([{"id": FORM, "name": "Demo request"}]));
    stage.start_operator();
    stage.accounts();
    stage.event("red", "customer", &json!({"startTime": ago(86_400 * 30)}));
    forms::event(stage, "form", FORM, &json!({"startTime": ago(3600)}));
    stage.condition("adce/red", "Ready", "True", "");
    stage.condition("adce/form", "Ready", "True", "");
    let (search, list) = (
        setting.redirect("/contacts/search", 302),
        setting.redirect("/submissions/forms/", 303),
    );
    setting.named(search, "adce/red", 302);
    forms::submit(stage, &forms::consenting("c-1"));
    setting.named(list, "adce/form", 303);
    let (read, enhance) = (
        setting.redirect("/contacts/batch/read", 307),
        setting.redirect(":uploadConversionAdjustments", 308),
    );
    setting.customer("click-read");
    setting.named(read, "adce/red", 307);
    setting.named(enhance, "adce/form", 308);
    let ingest = setting.redirect("/events:ingest", 301);
    setting.customer("click-sent");
    setting.named(ingest, "adce/red", 301);
    let asked = setting.redirect("/requestStatus:retrieve", 302);
    setting.customer("click-asked");
    setting.named(asked, "adce/red", 302);
    all_arrive(stage, "red", PORTAL);
    let form = stage.wait("adce/form", "the enhancement", |e| {
        let counts = Counts::of(e);
        counts.conserved(e);
        (counts.observed, counts.uploaded) == (1, 1)
    });
    assert_eq!(forms::ids(stage, &form), ["c-1"]);
    setting.over();
}
