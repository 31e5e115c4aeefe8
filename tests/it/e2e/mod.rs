//! End to end: the real binary under the chart's service account, a real API server, the sandbox. What counts is judged
//! from outside: by the objects' status and by what the sandbox accepted, never by our own counters alone.

mod absent;
mod accounts;
mod actions;
mod again;
mod alerts;
mod answers;
mod asked;
mod brief_refusals;
mod budget;
mod checks;
mod clicks_api;
mod conversions;
mod counts;
mod crashes;
mod credentials;
mod deletion;
mod denied_actions;
mod detection;
mod dice;
mod disk;
mod disputed_time;
mod driver;
mod dummy_conversions;
mod ends;
mod erased;
mod explained;
mod failing_lists;
mod far_future;
mod faults;
mod floods;
mod forms;
mod frantic;
mod fruitless_addresses;
mod fruitless_reads;
mod further_addresses;
mod fuzzed;
mod hands_off;
mod host_clock;
mod hostile;
mod imports;
mod inherited;
mod judge;
mod keyboard;
mod kube_proxy;
mod lagging;
mod large_objects;
mod leaders;
mod left_out;
mod lineages;
mod listener;
mod meddler;
mod memory;
mod metrics_port;
mod nameless;
mod namespaces;
mod no_cluster;
mod no_drift;
mod observed;
mod odd_answers;
mod odd_bytes;
mod odd_creates;
mod odd_portal;
mod odd_removals;
mod once_odd;
mod once_odd_records;
mod one_portal;
mod one_writer;
mod other_token;
mod outcomes;
mod outdated;
mod page_lists;
mod personal_data;
mod plans;
mod poison;
mod poison_contacts;
mod poison_forms;
mod poison_properties;
mod poison_searches;
mod poison_streams;
mod questions;
mod reborn;
mod redirects;
mod refusals;
mod replicas;
mod restored;
mod returned;
mod rights;
mod rows;
mod rows_of;
mod said_inside;
mod scopes;
mod second_answers;
mod second_look;
mod shifted;
mod short_pages;
mod silence;
mod silent_database;
mod soak;
pub mod stage;
mod stale;
mod steering;
mod strange_values;
mod strangers;
mod sweeps;
mod tcp_link;
mod tenants;
mod token_pages;
mod uninstall;
mod unnamed;
mod unnamed_imports;
mod unnamed_merges;
mod unnamed_moves;
mod unnamed_runs;
mod unproven;
mod unreadable;
mod untold;
mod unusable_actions;
mod unwritable;
mod waits;
mod web_actions;
mod wire;
mod words;

use stage::Stage;
pub use stage::new_schema;

/// Adds a request log to the file that the wire check reads, where one is asked for.
fn record(log: &serde_json::Value) {
    use std::io::Write;

    use parking_lot::Mutex;
    static FILE: Mutex<()> = Mutex::new(());
    let Some(path) = std::env::var_os("ADCONVERSION_REQUEST_LOG") else {
        return;
    };
    let _guard = FILE.lock();
    let path = std::path::PathBuf::from(path);
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).expect("a directory for the request log");
    }
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .expect("the request log");
    writeln!(file, "{log}").expect("the request log");
}
