//! Signals end a real process in order.

use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use xtask::process;

use crate::support::wait::until_blocking;

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
        // Signals are listened to before the port.
        until_blocking("the port", LIMIT, || TcpStream::connect(("127.0.0.1", port)));
        assert!(process::signal(name, operator.id(), false).unwrap());
        let ended = until_blocking("the end of the process", LIMIT, || {
            operator.try_wait().unwrap().ok_or(name)
        });
        assert!(ended.success(), "{name}: {ended}");
    }
}
