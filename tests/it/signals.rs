//! Signals end a real process in order.

use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use xtask::process;

const LIMIT: Duration = Duration::from_mins(1);

#[test]
fn every_signal_to_stop_is_obeyed_in_order() {
    for name in ["TERM", "INT", "HUP"] {
        let port = xtask::ports::free(1).unwrap()[0];
        // It waits for a ledger that can't be opened: no cluster is needed.
        let mut operator = process::tied(Path::new(env!("CARGO_BIN_EXE_adconversion")))
            .args(["run", "--ledger-url=sqlite:///nowhere/at/all/ledger.db"])
            .arg(format!("--listen=127.0.0.1:{port}"))
            .arg("--admin-listen=127.0.0.1:0")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        // Signals are listened to before the port.
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < LIMIT, "{name}: the port never opened");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(process::signal(name, operator.id(), false).unwrap());
        let ended = loop {
            if let Some(ended) = operator.try_wait().unwrap() {
                break ended;
            }
            if begun.elapsed() > LIMIT {
                process::kill(&mut operator).unwrap();
                panic!("{name}: the process goes on");
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(ended.success(), "{name}: {ended}");
    }
}
