//! The operator's process: what it holds, and its end.

use std::fs;
use std::time::Duration;

use xtask::lab::operator;
use xtask::supervisor::State;

use super::Stage;

impl Stage {
    fn pid(&self) -> u32 {
        let State::Running(pid) = self.supervisor.state(operator::NAME).expect("state") else {
            panic!("the operator does not run:\n{}", xtask::process::tail(&self.log(), 40));
        };
        pid
    }

    /// A line of the operator's process's status in `/proc`, in MB.
    fn process_memory(&self, name: &str) -> f64 {
        let pid = self.pid();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process's status");
        let line = status.lines().find_map(|l| l.strip_prefix(name)).expect("the line");
        let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse().expect("a number");
        kilobytes / 1024.0
    }

    /// Most memory the operator's process ever held, in MB: what it took itself, and all with its program (which is
    /// three times as large in a development build).
    pub fn peak_memory(&self) -> (f64, f64) {
        let whole = self.process_memory("VmHWM:");
        (whole - self.process_memory("RssFile:"), whole)
    }

    /// Memory that the operator's process holds now, with its program, in MB.
    pub fn resident_memory(&self) -> f64 {
        self.process_memory("VmRSS:")
    }

    /// File descriptors that the operator's process has open.
    pub fn descriptors(&self) -> usize {
        let pid = self.pid();
        let open = fs::read_dir(format!("/proc/{pid}/fd")).expect("the process's descriptors");
        open.count()
    }

    /// Processor time that the operator's process has taken, in seconds.
    pub fn processor_time(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("the process's times");
        // Behind the name in brackets: user and system time are the 12th and 13th field, in hundredths.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |index: usize| fields[index].parse::<f64>().expect("a number");
        (ticks(11) + ticks(12)) / 100.0
    }

    /// SIGKILL.
    pub fn kill_operator(&self) {
        if let State::Running(pid) = self.supervisor.state(operator::NAME).expect("state") {
            xtask::process::signal("KILL", pid, false).expect("kill -9");
        }
        self.supervisor
            .stop(operator::NAME, Duration::from_secs(5))
            .expect("the end of the operator");
    }

    /// SIGTERM, and how it ended.
    pub fn stop_operator(&self) -> State {
        self.supervisor
            .stop(operator::NAME, Duration::from_secs(40))
            .expect("the end of the operator")
    }
}
