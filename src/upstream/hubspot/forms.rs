//! Forms and their submissions: the endpoints without a dated path (docs/reference/hubspot.md 7 and pitfall 12).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Deserialize;

use super::client::{Call, HubSpot};
use super::errors::malformed_answer;
use super::items::WRONG_TYPE;
use super::pages::page;
use super::rows::OddRow;
use super::scalar::Loose;
use super::transport::GoodAnswer;
use super::wire::{Paging, Results, Scalar, scalar_or_nothing};
use crate::domain::conversion::click_value;
use crate::domain::plausible_time::is_since_hubspot_exists;
use crate::ports::crm::{Form, OddSubmission, Submission, SubmissionPage};
use crate::ports::{Cause, UpstreamError};
use crate::upstream::http::body::{AnswerLimit, BodyError};
use crate::upstream::http::text;

/// All types of forms; without them HubSpot lists only one type.
const TYPES: &str = "formTypes=hubspot&formTypes=captured&formTypes=flow&formTypes=blog_comment";
/// Forms of a page: the largest there is.
const FORMS: usize = 100;
/// Submissions of a page: the largest there is.
const SUBMISSIONS: usize = 50;
/// Most pages of forms that are followed, in case paging never ends.
const MAX_PAGES: usize = 200;
/// Most forms of a portal: they are all in memory when an event looks for its own.
const MAX_FORMS: usize = 10_000;
/// Longest e-mail address (RFC 3696, errata: 254).
const MAX_EMAIL: usize = 320;
/// Object type of contacts, as fields name it.
const CONTACT: &str = "0-1";

#[derive(Deserialize)]
struct FormWire {
    id: Option<Scalar>,
    name: Option<Scalar>,
}

/// No `Debug`: personal data.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SubmissionWire {
    conversion_id: Option<Scalar>,
    submitted_at: Option<Scalar>,
    values: Option<Vec<Field>>,
    #[serde(default, deserialize_with = "scalar_or_nothing")]
    page_url: Option<Scalar>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Field {
    #[serde(default)]
    name: Loose,
    #[serde(default)]
    value: Loose,
    object_type_id: Option<Scalar>,
}

impl HubSpot {
    pub(crate) async fn read_forms(&self) -> Result<Vec<Form>, UpstreamError> {
        let mut forms = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let begin = after.as_deref();
            let answer = page(FORMS, "a form of the portal", |rows| {
                let path = format!("/marketing/v3/forms?limit={rows}&archived=false&{TYPES}");
                self.make_call(Call::get("forms", from(path, begin)))
            });
            let mut listed: Results<FormWire> = answer.await?.parse_rows()?;
            for form in listed.take_rows()? {
                // No event can name a form without an id.
                let Some(id) = form.id.and_then(|id| text::valid_id(&id.0.to_lowercase())) else {
                    continue;
                };
                let name = form
                    .name
                    .and_then(|name| text::exact_name(&name.0))
                    .unwrap_or_else(|| id.clone());
                forms.push(Form { id, name });
            }
            if forms.len() > MAX_FORMS {
                return Err(malformed_answer(format!("the portal has more than {MAX_FORMS} forms")));
            }
            match listed.paging.and_then(Paging::next_cursor) {
                None => return Ok(forms),
                same if same == after => return Err(malformed_answer("the paging of forms does not move on")),
                next => after = next,
            }
        }
        Err(malformed_answer("the paging of forms does not end"))
    }

    pub(crate) async fn read_submissions(
        &self,
        form: &str,
        after: Option<&str>,
    ) -> Result<SubmissionPage, UpstreamError> {
        let guid = escape_value(form);
        let what = format!("a submission of form {}", text::valid_id(form).unwrap_or_default());
        let path = |rows: usize| {
            let path = format!("/form-integrations/v1/submissions/forms/{guid}?limit={rows}");
            from(path, after)
        };
        let answer = page(SUBMISSIONS, &what, |rows| {
            self.make_call(Call::get("submissions", path(rows)))
        })
        .await;
        let answer = match answer {
            Err(error) if error.cause == Cause::TooLarge => {
                let outline = Call {
                    limit: AnswerLimit::OUTLINE,
                    ..Call::get("submissions", path(1))
                };
                return self
                    .make_call(outline)
                    .await
                    .and_then(|answer| name_too_large(answer, after))
                    .map_err(|_| error);
            }
            answer => answer?,
        };
        let (answered, size) = (answer.date, answer.body_size());
        let mut listed: Results<SubmissionWire> = answer.parse_rows()?;
        let mut unreadable: Vec<_> = listed.odd_rows().iter().map(to_odd_submission).collect();
        let mut submissions = Vec::new();
        for wire in listed.take_rows()? {
            match to_submission(wire) {
                Ok(submission) => submissions.push(submission),
                Err(odd) => unreadable.push(odd),
            }
        }
        unreadable.extend(take_namesakes(&mut submissions));
        Ok(SubmissionPage {
            submissions,
            unreadable,
            next: next_page(listed.paging, after)?,
            size,
            answered,
        })
    }
}

