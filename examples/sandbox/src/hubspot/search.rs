//! `POST /crm/objects/2026-09/contacts/search`.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    auth::Call,
    catalogue::Kind,
    filter::{Filter, FilterRequest},
    odd,
    record::{Key, Record},
    reply::{Answer, Outcome},
    store::{Store, iso},
};

/// Characters a search body may have.
const MAX_BODY: usize = 3_000;
/// Results per query that can be paged to.
const WALL: usize = 10_000;
const MAX_PAGE: usize = 200;
const MAX_GROUPS: usize = 5;
const MAX_FILTERS_PER_GROUP: usize = 6;
const MAX_FILTERS: usize = 18;
/// Properties returned when none are asked for.
const DEFAULT_PROPERTIES: [&str; 6] = [
    "createdate",
    "email",
    "firstname",
    "hs_object_id",
    "lastmodifieddate",
    "lastname",
];
/// Properties that are in every result.
const ALWAYS: [&str; 3] = ["createdate", "hs_object_id", "lastmodifieddate"];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SearchRequest {
    #[serde(default)]
    filter_groups: Vec<Group>,
    #[serde(default)]
    sorts: Vec<SortRequest>,
    #[serde(default)]
    properties: Vec<String>,
    query: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    filters: Vec<FilterRequest>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum SortRequest {
    Name(String),
    Rule(SortRule),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SortRule {
    property_name: String,
    #[serde(default)]
    direction: Direction,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Direction {
    #[default]
    Ascending,
    Descending,
}

/// Runs a contact search as the index sees the portal.
pub fn contacts(call: &Call<'_>) -> Outcome {
    if String::from_utf8_lossy(call.body).chars().count() > MAX_BODY {
        return Err(Answer::invalid(format!(
            "The request body must not exceed {MAX_BODY} characters"
        )));
    }
    let request: SearchRequest = call.json()?;
    let store = &call.portal.contacts;
    let groups = parse_groups(store, &request.filter_groups)?;
    let sort = parse_sort(store, &request.sorts)?;
    let limit = page_size(request.limit)?;
    let after = offset(request.after.as_deref())?;
    let horizon = call.now.saturating_sub(call.portal.limits.index_lag);
    let query = request.query.as_deref().unwrap_or_default().to_lowercase();
    let filters = Filters {
        groups: &groups,
        query: &query,
        horizon,
        call,
    };
    let found = Found::collect(store, &filters, sort, after..(after + limit).min(WALL));
    let odd = |record: &&Record| call.portal.odd.of(odd::Kind::Found, &record.id.to_string());
    if let Some(refusal) = found.page.iter().filter_map(odd).find_map(odd::Odd::refusal) {
        return Err(refusal);
    }
    let names = wanted(&request.properties);
    let results: Vec<Value> = found
        .page
        .iter()
        .map(|record| {
            let shown = render(store, record, &names, horizon - record.extra_lag);
            call.portal.odd.apply(odd::Kind::Found, &record.id.to_string(), shown)
        })
        .collect();
    let mut body = json!({"total": found.total, "results": results});
    let next = after + results_len(&body);
    if next < found.total {
        body["paging"] = json!({"next": {"after": next.to_string(), "link": format!("?after={next}")}});
    }
    Ok(Answer::ok(body))
}

fn results_len(body: &Value) -> usize {
    body["results"].as_array().map_or(0, Vec::len)
}

fn parse_groups(store: &Store, groups: &[Group]) -> Result<Vec<Vec<Filter>>, Answer> {
    let total: usize = groups.iter().map(|g| g.filters.len()).sum();
    if groups.len() > MAX_GROUPS {
        return Err(Answer::invalid(format!(
            "At most {MAX_GROUPS} filterGroups are allowed"
        )));
    }
    if total > MAX_FILTERS || groups.iter().any(|g| g.filters.len() > MAX_FILTERS_PER_GROUP) {
        return Err(Answer::invalid(format!(
            "At most {MAX_FILTERS_PER_GROUP} filters per group and {MAX_FILTERS} in total are allowed"
        )));
    }
    if groups.iter().any(|g| g.filters.is_empty()) {
        return Err(Answer::invalid("A filterGroup must have filters"));
    }
    groups
        .iter()
        .map(|g| g.filters.iter().map(|f| Filter::parse(store, f)).collect())
        .collect()
}

fn parse_sort(store: &Store, sorts: &[SortRequest]) -> Result<Option<(Key, Direction)>, Answer> {
    let (name, direction) = match sorts {
        [] => return Ok(None),
        [SortRequest::Rule(rule)] => (rule.property_name.as_str(), rule.direction),
        [SortRequest::Name(name)] => match name.strip_prefix('-') {
            Some(rest) => (rest, Direction::Descending),
            None => (name.as_str(), Direction::Ascending),
        },
        _ => return Err(Answer::invalid("Only one sort is allowed")),
    };
    let (key, _) = store
        .catalogue
        .find(name)
        .ok_or_else(|| Answer::invalid(format!("Cannot sort on unknown property {name}")))?;
    Ok(Some((key, direction)))
}

fn page_size(limit: Option<usize>) -> Result<usize, Answer> {
    match limit.unwrap_or(10) {
        size @ 1..=MAX_PAGE => Ok(size),
        size => Err(Answer::invalid(format!(
            "limit must be between 1 and {MAX_PAGE}, not {size}"
        ))),
    }
}

fn offset(after: Option<&str>) -> Result<usize, Answer> {
    let after = after.unwrap_or("0");
    let offset: usize = after
        .parse()
        .map_err(|_| Answer::invalid(format!("Invalid after: {after:?}")))?;
    if offset >= WALL {
        return Err(Answer::invalid(format!(
            "Search results are limited to {WALL}: after must be smaller"
        )));
    }
    Ok(offset)
}

/// How a value sorts; records without one come last.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
enum SortKey {
    Number(f64),
    Time(i64),
    Text(String),
}

struct Found<'a> {
    total: usize,
    page: Vec<&'a Record>,
}

/// What a record must pass.
struct Filters<'a> {
    groups: &'a [Vec<Filter>],
    query: &'a str,
    horizon: i64,
    call: &'a Call<'a>,
}

impl Filters<'_> {
    fn pass(&self, store: &Store, record: &Record) -> bool {
        let horizon = self.horizon - record.extra_lag;
        let passes = |group: &Vec<Filter>| group.iter().all(|f| f.passes(store, record, horizon));
        !record.archived
            && self.call.sees(record.id)
            && record.known(horizon)
            && (self.groups.is_empty() || self.groups.iter().any(passes))
            && (self.query.is_empty() || mentions(store, record, self.query, horizon))
    }
}

