//! The page by keyboard alone: what can be used is reached in the order in which it is read, and one sees where one is.

use std::path::Path;

use serde_json::{Value, json};

use super::Stage;
use super::counts::ago;
use super::questions::page::pictures;
use crate::support::contrast::texts_have_contrast;
use crate::support::devtools::Page;

const SIZE: (u32, u32) = (1_000, 1_100);
const TELEPHONES: [(u32, u32); 2] = [(390, 844), (375, 800)];
/// Most bytes of a picture in the repository.
const PICTURE_BYTES: usize = 150_000;

/// What can be used and is shown, in the order of the document, each by its number there.
const USABLE: &str = "
    window.usable = [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex=\"0\"]')]
        .filter(one => one.checkVisibility());
    window.usable.length";

/// What has the focus: its number, whether that is to be seen, and where it is.
const FOCUSED: &str = "(() => {
    const one = document.activeElement, box = one.getBoundingClientRect(), style = getComputedStyle(one);
    return {number: window.usable.indexOf(one), name: one.tagName + ' ' + (one.textContent || one.id).slice(0, 40),
        ring: style.outlineStyle == 'none' ? 0 : parseFloat(style.outlineWidth),
        left: box.left + scrollX, top: box.top + scrollY, bottom: box.bottom + scrollY,
        inside: box.left >= 0 && box.top < innerHeight && box.bottom > 0};
})()";

/// Goes through the page by Tab: every usable part once, in order, seen.
fn walk(page: &mut Page, name: &str) -> Vec<Value> {
    let count = page.value_of(USABLE).as_u64().expect("a number");
    assert!(count >= 3, "{name}: {count} usable parts");
    let mut seen: Vec<Value> = Vec::new();
    for number in 0..count {
        page.press("Tab");
        let at = page.value_of(FOCUSED);
        assert_eq!(at["number"], number, "{name}: after {:?} comes {at}", seen.last());
        assert!(at["ring"].as_f64().expect("a width") >= 2.0, "{name}: no ring: {at}");
        assert_eq!(at["inside"], true, "{name}: out of sight: {at}");
        // The link that skips is shown over the page, only while it has the focus.
        if let Some(before) = seen.last().filter(|_| number > 1) {
            let number = |of: &Value, side: &str| of[side].as_f64().expect("a place");
            let below = number(&at, "top") > number(before, "top") && number(&at, "bottom") > number(before, "bottom");
            let beside = number(&at, "top") < number(before, "bottom") && number(&at, "left") > number(before, "left");
            // A frame is read before what is in it.
            let within = number(&at, "top") >= number(before, "top") && number(&at, "left") >= number(before, "left");
            assert!(below || beside || within, "{name}: {at} is read before {before}");
        }
        seen.push(at);
    }
    assert_eq!(
        page.value_of("document.querySelectorAll('[tabindex]:not([tabindex=\"0\"], [tabindex=\"-1\"])').length"),
        0
    );
    texts_have_contrast(page, name);
    seen
}

/// Tab until this number has the focus.
fn tab_to(page: &mut Page, script: &str) {
    page.value_of(USABLE);
    let wanted = page.value_of(script).as_i64().expect("a number");
    assert!(wanted >= 0, "{script}");
    for _ in 0..=wanted {
        page.press("Tab");
    }
    assert_eq!(page.value_of(FOCUSED)["number"], wanted, "{script}");
}

/// An event with conversions on many days, and the id of a contact that is one of them.
fn stage_with_conversions() -> (Stage, String) {
    let stage = Stage::start("keyboard");
    let contact = stage.contact(&[("customer", ago(86_400 * 2))], Some("click-1"), &json!({}));
    let plan = json!({"count": 150, "seed": 11, "spanDays": 20, "clickIdShare": 0.8, "dealShare": 0.5,
        "stages": ["lead", "marketingqualifiedlead", "customer"]});
    stage.post("/hubspot/generate", &plan);
    let start = ago(86_400 * 25);
    stage.event(
        "became-customer",
        "customer",
        &json!({"startTime": start, "eventName": "HubSpot - Customer",
        "value": {"dealAmount": {"default": {"amount": "100.00", "currency": "EUR"}}}}),
    );
    let expected = stage.admin(&format!("/hubspot/expected?stage=customer&since={start}"));
    let expected = expected.as_array().expect("a list").len() as u64;
    stage.settled("became-customer", expected);
    (stage, contact)
}

