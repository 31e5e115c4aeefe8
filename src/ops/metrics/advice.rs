//! What to do about each metric.

/// Names of metrics, and what to do.
pub const ADVICE: &[(&str, &str)] = &[
    (
        "adconversion_objects",
        "Alert on `ready=\"False\"` above zero: see the conditions of these objects.",
    ),
    (
        "adconversion_occurrences",
        "Alert if `outcome=\"Rejected\"` grows: see `status.sync.reasons` of the events.",
    ),
    (
        "adconversion_oldest_pending_seconds",
        "Alert above a day: conversions wait. `status.sync.reasons` says what for. Suspended events and conversions that wait for their settle delay or for consent do not count.",
    ),
    (
        "adconversion_conversions_total",
        "For graphs: the flow of conversions by outcome.",
    ),
    ("adconversion_event_ready", "As `adconversion_objects`, for one event."),
    (
        "adconversion_event_occurrences",
        "As `adconversion_occurrences`, for one event.",
    ),
    (
        "adconversion_event_oldest_pending_seconds",
        "As `adconversion_oldest_pending_seconds`, for one event.",
    ),
    (
        "adconversion_event_last_upload_timestamp_seconds",
        "Alert if it is older than the usual pause between conversions of the event: see `Synced`.",
    ),
    (
        "adconversion_reconcile_total",
        "Look at the log if `error`, `timeout` or `panic` grows.",
    ),
    (
        "adconversion_reconcile_duration_seconds",
        "For graphs. Slow reconciles mean a slow Kubernetes API server, Google or HubSpot.",
    ),
    (
        "adconversion_cache_stale_deferrals_total",
        "Nothing. Steady growth means that watches lag behind the API server.",
    ),
    (
        "adconversion_upstream_requests_total",
        "Look at the conditions of the accounts if codes of 400 and above, or `none`, grow.",
    ),
    (
        "adconversion_upstream_request_duration_seconds",
        "For graphs: how fast HubSpot and Google answer.",
    ),
    (
        "adconversion_upstream_throttled_seconds_total",
        "If it grows all the time, have the quota raised: see `QuotaAvailable`.",
    ),
    (
        "adconversion_panics_total",
        "Alert above zero, and report it: each is a bug.",
    ),
    (
        "adconversion_loop_restarts_total",
        "Alert above zero, and report it: each is a bug.",
    ),
    (
        "adconversion_leader",
        "Alert where the sum over all replicas is not 1 for longer than a minute: see \"No replica works\" in operations.md.",
    ),
    ("adconversion_build_info", "Nothing."),
    ("process_cpu_seconds_total", "For graphs."),
    (
        "process_start_time_seconds",
        "A change means that the process was restarted. Look for the cause in the log of the process before.",
    ),
    (
        "process_resident_memory_bytes",
        "Compare with the memory limit of the pod.",
    ),
    ("process_virtual_memory_bytes", "Nothing."),
    ("process_open_fds", "Compare with `process_max_fds`."),
    ("process_max_fds", "Nothing."),
];
