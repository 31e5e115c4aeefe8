//! Which stage or form a conversion action is about. Google does not know: people say it, or the action's name does.

use std::str::FromStr;

use crate::cli::output::foreign;
use crate::domain::action::ConversionAction;
use crate::domain::ids::ActionId;
use crate::ports::crm::{Form, Stage};

/// What people say on the command line: `ID=STAGE`, `ID=FORM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assigned {
    pub(super) action: ActionId,
    /// Value or label of a stage, GUID or name of a form.
    pub(super) trigger: String,
}

impl FromStr for Assigned {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        let wrong = || "write ID=NAME, with the number of a conversion action: 123456789=customer".to_owned();
        let (id, trigger) = given.split_once('=').ok_or_else(wrong)?;
        let trigger = trigger.trim();
        match id.trim().parse() {
            Ok(action) if !trigger.is_empty() => Ok(Self {
                action,
                trigger: trigger.to_owned(),
            }),
            _ => Err(wrong()),
        }
    }
}

/// What people said of this action.
pub(super) fn assigned(all: &[Assigned], action: ActionId) -> Option<&str> {
    all.iter()
        .find(|one| one.action == action)
        .map(|one| one.trigger.as_str())
}

/// Judges what people said of actions: each is one of the account, takes such a trigger, and is named once. `kind`:
/// type of the actions that the flag is about.
///
/// # Errors
/// What is wrong, with the flag.
pub(super) fn check_assigned(
    flag: &str,
    all: &[Assigned],
    kind: &str,
    actions: &[ConversionAction],
) -> Result<(), String> {
    for (number, one) in all.iter().enumerate() {
        let given = format!("{flag} {}={}", one.action, foreign(&one.trigger));
        let Some(action) = actions.iter().find(|action| action.id == one.action) else {
            return Err(format!(
                "{given}: the Google Ads account has no conversion action {}. Correct its number.",
                one.action
            ));
        };
        if action.kind != kind {
            return Err(format!(
                "{given}: the type of this conversion action is {}, and {flag} is for {kind} alone. Leave it out.",
                foreign(&action.kind)
            ));
        }
        if all[..number].iter().any(|before| before.action == one.action) {
            return Err(format!(
                "{given}: {flag} names this conversion action twice. Leave one out."
            ));
        }
    }
    Ok(())
}

/// Words that say where conversions come from, and nothing of the stage or form.
const NOISE: [&str; 22] = [
    "a",
    "ad",
    "ads",
    "became",
    "becomes",
    "contact",
    "conversion",
    "conversions",
    "crm",
    "event",
    "form",
    "google",
    "hubspot",
    "import",
    "lifecycle",
    "lifecyclestage",
    "offline",
    "reached",
    "stage",
    "submission",
    "submitted",
    "the",
];

/// The stage whose value or label the action is named after, if that is one alone. A wrong one would count the wrong
/// people, so that a name which only holds a stage among other words proves nothing: "Qualified lead" is none of Lead.
///
/// # Errors
/// Why it is not certain, for people.
pub(super) fn stage_in<'a>(name: &str, stages: &'a [Stage]) -> Result<&'a Stage, String> {
    let candidates = stages
        .iter()
        .map(|stage| (stage, [stage.label.as_str(), stage.value.as_str()]));
    one_of(name, candidates).ok_or_else(|| "it is not named after one lifecycle stage of the portal".to_owned())
}

/// The form that the action is named after, if that is one alone.
///
/// # Errors
/// Why it is not certain, for people.
pub(super) fn form_in<'a>(name: &str, forms: &'a [Form]) -> Result<&'a Form, String> {
    let candidates = forms.iter().map(|form| (form, [form.name.as_str(), form.id.as_str()]));
    one_of(name, candidates).ok_or_else(|| "it is not named after one form of the portal".to_owned())
}

