//! Chromium without a window, steered over the protocol of its developer tools
//! (<https://chromedevtools.github.io/devtools-protocol/>): keys are pressed, and the page is asked what has the focus.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use data_encoding::BASE64;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::stream::MaybeTlsStream;
use tokio_tungstenite::tungstenite::{Message, WebSocket, connect};
use xtask::{browser, process};

use super::wait::{is_so, until_blocking};

/// Longest wait for the browser.
const LIMIT: Duration = Duration::from_mins(1);

/// A browser with one page; ends with the value.
pub struct Page {
    child: Child,
    socket: WebSocket<MaybeTlsStream<TcpStream>>,
    /// Of the target, in which the page is.
    target: String,
    last: u64,
}

impl Page {
    /// Opens an address. `profile`: a directory for the browser's own files. `size`: of the window.
    pub fn open(url: &str, profile: &Path, (width, height): (u32, u32)) -> Self {
        let mut command = Command::new(browser::chromium().expect("a browser"));
        let flags = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ];
        let child = command
            .args(flags)
            .args(["--remote-debugging-port=0", "--hide-scrollbars"])
            .args([
                format!("--user-data-dir={}", profile.display()),
                format!("--window-size={width},{height}"),
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the browser starts");
        let address = || {
            let text = std::fs::read_to_string(profile.join("DevToolsActivePort")).ok()?;
            let (port, path) = text.trim().split_once('\n')?;
            Some(format!("ws://127.0.0.1:{port}{path}"))
        };
        let address = until_blocking("the browser's port", LIMIT, || address().ok_or("it names none"));
        let (socket, _) = connect(address).expect("the browser's socket");
        if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
            stream.set_read_timeout(Some(LIMIT)).expect("a limit");
        }
        let mut page = Self {
            child,
            socket,
            target: String::new(),
            last: 0,
        };
        let target = page.call(
            "Target.createTarget",
            &json!({"url": "about:blank", "newWindow": true, "width": width, "height": height}),
        );
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = page.call("Target.attachToTarget", &attach);
        attached["sessionId"]
            .as_str()
            .expect("an id")
            .clone_into(&mut page.target);
        page.call("Emulation.setFocusEmulationEnabled", &json!({"enabled": true}));
        page.go(url);
        page
    }

    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.last += 1;
        let mut request = json!({"id": self.last, "method": method, "params": parameters});
        if !self.target.is_empty() {
            request["sessionId"] = json!(self.target);
        }
        self.socket.send(Message::text(request.to_string())).expect("a request");
        loop {
            let Message::Text(text) = self.socket.read().expect("an answer in time") else {
                continue;
            };
            let answer: Value = serde_json::from_str(&text).expect("JSON");
            if answer["id"] == self.last {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    /// Goes to an address, until its page is there.
    pub fn go(&mut self, url: &str) {
        self.call("Page.navigate", &json!({"url": url}));
        self.wait_until(&format!("location.href.startsWith('{url}')"));
    }

    /// Waits until this is true of a page that is all there.
    pub fn wait_until(&mut self, what: &str) {
        // While a page goes and another comes there may be none to ask.
        let script = format!("document.readyState == 'complete' && {what}");
        until_blocking(what, LIMIT, || is_so(self.value_of(&script) == json!(true)));
    }

    /// What a script says.
    pub fn value_of(&mut self, script: &str) -> Value {
        let parameters = json!({"expression": script, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", &parameters);
        assert!(answer["exceptionDetails"].is_null(), "{script}: {answer:#}");
        answer["result"]["value"].clone()
    }

    /// Presses a key as a person does.
    pub fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, None),
            "Enter" => (13, Some("\r")),
            other => panic!("no such key: {other}"),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code});
            if let Some(text) = text.filter(|_| kind == "keyDown") {
                event["text"] = json!(text);
            }
            self.call("Input.dispatchKeyEvent", &event);
        }
    }

    /// Types a text into what has the focus.
    pub fn write(&mut self, text: &str) {
        self.call("Input.insertText", &json!({"text": text}));
    }

    /// Shows the page as people see it who want a dark one, or a light one.
    pub fn set_dark(&mut self, dark: bool) {
        let scheme = if dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", &features);
        let seen = format!("matchMedia('(prefers-color-scheme: {scheme})').matches");
        self.wait_until(&seen);
    }

    /// Shows the page as on a screen of this size, like a telephone's.
    pub fn set_size(&mut self, (width, height): (u32, u32)) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": true});
        self.call("Emulation.setDeviceMetricsOverride", &metrics);
        self.wait_until(&format!("screen.width == {width}"));
    }

    /// The upper left part of the page, as PNG.
    pub fn picture(&mut self, (width, height): (u32, u32)) -> Vec<u8> {
        let clip = json!({"x": 0, "y": 0, "width": width, "height": height, "scale": 1});
        let taken = self.call(
            "Page.captureScreenshot",
            &json!({"format": "png", "clip": clip, "captureBeyondViewport": true}),
        );
        let data = taken["data"].as_str().expect("a picture");
        BASE64.decode(data.as_bytes()).expect("base64")
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        process::kill(&mut self.child).ok();
    }
}
