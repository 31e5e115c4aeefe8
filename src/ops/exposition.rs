//! Formats of `/metrics`: Prometheus text, and `OpenMetrics` for whoever asks for it.

use std::collections::HashMap;
use std::fmt::Write as _;

/// A text format of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text format 0.0.4.
    Prometheus,
    /// `OpenMetrics` 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The format that an `Accept` header asks for: `OpenMetrics` if it is named and liked no less than plain text.
    pub fn from_accept(accept: &str) -> Self {
        let (mut open, mut text) = (0.0, 0.0);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let parameters: HashMap<String, &str> = parts
                .filter_map(|part| part.split_once('='))
                .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"')))
                .collect();
            let weight = parameters.get("q").map_or(1.0, |q| q.parse::<f32>().unwrap_or(0.0));
            match media.as_str() {
                "application/openmetrics-text" if parameters.get("version").is_none_or(|v| *v == "1.0.0") => {
                    open = weight.max(open);
                }
                "text/plain" => text = weight.max(text),
                _ => {}
            }
        }
        if open > 0.0 && open >= text {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// `OpenMetrics` text in the Prometheus text format: samples are the same, descriptions carry the names of the samples,
/// and there are neither units nor an end mark.
pub fn to_prometheus(open: &str) -> String {
    let types: HashMap<&str, &str> = open
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .collect();
    let named = |name: &str| match types.get(name) {
        Some(&"counter") => format!("{name}_total"),
        Some(&"info") => format!("{name}_info"),
        _ => name.to_owned(),
    };
    let mut text = String::with_capacity(open.len());
    for line in open.lines() {
        let described = |what: &str| line.strip_prefix(what).and_then(|rest| rest.split_once(' '));
        // Writing to a string never fails.
        let _ = if let Some((name, help)) = described("# HELP ") {
            writeln!(text, "# HELP {} {help}", named(name))
        } else if let Some((name, kind)) = described("# TYPE ") {
            let kind = match kind {
                "info" | "stateset" => "gauge",
                "unknown" => "untyped",
                kind => kind,
            };
            writeln!(text, "# TYPE {} {kind}", named(name))
        } else if line.starts_with("# ") {
            Ok(())
        } else {
            writeln!(text, "{line}")
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::nobody_asked("", Format::Prometheus)]
    #[case::anything("*/*", Format::Prometheus)]
    #[case::text("text/plain", Format::Prometheus)]
    #[case::open("application/openmetrics-text", Format::OpenMetrics)]
    #[case::prometheus_2(
        "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
         text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
        Format::OpenMetrics
    )]
    #[case::prometheus_3(
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;q=0.4,*/*;q=0.1",
        Format::OpenMetrics
    )]
    #[case::text_preferred("application/openmetrics-text; q=0.3, text/plain; q=0.9", Format::Prometheus)]
    #[case::alike("text/plain, Application/OpenMetrics-Text; Version=\"1.0.0\"", Format::OpenMetrics)]
    #[case::refused("application/openmetrics-text;q=0", Format::Prometheus)]
    #[case::other_version("application/openmetrics-text;version=0.0.1", Format::Prometheus)]
    #[case::nonsense(";;q=,,=", Format::Prometheus)]
    fn the_format_asked_for(#[case] accept: &str, #[case] format: Format) {
        assert_eq!(Format::from_accept(accept), format);
    }

    #[test]
    fn descriptions_carry_the_names_of_samples() {
        let open = "# HELP a_calls Calls.\n# TYPE a_calls counter\na_calls_total{code=\"200\"} 1\n\
                    # HELP a_seconds Time.\n# TYPE a_seconds histogram\n# UNIT a_seconds seconds\na_seconds_sum 1.5\n\
                    # HELP a_build Version.\n# TYPE a_build info\na_build_info{version=\"1\"} 1\n\
                    # HELP b Other.\n# TYPE b unknown\nb 2\n# EOF\n";
        let expected = "# HELP a_calls_total Calls.\n# TYPE a_calls_total counter\na_calls_total{code=\"200\"} 1\n\
                        # HELP a_seconds Time.\n# TYPE a_seconds histogram\na_seconds_sum 1.5\n\
                        # HELP a_build_info Version.\n# TYPE a_build_info gauge\na_build_info{version=\"1\"} 1\n\
                        # HELP b Other.\n# TYPE b untyped\nb 2\n";
        assert_eq!(to_prometheus(open), expected);
    }
}