/// The page of a single submission that is too large, made from its outline: the submission can't be read, and the list
/// goes on after it.
fn name_too_large(outline: GoodAnswer, after: Option<&str>) -> Result<SubmissionPage, UpstreamError> {
    let answered = outline.date;
    let mut listed: Results<SubmissionWire> = outline.parse_rows()?;
    let too_large = |wire: SubmissionWire| OddSubmission {
        conversion_id: wire.conversion_id.and_then(|id| text::valid_id(id.0.trim())),
        at: None,
        why: format!(
            "HubSpot's answer for it alone {}; shorten its values or delete it",
            BodyError::too_large(AnswerLimit::RECORDS)
        ),
    };
    Ok(SubmissionPage {
        submissions: Vec::new(),
        unreadable: listed.take_rows()?.into_iter().map(too_large).collect(),
        next: next_page(listed.paging, after)?,
        // The page is at least this large: it was too large to be read.
        size: AnswerLimit::RECORDS.bytes,
        answered,
    })
}

/// The cursor of the next page.
fn next_page(paging: Option<Paging>, after: Option<&str>) -> Result<Option<String>, UpstreamError> {
    let next = paging.and_then(Paging::next_cursor);
    if next.as_deref() == after && after.is_some() {
        return Err(malformed_answer("the paging of submissions does not move on"));
    }
    Ok(next)
}

/// Removes submissions of different times with the same id:
/// HubSpot gives each its own, so nobody knows which one has it.
fn take_namesakes(submissions: &mut Vec<Submission>) -> Vec<OddSubmission> {
    let mut times: BTreeMap<String, BTreeSet<Timestamp>> = BTreeMap::new();
    for submission in submissions.iter() {
        if let Some(id) = &submission.conversion_id {
            times.entry(id.clone()).or_default().insert(submission.at);
        }
    }
    times.retain(|_, times| times.len() > 1);
    let is_shared = |submission: &mut Submission| {
        submission
            .conversion_id
            .as_ref()
            .is_some_and(|id| times.contains_key(id))
    };
    let shared = submissions.extract_if(.., is_shared);
    let to_odd = |submission: Submission| OddSubmission {
        conversion_id: None,
        at: Some(submission.at),
        why: "others of other times have the same \"conversionId\"".to_owned(),
    };
    shared.map(to_odd).collect()
}

fn to_submission(wire: SubmissionWire) -> Result<Submission, OddSubmission> {
    let given = wire.conversion_id.map(|id| id.0.trim().to_owned());
    let given = given.filter(|id| !id.is_empty());
    let conversion_id = given.as_deref().and_then(text::valid_id).filter(|id| is_made_id(id));
    let at = wire.submitted_at.as_ref().and_then(Scalar::time);
    let at = at.filter(|at| is_since_hubspot_exists(*at));
    let odd = |why: &str| OddSubmission {
        conversion_id: conversion_id.clone(),
        at,
        why: why.to_owned(),
    };
    if conversion_id.is_none() && given.is_some() {
        // The time would go to Google and into the ledger.
        return Err(odd("its \"conversionId\" is no id"));
    }
    let Some(at) = at else {
        return Err(odd("it has no usable \"submittedAt\""));
    };
    // An empty list is that of a form without fields. A missing list says nothing.
    let Some(fields) = wire.values else {
        return Err(odd("it has no \"values\""));
    };
    let email = email_of(&fields);
    if email.is_none() && fields.iter().any(Field::may_hide_address) {
        // A submission without an address is skipped for good, so an unreadable one must not look like it.
        return Err(odd("a field of it that may be the e-mail address can't be read"));
    }
    Ok(Submission {
        conversion_id,
        at,
        email,
        gclid: wire.page_url.as_ref().and_then(|url| gclid_of(&url.0)),
    })
}

/// False for values that stand for a missing id: words such as "null", or an id of zeros.
fn is_made_id(id: &str) -> bool {
    let is_word = ["null", "undefined", "none", "nan", "false", "true"]
        .iter()
        .any(|word| id.eq_ignore_ascii_case(word));
    !is_word && id.bytes().any(|byte| byte != b'0' && byte.is_ascii_alphanumeric())
}

