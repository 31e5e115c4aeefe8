//! The `process_*` metrics that every Prometheus client has, read from `/proc`. If there is none they are absent.

use std::fs;
use std::path::Path;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Clock ticks a second of the times in `/proc`; the same on every platform of Linux that has containers.
const TICKS: f64 = 100.0;

/// Reads the process's own figures when it is asked for them.
#[derive(Debug)]
pub(super) struct ProcessMetrics;

/// The figures; each is absent where `/proc` does not tell.
#[derive(Debug, Default, PartialEq)]
struct Figures {
    cpu_seconds: Option<f64>,
    start_seconds: Option<f64>,
    virtual_bytes: Option<u64>,
    resident_bytes: Option<u64>,
    open_files: Option<u64>,
    most_files: Option<u64>,
}

impl Figures {
    fn read_from(proc: &Path) -> Self {
        let own = |name: &str| fs::read_to_string(proc.join("self").join(name)).unwrap_or_default();
        let status = own("status");
        let stat = own("stat");
        let system = fs::read_to_string(proc.join("stat")).unwrap_or_default();
        Self {
            cpu_seconds: seconds_of(&stat, 14)
                .zip(seconds_of(&stat, 15))
                .map(|(user, kernel)| user + kernel),
            start_seconds: seconds_of(&stat, 22)
                .zip(number_after(&system, "btime"))
                .map(|(after, boot)| after + boot),
            virtual_bytes: kilobytes(&status, "VmSize:"),
            resident_bytes: kilobytes(&status, "VmRSS:"),
            open_files: open_files(&proc.join("self/fd")),
            most_files: most_files(&own("limits")),
        }
    }
}

/// A time of `/proc/self/stat`, in seconds, by the number its manual gives it. The name before may hold blanks.
fn seconds_of(stat: &str, number: usize) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(") ")?;
    let ticks: f64 = after_name.split(' ').nth(number.checked_sub(3)?)?.trim().parse().ok()?;
    Some(ticks / TICKS)
}

/// The first number of the line that begins with this word.
fn number_after(text: &str, word: &str) -> Option<f64> {
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix(word))?;
    line.split_whitespace().next()?.parse().ok()
}

fn kilobytes(status: &str, word: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(word))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    kilobytes.checked_mul(1024)
}

fn open_files(directory: &Path) -> Option<u64> {
    let count = fs::read_dir(directory).ok()?.count();
    // One of them is the directory being read.
    u64::try_from(count.saturating_sub(1)).ok()
}

/// The soft limit; none if there is no limit.
fn most_files(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

impl Collector for ProcessMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let figures = Figures::read_from(Path::new("/proc"));
        if let Some(seconds) = figures.cpu_seconds {
            let help = "Processor time of the process.";
            let metric = encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?;
            ConstCounter::new(seconds).encode(metric)?;
        }
        if let Some(seconds) = figures.start_seconds {
            let help = "Start of the process, seconds since 1970.";
            let metric = encoder.encode_descriptor("process_start_time_seconds", help, None, MetricType::Gauge)?;
            ConstGauge::new(seconds).encode(metric)?;
        }
        for (name, help, figure) in [
            (
                "process_virtual_memory_bytes",
                "Virtual memory of the process.",
                figures.virtual_bytes,
            ),
            (
                "process_resident_memory_bytes",
                "Resident memory of the process.",
                figures.resident_bytes,
            ),
            ("process_open_fds", "Open file descriptors.", figures.open_files),
            (
                "process_max_fds",
                "Most file descriptors the process may open.",
                figures.most_files,
            ),
        ] {
            if let Some(figure) = figure {
                let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
                ConstGauge::new(figure).encode(metric)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_as_the_kernel_writes_them() {
        let stat = "7 (a) (b c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 12 0 123400 9 9 9";
        assert_eq!(seconds_of(stat, 14), Some(2.5));
        assert_eq!(seconds_of(stat, 15), Some(0.5));
        assert_eq!(seconds_of(stat, 22), Some(1234.0));
        assert_eq!(seconds_of("", 14), None);
        assert_eq!(
            number_after("cpu 1 2\nbtime 1790000000\n", "btime"),
            Some(1_790_000_000.0)
        );
        let status = "Name:\ta\nVmSize:\t  2048 kB\nVmRSS:\t     12 kB\n";
        assert_eq!(kilobytes(status, "VmSize:"), Some(2_097_152));
        assert_eq!(kilobytes(status, "VmRSS:"), Some(12_288));
        assert_eq!(kilobytes(status, "VmSwap:"), None);
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 4096                 files\n";
        assert_eq!(most_files(limits), Some(1024));
        assert_eq!(
            most_files("Max open files            unlimited  unlimited files\n"),
            None
        );
    }

    #[test]
    fn without_proc_there_is_nothing_to_tell() {
        assert_eq!(Figures::read_from(Path::new("/nowhere")), Figures::default());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_all_of_them() {
        let figures = Figures::read_from(Path::new("/proc"));
        assert!(figures.cpu_seconds.is_some_and(|s| s < 3600.0));
        assert!(figures.resident_bytes.is_some_and(|bytes| bytes > 1 << 20));
        assert!(figures.virtual_bytes > figures.resident_bytes);
        assert!(figures.open_files.is_some_and(|count| count >= 3));
        #[allow(clippy::cast_precision_loss)]
        let now = jiff::Timestamp::now().as_second() as f64;
        assert!(
            figures
                .start_seconds
                .is_some_and(|start| start > now - 86_400.0 && start < now + 60.0)
        );
    }
}
