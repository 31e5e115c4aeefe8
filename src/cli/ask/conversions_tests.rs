#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::rc::Rc;

use rstest::rstest;
use serde_json::json;

use super::*;

#[test]
fn an_address_is_no_contact_id() {
    assert_eq!(parse_contact(" 51 "), Ok(51));
    let said = parse_contact("a@example.com");
    assert!(said.as_ref().is_err_and(|said| said.contains("explain")), "{said:?}");
}

#[test]
fn a_reason_that_nobody_knows_is_an_error_with_those_that_are_known() {
    assert!(check_reason("NoClickId").is_ok() && check_reason("ClickNotFound").is_ok());
    let said = check_reason("NoClickIds").map_err(|error| error.to_string());
    assert!(
        said.as_ref()
            .is_err_and(|said| said.contains("NoClickId") && said.contains("AwaitingResult")),
        "{said:?}"
    );
}

/// What was printed so far. It takes so many bytes, and then nobody reads any more.
#[derive(Clone)]
struct Paper {
    text: Rc<RefCell<String>>,
    room: usize,
}

impl Paper {
    fn with_room(room: usize) -> Self {
        let text = Rc::default();
        Self { text, room }
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut text = self.text.borrow_mut();
        if text.len() + bytes.len() > self.room {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        text.push_str(std::str::from_utf8(bytes).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Page `number` of three, each with one conversion. The second is empty, as a page may be that is not the last.
fn page(number: usize) -> Value {
    let rows = match number {
        1 => json!([]),
        _ => json!([{"time": "2026-11-20T10:00:00Z", "contactId": format!("contact-{number}"), "outcome": "Uploaded"}]),
    };
    json!({"conversions": rows, "next": (number < 2).then(|| (number + 1).to_string())})
}

/// Prints the three pages; what was on paper whenever a page was asked for, and how it ended.
async fn print_three(format: RowFormat, paper: &Paper) -> (Vec<String>, Result<(), CommandError>) {
    let seen = RefCell::new(Vec::new());
    let read = async |place: Option<String>| {
        seen.borrow_mut().push(paper.text.borrow().clone());
        Ok(page(place.map_or(0, |place| place.parse().unwrap())))
    };
    let mut printer = Printer::new(format, "marketing/won", paper.clone());
    let printed = print_pages(read, &mut printer, &Progress::begin("Reading")).await;
    if printed.is_ok() {
        printer.end().unwrap();
    }
    (seen.into_inner(), printed)
}

#[rstest]
#[case(RowFormat::Csv, true)]
#[case(RowFormat::Json, true)]
#[case(RowFormat::Yaml, true)]
#[case(RowFormat::Table, false)]
#[tokio::test]
async fn what_programs_read_is_printed_before_the_next_page_is_asked_for(
    #[case] format: RowFormat,
    #[case] streams: bool,
) {
    let paper = Paper::with_room(usize::MAX);
    let (seen, printed) = print_three(format, &paper).await;
    assert!(printed.is_ok(), "{printed:?}");
    let first = seen.iter().map(|text| text.contains("contact-0")).collect::<Vec<_>>();
    assert_eq!(first, [false, streams, streams], "{format:?}: {seen:#?}");
    assert!(seen.iter().all(|text| !text.contains("contact-2")), "{seen:#?}");
    let all = paper.text.borrow();
    assert!(all.contains("contact-0") && all.contains("contact-2"), "{all}");
}

#[tokio::test]
async fn nothing_more_is_read_for_whoever_has_enough() {
    let (seen, printed) = print_three(RowFormat::Json, &Paper::with_room(10)).await;
    assert!(is_enough(&printed), "{printed:?}");
    assert_eq!(seen.len(), 1);
    let (_, printed) = print_three(RowFormat::Json, &Paper::with_room(usize::MAX)).await;
    assert!(!is_enough(&printed));
    assert!(!is_enough(&Err("the operator does not answer".into())));
}