fn to_odd_submission(row: &OddRow) -> OddSubmission {
    OddSubmission {
        conversion_id: row.conversion_id.clone(),
        at: None,
        why: WRONG_TYPE.to_owned(),
    }
}

impl Field {
    fn is_of_contact(&self) -> bool {
        self.object_type_id.as_ref().is_none_or(|of| of.0 == CONTACT)
    }

    fn is_address(&self) -> bool {
        self.is_of_contact() && self.name.text() == Some("email")
    }

    /// Nobody can tell which field it is, or what the address is.
    fn may_hide_address(&self) -> bool {
        let unnamed = self.is_of_contact() && matches!(self.name, Loose::Odd);
        unnamed || self.is_address() && matches!(self.value, Loose::Odd)
    }
}

/// The contact's address, lower-cased as HubSpot keeps it.
fn email_of(fields: &[Field]) -> Option<String> {
    fields
        .iter()
        .filter(|field| field.is_address())
        .filter_map(|field| Some(field.value.text()?.trim().to_lowercase()))
        .find(|address| {
            let mut parts = address.split('@');
            let named = parts.next().is_some_and(|p| !p.is_empty()) && parts.next().is_some_and(|p| !p.is_empty());
            let bare = |c: char| !c.is_whitespace() && !c.is_control() && !",;:<>()[]\"\\".contains(c);
            named && address.len() <= MAX_EMAIL && parts.next().is_none() && address.chars().all(bare)
        })
}

/// The click ids in the query of a page's URL; none if the URL can't be read.
fn gclid_of(url: &str) -> Option<String> {
    let url = reqwest::Url::parse(url.trim()).ok()?;
    url.query_pairs()
        .filter(|(name, _)| name == "gclid")
        .find_map(|(_, value)| click_value(&value).map(str::to_owned))
}

/// The path of the page that begins at this cursor.
fn from(path: String, after: Option<&str>) -> String {
    match after {
        Some(after) => format!("{path}&after={}", escape_value(after)),
        None => path,
    }
}

/// A value as part of a path or query.
fn escape_value(value: &str) -> String {
    value
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://www.example.com/demo?gclid=Cj0-a_b&utm=x", Some("Cj0-a_b"))]
    #[case("https://www.example.com/demo?utm=x&gclid=Cj0%2Bx#top", Some("Cj0+x"))]
    #[case("https://www.example.com/demo?gclid=&gclid=Cj1", Some("Cj1"))]
    #[case("https://www.example.com/demo?gclid=ada%40example.com&gclid=Cj1", Some("Cj1"))]
    #[case("https://www.example.com/demo?gclid=%2B49-30-901820", None)]
    #[case("https://www.example.com/demo#gclid=Cj0", None)]
    #[case("https://www.example.com/demo?wgclid=Cj0", None)]
    #[case("/demo?gclid=Cj0", None)]
    #[case("", None)]
    fn click_ids_of_pages(#[case] url: &str, #[case] expected: Option<&str>) {
        assert_eq!(gclid_of(url).as_deref(), expected);
    }

    fn field(name: &str, value: &str, of: Option<&str>) -> Field {
        Field {
            name: Loose::Scalar(Scalar(name.into())),
            value: Loose::Scalar(Scalar(value.into())),
            object_type_id: of.map(|of| Scalar(of.into())),
        }
    }

    #[test]
    fn addresses_of_contacts() {
        let of = |fields: &[Field]| email_of(fields);
        assert_eq!(
            of(&[field("email", " Ada@Example.com ", Some("0-1"))]).as_deref(),
            Some("ada@example.com")
        );
        assert_eq!(
            of(&[field("email", "ada@example.com", None)]).as_deref(),
            Some("ada@example.com")
        );
        assert_eq!(of(&[field("email", "info@firm.com", Some("0-2"))]), None);
        assert_eq!(
            of(&[field("email", "none", None), field("email", "a@b", None)]).as_deref(),
            Some("a@b")
        );
        for bad in [
            "a@b@c",
            "@b",
            "a@",
            "a b@c",
            "a@b;c@d",
            "<a@b>",
            "mailto:a@b",
            "a\u{a0}b@c",
            "a\tb@c",
        ] {
            assert_eq!(of(&[field("email", bad, None)]), None, "{bad}");
        }
    }

    #[test]
    fn cursors_are_escaped() {
        assert_eq!(escape_value("MTA=&x/é"), "MTA%3D%26x%2F%C3%A9");
    }
}