#[test]
fn the_page_is_used_by_keyboard_in_reading_order() {
    let (stage, contact) = stage_with_conversions();
    let base = format!("http://{}", stage.admin_address());
    let profile = xtask::control_plane::new_directory().expect("a directory");
    let mut page = Page::open(&format!("{base}/"), &profile, SIZE);
    let listed = walk(&mut page, "list");
    assert!(
        listed[0]["name"].as_str().expect("a name").contains("Skip to content"),
        "{listed:#?}"
    );
    // The first link leads to the content.
    page.go(&format!("{base}/?again"));
    page.press("Tab");
    page.press("Enter");
    page.wait_until("document.activeElement.id == 'content'");
    // From the list to an event, and to the life of a contact.
    page.go(&format!("{base}/"));
    tab_to(
        &mut page,
        "usable.findIndex(one => one.textContent.endsWith('/became-customer'))",
    );
    page.press("Enter");
    page.wait_until("location.pathname.endsWith('/became-customer')");
    keep_picture(&mut page, &stage.namespace);
    walk(&mut page, "event");
    page.go(&format!("{base}/events/{}/became-customer?again", stage.namespace));
    tab_to(&mut page, "usable.findIndex(one => one.tagName == 'SUMMARY')");
    page.press("Enter");
    page.wait_until("document.querySelector('details').open");
    page.go(&format!("{base}/events/{}/became-customer?last", stage.namespace));
    tab_to(&mut page, "usable.findIndex(one => one.id == 'contact')");
    page.write(&contact);
    page.press("Enter");
    page.wait_until("location.pathname.endsWith('/explain')");
    let told = page.value_of("document.body.innerText");
    assert!(
        told.as_str().expect("a text").contains("inside the click window"),
        "{told}"
    );
    walk(&mut page, "story");
    keep_story(&mut page);
    lists_are_reached(&mut page, &base, &stage.namespace);
    // Who mistypes is told in plain words, and has the form at hand.
    page.go(&format!("{base}/events/{}/became-customer?once-more", stage.namespace));
    tab_to(&mut page, "usable.findIndex(one => one.id == 'contact')");
    page.write("51x");
    page.press("Enter");
    page.wait_until("location.pathname.endsWith('/explain')");
    let told = page.value_of("document.querySelector('[role=alert]').innerText");
    let told = told.as_str().expect("a text");
    assert!(told.contains("is a number") && !told.contains('{'), "{told}");
    texts_have_contrast(&mut page, "mistyped");
    tab_to(&mut page, "usable.findIndex(one => one.id == 'contact')");
    page.write(&contact);
    page.press("Enter");
    page.wait_until("document.querySelector('h1').innerText.startsWith('Contact ')");
    fits_a_telephone(&mut page, &base, &stage.namespace);
}

fn does_not_scroll_sideways(page: &mut Page, name: &str, width: u32) {
    page.wait_until(&format!("innerWidth == {width}"));
    let widths = page.value_of("[document.documentElement.scrollWidth, document.documentElement.clientWidth]");
    let [whole, seen] = [0, 1].map(|side| widths[side].as_u64().expect("a width"));
    assert!(whole <= seen && seen <= u64::from(width), "{name}: {whole} of {seen}");
}

/// What of the tables that become cards is not to be read without moving them: cells beside the screen, narrow ones,
/// and those that do not say what they are.
const UNREADABLE: &str = "(() => {
    const all = [...document.querySelectorAll('.cards [data-label]')].filter(one => one.textContent);
    const bad = all.filter(one => {
        const box = one.getBoundingClientRect();
        const label = getComputedStyle(one, '::before').content;
        return box.left < 0 || box.right > innerWidth || box.width < innerWidth / 2 || !label.includes(one.dataset.label);
    }).map(one => one.outerHTML);
    const moved = [...document.querySelectorAll('.cards')].filter(one => one.scrollWidth > one.clientWidth);
    return {cells: all.length, bad: bad.concat(moved.map(one => one.ariaLabel))};
})()";

fn cards_are_read_without_moving(page: &mut Page, name: &str) {
    let found = page.value_of(UNREADABLE);
    assert!(found["cells"].as_u64() > Some(5), "{name}: {found}");
    assert_eq!(found["bad"], json!([]), "{name}");
}

