//! Reports: conversions of an account by action and date.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::action::Action;
use super::gaql::{Condition, Query};
use crate::google::dm::store::Conversion;
use crate::google::state::Google;

/// Date ranges `DURING` knows.
pub static RANGES: &[&str] = &[
    "TODAY",
    "YESTERDAY",
    "LAST_7_DAYS",
    "LAST_14_DAYS",
    "LAST_30_DAYS",
    "LAST_BUSINESS_WEEK",
    "THIS_MONTH",
    "LAST_MONTH",
    "THIS_WEEK_SUN_TODAY",
    "THIS_WEEK_MON_TODAY",
    "LAST_WEEK_SUN_SAT",
    "LAST_WEEK_MON_SUN",
];

/// First and last day of the ranges counted in days; others are refused by their caller.
fn range(name: &str, today: Date) -> Option<(Date, Date)> {
    let back = |days: i64| today.checked_sub(days.days()).ok();
    let month = today.first_of_month();
    let week = |offset: i8| i64::from(offset);
    match name {
        "TODAY" => Some((today, today)),
        "YESTERDAY" => Some((back(1)?, back(1)?)),
        "LAST_7_DAYS" => Some((back(7)?, back(1)?)),
        "LAST_14_DAYS" => Some((back(14)?, back(1)?)),
        "LAST_30_DAYS" => Some((back(30)?, back(1)?)),
        "THIS_MONTH" => Some((month, today)),
        "LAST_MONTH" => {
            let last = month.yesterday().ok()?;
            Some((last.first_of_month(), last))
        }
        "THIS_WEEK_MON_TODAY" => Some((back(week(today.weekday().to_monday_zero_offset()))?, today)),
        "THIS_WEEK_SUN_TODAY" => Some((back(week(today.weekday().to_sunday_zero_offset()))?, today)),
        "LAST_WEEK_MON_SUN" => {
            let offset = week(today.weekday().to_monday_zero_offset());
            Some((back(offset + 7)?, back(offset + 1)?))
        }
        "LAST_WEEK_SUN_SAT" => {
            let offset = week(today.weekday().to_sunday_zero_offset());
            Some((back(offset + 7)?, back(offset + 1)?))
        }
        "LAST_BUSINESS_WEEK" => {
            let offset = week(today.weekday().to_monday_zero_offset());
            Some((back(offset + 7)?, back(offset + 3)?))
        }
        _ => None,
    }
}

fn date_fits(condition: &Condition, date: Date, today: Date) -> bool {
    let operand = |index: usize| condition.values.get(index).and_then(|text| text.parse::<Date>().ok());
    match (condition.operator.as_str(), operand(0)) {
        ("DURING", _) => range(condition.values.first().map_or("", String::as_str), today)
            .is_some_and(|(from, to)| (from..=to).contains(&date)),
        ("BETWEEN", Some(from)) => operand(1).is_some_and(|to| (from..=to).contains(&date)),
        ("=", Some(day)) => date == day,
        ("!=", Some(day)) => date != day,
        ("<", Some(day)) => date < day,
        ("<=", Some(day)) => date <= day,
        (">", Some(day)) => date > day,
        (">=", Some(day)) => date >= day,
        _ => false,
    }
}

#[derive(Default)]
struct Sums {
    all: (f64, f64),
    counted: (f64, f64),
    all_by_date: (f64, f64),
    counted_by_date: (f64, f64),
}

impl Sums {
    fn add(&mut self, value: f64, counted: bool, by_conversion_date: bool) {
        let (all, some) = if by_conversion_date {
            (&mut self.all_by_date, &mut self.counted_by_date)
        } else {
            (&mut self.all, &mut self.counted)
        };
        all.0 += 1.0;
        all.1 += value;
        if counted {
            some.0 += 1.0;
            some.1 += value;
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "allConversions": self.all.0,
            "allConversionsValue": self.all.1,
            "allConversionsByConversionDate": self.all_by_date.0,
            "allConversionsValueByConversionDate": self.all_by_date.1,
            "conversions": self.counted.0,
            "conversionsValue": self.counted.1,
            "conversionsByConversionDate": self.counted_by_date.0,
            "conversionsValueByConversionDate": self.counted_by_date.1,
        })
    }
}

/// Rows of a query with metrics: one per combination of selected segments, none for combinations without conversions;
/// without segments exactly one.
pub fn rows(google: &Google, customer: &str, query: &Query, now: Timestamp) -> Vec<Value> {
    let Some(account) = google.accounts.get(customer) else {
        return Vec::new();
    };
    let zone = TimeZone::get(&account.time_zone).unwrap_or(TimeZone::UTC);
    let day = |at: Timestamp| at.to_zoned(zone.clone()).date();
    let today = day(now);
    let by_action = query
        .select
        .iter()
        .any(|field| field.starts_with("segments.conversion_action"));
    let by_date = query.select.iter().any(|field| field == "segments.date");
    let dates: Vec<&Condition> = query.conditions.iter().filter(|c| c.field == "segments.date").collect();
    let mut groups: BTreeMap<(Option<u64>, Option<Date>), Sums> = BTreeMap::new();
    if !by_action && !by_date {
        groups.entry((None, None)).or_default();
    }
    for action in google
        .actions
        .values()
        .filter(|action| action.owner == account.conversion_customer())
    {
        let counted = action.primary && google.is_biddable(customer, &action.category, &action.origin);
        for conversion in google.ingestion.of_action(action.id) {
            for (at, by_conversion_date) in [
                (conversion.click_time.unwrap_or(conversion.time), false),
                (conversion.time, true),
            ] {
                let date = day(at);
                if dates.iter().all(|condition| date_fits(condition, date, today)) {
                    let key = (by_action.then_some(action.id), by_date.then_some(date));
                    groups
                        .entry(key)
                        .or_default()
                        .add(worth(action, conversion), counted, by_conversion_date);
                }
            }
        }
    }
    let resource = account.resource();
    groups
        .into_iter()
        .map(|((action, date), sums)| row(google, &resource, action, date, &sums))
        .collect()
}

fn worth(action: &Action, conversion: &Conversion) -> f64 {
    if action.always_default {
        action.default_value
    } else {
        conversion.value.unwrap_or(action.default_value)
    }
}

fn row(google: &Google, customer: &Value, action: Option<u64>, date: Option<Date>, sums: &Sums) -> Value {
    let mut segments = json!({});
    if let Some(action) = action.and_then(|id| google.actions.get(&id)) {
        segments["conversionAction"] = json!(action.resource_name());
        segments["conversionActionName"] = json!(action.name);
        segments["conversionActionCategory"] = json!(action.category);
    }
    if let Some(date) = date {
        segments["date"] = json!(date.to_string());
    }
    json!({"customer": customer, "segments": segments, "metrics": sums.to_json()})
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_listed_range_is_known() {
        let today: Date = "2026-11-23".parse().unwrap();
        for name in RANGES {
            let (from, to) = range(name, today).unwrap();
            assert!(from <= to && to <= today, "{name}");
        }
        assert_eq!(range("LAST_30_DAYS", today).unwrap().0, "2026-10-24".parse().unwrap());
        assert!(range("LAST_YEAR", today).is_none());
    }
}
