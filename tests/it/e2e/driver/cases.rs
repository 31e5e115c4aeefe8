//! What may go wrong, and with which call.

use serde_json::{Value, json};

use crate::e2e::kube_proxy::Fault;

pub const KILL_BEFORE: &str = "kill-before";
pub const KILL_AFTER: &str = "kill-after";

const UPSTREAM: [&str; 10] = [
    "hang-before",
    "hang-after",
    KILL_BEFORE,
    KILL_AFTER,
    "drop-before",
    "drop-after",
    "503",
    "html",
    "truncate",
    "late",
];

const KUBERNETES: [&str; 16] = [
    "hang-before",
    "hang-after",
    KILL_BEFORE,
    KILL_AFTER,
    "drop-before",
    "drop-after",
    "409",
    "410",
    "429",
    "500",
    "503",
    "504-after",
    "html",
    "truncate",
    "break-watches",
    "freeze-watches",
];

/// The calls of one run, in order.
pub struct Calls {
    /// Service and path.
    pub upstream: Vec<(String, String)>,
    /// Method and path.
    pub kubernetes: Vec<String>,
}

/// Where a call goes.
#[derive(Debug, Clone)]
pub enum Place {
    /// To HubSpot or Google: the one after `skip` others of its service.
    Upstream { service: String, skip: usize },
    /// To the API server.
    Kubernetes,
}

/// One call that goes wrong: the `number`-th of the workload at its place.
#[derive(Debug, Clone)]
pub struct Case {
    pub number: usize,
    pub place: Place,
    pub path: String,
    pub fault: &'static str,
}

impl Case {
    /// True where the operator is killed.
    pub fn kills(&self) -> bool {
        self.fault == KILL_BEFORE || self.fault == KILL_AFTER
    }

    fn is_of_kubernetes(&self) -> bool {
        matches!(self.place, Place::Kubernetes)
    }

    /// What `ADCONVERSION_FAULTS` says to run this one alone.
    pub fn name(&self) -> String {
        let place = if self.is_of_kubernetes() { "k" } else { "" };
        format!("{place}{}:{}", self.number, self.fault)
    }
}

/// A fault as the sandbox takes it.
pub fn of_upstream(fault: &str) -> Value {
    match fault {
        "hang-before" => json!({"hangBefore": true}),
        "hang-after" => json!({"hangAfter": true}),
        "drop-before" => json!({"dropBefore": true}),
        "drop-after" => json!({"dropAfter": true}),
        "503" => json!({"status": 503}),
        "html" => json!({"html": true}),
        "truncate" => json!({"truncate": 7}),
        "late" => json!({"delayMs": 6000}),
        other => panic!("no fault {other}"),
    }
}

/// A fault as the proxy takes it. A call hangs while the operator is killed.
pub fn of_kubernetes(fault: &str) -> Fault {
    match fault {
        "hang-before" | KILL_BEFORE => Fault::HangBefore,
        "hang-after" | KILL_AFTER => Fault::HangAfter,
        "drop-before" => Fault::DropBefore,
        "drop-after" => Fault::DropAfter,
        "409" => Fault::Refuse(409),
        "410" => Fault::Gone,
        "429" => Fault::Refuse(429),
        "500" => Fault::Refuse(500),
        "503" => Fault::Refuse(503),
        "504-after" => Fault::RefuseAfter(504),
        "html" => Fault::Html,
        "truncate" => Fault::Truncate,
        "break-watches" => Fault::BreakWatches,
        "freeze-watches" => Fault::FreezeWatches,
        other => panic!("no fault {other}"),
    }
}

/// The cases that are asked for.
pub fn chosen(calls: &Calls, asked: &str) -> Vec<Case> {
    let (upstream, kubernetes) = (of_all_upstream(calls), of_all_kubernetes(calls));
    let day = u64::try_from(jiff::Timestamp::now().as_second() / 86_400).expect("after 1970");
    match asked {
        "" => [sample(&upstream, &UPSTREAM, day), sample(&kubernetes, &KUBERNETES, day)].concat(),
        "all" => [upstream, kubernetes].concat(),
        "upstream" => upstream,
        "kubernetes" => kubernetes,
        some => {
            let of_fault = |c: &Case, one: &str| match one.split_once(':') {
                Some(("", fault)) => c.fault == fault,
                Some(("k", fault)) => c.fault == fault && c.is_of_kubernetes(),
                Some(("u", fault)) => c.fault == fault && !c.is_of_kubernetes(),
                _ => false,
            };
            let is = |c: &Case, one: &str| c.name() == one || c.path.contains(one) || of_fault(c, one);
            let wanted = |c: &Case| some.split(',').any(|one| is(c, one));
            [upstream, kubernetes].concat().into_iter().filter(wanted).collect()
        }
    }
}

fn of_all_upstream(calls: &Calls) -> Vec<Case> {
    let services: Vec<_> = calls.upstream.iter().map(|(service, _)| service).collect();
    let case = |(place, (service, path)): (usize, &(String, String)), fault| Case {
        number: place + 1,
        place: Place::Upstream {
            service: service.clone(),
            skip: services[..place].iter().filter(|s| **s == service).count(),
        },
        path: format!("{service} {path}"),
        fault,
    };
    let numbered = || calls.upstream.iter().enumerate();
    numbered()
        .flat_map(|call| UPSTREAM.map(|fault| case(call, fault)))
        .collect()
}

fn of_all_kubernetes(calls: &Calls) -> Vec<Case> {
    let case = |(place, path): (usize, &String), fault| Case {
        number: place + 1,
        place: Place::Kubernetes,
        path: path.clone(),
        fault,
    };
    let numbered = calls.kubernetes.iter().enumerate();
    numbered
        .flat_map(|call| KUBERNETES.map(|fault| case(call, fault)))
        .collect()
}

/// One call for each fault, picked by a number of the day.
fn sample(cases: &[Case], faults: &[&str], seed: u64) -> Vec<Case> {
    let mut state = seed;
    faults
        .iter()
        .map(|fault| {
            let of_fault: Vec<_> = cases.iter().filter(|c| c.fault == *fault).collect();
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let pick = (state >> 33) % u64::try_from(of_fault.len()).expect("small");
            of_fault[usize::try_from(pick).expect("small")].clone()
        })
        .collect()
}
