//! Names and help texts of the metrics of the process.

use prometheus_client::metrics::info::Info;

use super::Metrics;

impl Metrics {
    /// What it does: reconciles and calls.
    pub(super) fn register_work(&mut self) {
        let r = &mut self.registry;
        r.register("reconcile", "Reconciles by kind and result", self.reconciles.clone());
        r.register(
            "reconcile_duration_seconds",
            "Time of a reconcile",
            self.reconcile_seconds.clone(),
        );
        r.register(
            "upstream_requests",
            "HTTP attempts by API, call and status",
            self.calls.clone(),
        );
        r.register(
            "upstream_request_duration_seconds",
            "Time of an HTTP attempt",
            self.call_seconds.clone(),
        );
        r.register(
            "upstream_throttled_seconds",
            "Time for which calls were held back by a limit, the operator's own or the service's",
            self.throttled.clone(),
        );
    }

    /// What it is there for.
    pub(super) fn register_conversions(&mut self) {
        let r = &mut self.registry;
        r.register(
            "conversions",
            "Conversions that reached a final outcome since the process began",
            self.conversions.clone(),
        );
        r.register(
            "occurrences",
            "Conversions of all events by outcome",
            self.occurrences.clone(),
        );
        r.register(
            "oldest_pending_seconds",
            "Time since the conversion that has waited longest was first seen, 0 if none waits",
            self.oldest_pending.clone(),
        );
    }

    /// How it is.
    pub(super) fn register_process(&mut self) {
        let r = &mut self.registry;
        r.register("objects", "Objects by kind and status of Ready", self.objects.clone());
        r.register(
            "cache_stale_deferrals",
            "Reconciles put off because the cache had not caught up with the operator's own write",
            self.deferrals.clone(),
        );
        r.register("panics", "Panics caught", self.panics.clone());
        r.register(
            "loop_restarts",
            "Loops and tasks that ended unexpectedly and are started again, by kind",
            self.restarts.clone(),
        );
        r.register(
            "leader",
            "1 while this process works: it has the ledger and can write it, and with leader election the Lease",
            self.leader.clone(),
        );
        r.register(
            "build",
            "Version of the operator",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
    }
}