impl<'a> Found<'a> {
    fn collect(
        store: &'a Store,
        filters: &Filters<'_>,
        sort: Option<(Key, Direction)>,
        slice: std::ops::Range<usize>,
    ) -> Self {
        let groups = filters.groups;
        let lowest = |group: &Vec<Filter>| group.iter().map(Filter::lowest_id).max().unwrap_or(0);
        let start = groups.iter().map(lowest).min().unwrap_or(0);
        let records = store.records.range(start..).map(|(_, record)| record);
        let matching = records.filter(|record| filters.pass(store, record));
        let by_id = store
            .catalogue
            .find("hs_object_id")
            .map(|(key, _)| (key, Direction::Ascending));
        if sort.is_some() && sort == by_id {
            let (mut total, mut page) = (0, Vec::new());
            for record in matching {
                if slice.contains(&total) {
                    page.push(record);
                }
                total += 1;
            }
            return Self { total, page };
        }
        let sorted = sorted(store, matching.collect(), sort, filters.horizon);
        let total = sorted.len();
        let page = sorted.into_iter().skip(slice.start).take(slice.len()).collect();
        Self { total, page }
    }
}

/// Without a sort rule results come oldest first by creation, which is not the order of ids.
fn sorted<'a>(store: &Store, found: Vec<&'a Record>, sort: Option<(Key, Direction)>, horizon: i64) -> Vec<&'a Record> {
    let mut keyed: Vec<(Option<SortKey>, &Record)> = found
        .into_iter()
        .map(|record| {
            let key = match sort {
                None => Some(SortKey::Time(record.created)),
                Some((key, _)) => sort_key(store, record, key, horizon - record.extra_lag),
            };
            (key, record)
        })
        .collect();
    let descending = sort.is_some_and(|(_, direction)| direction == Direction::Descending);
    keyed.sort_by(|(a, x), (b, y)| {
        let order = match (a, b) {
            (Some(a), Some(b)) if descending => b.partial_cmp(a),
            (Some(a), Some(b)) => a.partial_cmp(b),
            _ => Some(b.is_some().cmp(&a.is_some())),
        };
        order.unwrap_or(std::cmp::Ordering::Equal).then(x.id.cmp(&y.id))
    });
    keyed.into_iter().map(|(_, record)| record).collect()
}

fn sort_key(store: &Store, record: &Record, key: Key, horizon: i64) -> Option<SortKey> {
    match store.catalogue.get(key)?.kind {
        Kind::DateTime | Kind::Date => store.instant(record, key, horizon).map(SortKey::Time),
        Kind::Number => store.text(record, key, horizon)?.parse().ok().map(SortKey::Number),
        _ => store
            .text(record, key, horizon)
            .filter(|t| !t.is_empty())
            .map(|t| SortKey::Text(t.to_lowercase())),
    }
}

fn mentions(store: &Store, record: &Record, query: &str, horizon: i64) -> bool {
    ["firstname", "lastname", "email", "phone", "company"]
        .iter()
        .any(|name| {
            let text = store
                .catalogue
                .find(name)
                .and_then(|(key, _)| record.value(key, horizon));
            text.is_some_and(|text| text.to_lowercase().contains(query))
        })
}

fn wanted(asked: &[String]) -> Vec<&str> {
    if asked.is_empty() {
        DEFAULT_PROPERTIES.to_vec()
    } else {
        asked.iter().map(String::as_str).collect()
    }
}

/// A record as reads return it: unknown properties left out, known ones that are unset null.
pub fn render(store: &Store, record: &Record, names: &[&str], horizon: i64) -> Value {
    let mut properties = Map::new();
    for name in names.iter().chain(&ALWAYS) {
        if let Some((key, _)) = store.catalogue.find(name) {
            let value = store
                .text(record, key, horizon)
                .map_or(Value::Null, |text| Value::from(text.into_owned()));
            properties.insert((*name).to_owned(), value);
        }
    }
    json!({
        "id": record.id.to_string(),
        "properties": properties,
        "createdAt": iso(record.created),
        "updatedAt": iso(record.updated(horizon)),
        "archived": false,
    })
}