/// On a narrow screen nothing but the numbers by day has to be moved
/// sideways, and no word of the legend is parted from its colour.
fn fits_a_telephone(page: &mut Page, base: &str, namespace: &str) {
    let event = format!("events/{namespace}/became-customer");
    for size in TELEPHONES {
        page.set_size(size);
        // At first the life of a contact, which is there already.
        does_not_scroll_sideways(page, "before", size.0);
        for path in [
            "?namespace=",
            &format!("{event}/conversions?outcome="),
            &format!("{event}?narrow"),
        ] {
            page.go(&format!("{base}/{path}"));
            does_not_scroll_sideways(page, path, size.0);
            cards_are_read_without_moving(page, path);
            texts_have_contrast(page, path);
            let name = if path.contains("narrow") {
                "event"
            } else if path.contains("outcome") {
                "conversions"
            } else {
                "list"
            };
            let file = format!("{name}-{}.png", size.0);
            std::fs::write(pictures().join(file), page.picture((size.0, 1_900))).expect("the picture is written");
        }
    }
    let broken =
        page.value_of("[...document.querySelectorAll('.key')].filter(one => one.getClientRects().length != 1).length");
    assert_eq!(broken, 0);
    assert!(page.value_of("document.querySelectorAll('.key').length").as_u64() > Some(4));
}

/// From a count to the conversions behind it and back, and from all events to those in a state, by keyboard.
fn lists_are_reached(page: &mut Page, base: &str, namespace: &str) {
    page.go(&format!("{base}/events/{namespace}/became-customer?counts"));
    let count = page.value_of("document.querySelector('.cards .number a').textContent");
    tab_to(page, "usable.findIndex(one => one.matches('.cards .number a'))");
    page.press("Enter");
    page.wait_until("location.pathname.endsWith('/conversions')");
    std::fs::write(pictures().join("conversions.png"), page.picture(SIZE)).expect("the picture is written");
    walk(page, "conversions");
    let shown = page.value_of("String(document.querySelectorAll('tbody tr').length)");
    assert_eq!(shown, count);
    let seen = page.value_of("document.body.innerText");
    assert!(
        seen.as_str()
            .expect("a text")
            .contains("What the reasons mean, and what to do"),
        "{seen}"
    );
    page.go(&format!(
        "{base}/events/{namespace}/became-customer/conversions?reason="
    ));
    tab_to(page, "usable.findIndex(one => one.textContent == 'became-customer')");
    page.press("Enter");
    page.wait_until("location.pathname.endsWith('/became-customer')");
    page.go(&format!("{base}/events/{namespace}/became-customer?back"));
    tab_to(page, "usable.findIndex(one => one.textContent == 'All events')");
    page.press("Enter");
    page.wait_until("location.pathname == '/'");
    for (state, count) in [("Stalled", 0), ("Ready", 1)] {
        page.go(&format!("{base}/?namespace={namespace}&state=NotReady"));
        page.value_of(&format!("document.querySelector('select').value = '{state}'"));
        tab_to(page, "usable.findIndex(one => one.textContent == 'Show')");
        page.press("Enter");
        page.wait_until(&format!(
            "new URLSearchParams(location.search).get('state') == '{state}'"
        ));
        let shown = page.value_of("document.querySelectorAll('tbody tr').length");
        assert_eq!(shown, count, "{state}");
        assert_eq!(page.value_of("document.querySelector('select').value"), state);
    }
}

/// Pictures of the page that nobody reaches by an address, light and dark, beside those of the others.
fn keep_story(page: &mut Page) {
    for (dark, name) in [(false, "explain.png"), (true, "explain-dark.png")] {
        page.set_dark(dark);
        let taken = page.picture(SIZE);
        assert!(taken.len() > 10_000, "{name}: {} bytes", taken.len());
        std::fs::write(pictures().join(name), taken).expect("the picture is written");
    }
}

/// The picture of the README, by `UPDATE_DOCS=1`. The namespace of the test is shown as the one of the examples.
fn keep_picture(page: &mut Page, namespace: &str) {
    page.value_of(&format!(
        "(() => {{ const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
            while (texts.nextNode()) {{
                texts.currentNode.data = texts.currentNode.data.replaceAll('{namespace}', 'marketing');
            }} }})()"
    ));
    let taken = page.picture((SIZE.0, 860));
    assert!(taken.starts_with(b"\x89PNG"), "no picture");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures/page.png");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(file.parent().expect("a directory")).expect("a directory");
        std::fs::write(&file, &taken).expect("the picture is written");
    }
    let kept = std::fs::read(&file).expect("docs/pictures/page.png: UPDATE_DOCS=1 cargo test --test it keyboard::");
    for (name, picture) in [("taken", &taken), ("kept", &kept)] {
        let size = picture.len();
        assert!((10_000..PICTURE_BYTES).contains(&size), "{name}: {size} bytes");
    }
}
