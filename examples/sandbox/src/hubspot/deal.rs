//! The sales pipeline and what HubSpot computes from a deal's amount and stage.

use serde_json::{Value, json};

use super::catalogue::DealField;

/// Stages of the default pipeline: id, label, probability.
pub const PIPELINE: [(&str, &str, &str); 7] = [
    ("appointmentscheduled", "Appointment Scheduled", "0.2"),
    ("qualifiedtobuy", "Qualified To Buy", "0.4"),
    ("presentationscheduled", "Presentation Scheduled", "0.6"),
    ("decisionmakerboughtin", "Decision Maker Bought-In", "0.8"),
    ("contractsent", "Contract Sent", "0.9"),
    ("closedwon", "Closed Won", "1.0"),
    ("closedlost", "Closed Lost", "0.0"),
];

/// The pipelines endpoint's answer.
pub fn pipelines() -> Value {
    let stamp = "2020-01-01T00:00:00.000Z";
    let stages: Vec<Value> = PIPELINE
        .iter()
        .enumerate()
        .map(|(place, (id, label, probability))| {
            json!({"id": id, "label": label, "displayOrder": place, "archived": false, "createdAt": stamp, "updatedAt": stamp,
                   "metadata": {"probability": probability, "isClosed": id.starts_with("closed").to_string()},
                   "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT"})
        })
        .collect();
    json!({"results": [{"id": "default", "label": "Sales Pipeline", "displayOrder": 0, "archived": false,
                        "createdAt": stamp, "updatedAt": stamp, "stages": stages}]})
}

/// A computed deal property; `None` where the inputs are missing.
pub fn computed(field: DealField, amount: Option<&str>, stage: Option<&str>) -> Option<String> {
    let (id, _, probability) = PIPELINE.iter().find(|(id, _, _)| Some(*id) == stage)?;
    let amount = amount.filter(|text| !text.is_empty());
    match field {
        DealField::Probability => times(probability, "1"),
        DealField::Projected => times(amount?, probability),
        DealField::ClosedAmount => times(amount?, if *id == "closedwon" { "1" } else { "0" }),
        DealField::Closed => Some(id.starts_with("closed").to_string()),
        DealField::Won => Some((*id == "closedwon").to_string()),
        DealField::Lost => Some((*id == "closedlost").to_string()),
    }
}

/// The exact product of two decimal numbers, without trailing zeros; `None` if one is not a decimal number.
pub fn times(a: &str, b: &str) -> Option<String> {
    let ((a, a_scale), (b, b_scale)) = (parse(a)?, parse(b)?);
    let (mut digits, mut scale) = (a.checked_mul(b)?, a_scale + b_scale);
    while scale > 0 && digits % 10 == 0 {
        digits /= 10;
        scale -= 1;
    }
    let sign = if digits < 0 { "-" } else { "" };
    let text = format!("{:0>width$}", digits.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = text.split_at(text.len() - scale);
    Some(if fraction.is_empty() {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction}")
    })
}

fn parse(text: &str) -> Option<(i128, usize)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 12 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    format!("{whole}{fraction}")
        .parse()
        .ok()
        .map(|digits| (digits, fraction.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_exact() {
        let cases = [
            ("1000", "0.2", "200"),
            ("0.1", "0.2", "0.02"),
            ("99.99", "0.9", "89.991"),
            ("-5", "0.5", "-2.5"),
            ("100", "0.0", "0"),
        ];
        for (a, b, product) in cases {
            assert_eq!(times(a, b).as_deref(), Some(product), "{a} x {b}");
        }
        assert_eq!(times("abc", "1"), None);
    }

    #[test]
    fn flags_follow_the_stage() {
        let all = |stage| {
            [DealField::Closed, DealField::Won, DealField::Lost]
                .map(|f| computed(f, Some("10"), Some(stage)).unwrap_or_default())
        };
        assert_eq!(all("closedwon"), ["true", "true", "false"]);
        assert_eq!(all("closedlost"), ["true", "false", "true"]);
        assert_eq!(all("contractsent"), ["false", "false", "false"]);
        assert_eq!(computed(DealField::Projected, None, Some("contractsent")), None);
        assert_eq!(
            computed(DealField::Probability, None, Some("closedwon")).as_deref(),
            Some("1")
        );
    }
}