fn one_of<'a, T>(name: &str, candidates: impl Iterator<Item = (&'a T, [&'a str; 2])>) -> Option<&'a T> {
    let (whole, telling) = (words(name), telling_words(name));
    let is_named = |text: &str| {
        let text = words(text);
        !text.is_empty() && (text == whole || text == telling)
    };
    let mut found = candidates.filter(|(_, texts)| texts.iter().any(|text| is_named(text)));
    match (found.next(), found.next()) {
        (Some((only, _)), None) => Some(only),
        _ => None,
    }
}

/// Lower case, one blank between words.
fn words(text: &str) -> String {
    let parts = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    parts.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

fn telling_words(text: &str) -> String {
    let all = words(text);
    let telling = all.split(' ').filter(|word| !NOISE.contains(word));
    telling.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn stages() -> Vec<Stage> {
        let stage = |(value, label): (&str, &str)| Stage {
            value: value.to_owned(),
            label: label.to_owned(),
        };
        let all = [
            ("lead", "Lead"),
            ("marketingqualifiedlead", "Marketing Qualified Lead"),
            ("customer", "Customer"),
            ("1066237962", "Won (\"big\")"),
            ("odd", "  "),
        ];
        all.map(stage).to_vec()
    }

    #[rstest]
    #[case("HubSpot - Customer", Some("customer"))]
    #[case("hubspot_customer", Some("customer"))]
    #[case("Marketing qualified lead (HubSpot)", Some("marketingqualifiedlead"))]
    #[case("Lifecycle stage: lead", Some("lead"))]
    #[case("Won big", Some("1066237962"))]
    #[case("Contact became Won (\"big\")", Some("1066237962"))]
    #[case("1066237962", Some("1066237962"))]
    #[case("Qualified lead", None)]
    #[case("Customers", None)]
    #[case("Customer or lead", None)]
    #[case("Customer 2026", None)]
    #[case("Purchase", None)]
    #[case("HubSpot", None)]
    #[case("", None)]
    fn a_stage_is_found_where_the_name_says_nothing_else(#[case] name: &str, #[case] expected: Option<&str>) {
        let stages = stages();
        assert_eq!(stage_in(name, &stages).ok().map(|stage| stage.value.as_str()), expected);
    }

    #[test]
    fn two_that_fit_as_well_are_none() {
        let twice = [&stages()[2..3], &stages()[2..3]].concat();
        assert!(stage_in("HubSpot - Customer", &twice).is_err());
        let forms = ["Demo", "Demo request"].map(|name| Form {
            id: name.to_lowercase(),
            name: name.to_owned(),
        });
        assert_eq!(
            form_in("HubSpot form: Demo request", &forms).unwrap().name,
            "Demo request"
        );
        assert_eq!(form_in("Demo", &forms).unwrap().name, "Demo");
        assert!(form_in("Demo request - Acme", &forms).is_err());
        assert!(form_in("Contact", &forms).is_err());
    }

    #[rstest]
    #[case("7=customer", Ok((7, "customer")))]
    #[case(" 7 = Sales Qualified=Lead ", Ok((7, "Sales Qualified=Lead")))]
    #[case("customer", Err(()))]
    #[case("x=customer", Err(()))]
    #[case("7=", Err(()))]
    fn people_say_which(#[case] given: &str, #[case] expected: Result<(u64, &str), ()>) {
        let read = given.parse::<Assigned>().map_err(|_| ());
        assert_eq!(
            read,
            expected.map(|(id, trigger)| Assigned {
                action: ActionId(id),
                trigger: trigger.to_owned()
            })
        );
    }

    #[test]
    fn what_people_say_must_be_of_the_account() {
        let action = |id, kind: &str| crate::cli::import::pick::some_action(id, "Won", kind);
        let actions = [action(7, "UPLOAD_CLICKS"), action(8, "WEBPAGE")];
        let judge = |given: &[&str]| {
            let all: Vec<Assigned> = given.iter().map(|one| one.parse().unwrap()).collect();
            check_assigned("--stage", &all, "UPLOAD_CLICKS", &actions)
        };
        assert_eq!(judge(&[]), Ok(()));
        assert_eq!(judge(&["7=customer"]), Ok(()));
        for (given, part) in [
            (
                vec!["7=customer", "9=lead"],
                "--stage 9=lead: the Google Ads account has no conversion action 9.",
            ),
            (
                vec!["8=lead"],
                "--stage 8=lead: the type of this conversion action is WEBPAGE",
            ),
            (
                vec!["7=lead", "7=customer"],
                "--stage 7=customer: --stage names this conversion action twice",
            ),
        ] {
            let said = judge(&given).unwrap_err();
            assert!(said.starts_with(part), "{said}");
        }
    }
}
