//! Where the value of a conversion comes from, in words: the rule of the event and the id of the deal.

use rust_decimal::Decimal;

use super::contact::Deal;
use super::eligibility::ValueRule;
use super::value::{CurrencyUnknown, DealOffer, latest_deal, offer_of};
use crate::api::Money;

/// What is known of the value of one conversion.
#[derive(Clone, Copy)]
pub struct ValueFacts<'a> {
    /// The deals of the contact; `None` if they were not read.
    pub deals: Option<&'a [Deal]>,
    /// ISO 4217; empty if HubSpot does not tell it.
    pub company_currency: &'a str,
    /// Value and currency that it was sent with, or is to be.
    pub recorded: Option<(Decimal, &'a str)>,
}

/// A sentence about the value by the event's rule. The ledger keeps the value but not the deal, so the sentence is
/// about today's deal.
pub fn describe_value(rule: Option<&ValueRule>, worth: &ValueFacts<'_>) -> String {
    let kept = worth.recorded;
    match (rule, worth.deals) {
        (None, _) => match kept {
            Some(kept) => format!("{} The event declares none now.", describe_kept(kept)),
            None => "The event declares none, so none is sent.".to_owned(),
        },
        (Some(ValueRule::Fixed(money)), _) => {
            let fixed = (money.amount, money.currency.as_str());
            let declared = show(fixed.0, fixed.1);
            match kept.filter(|kept| *kept != fixed) {
                Some(kept) => format!("{} The event declares {declared} now.", describe_kept(kept)),
                None => format!("Fixed: {declared}."),
            }
        }
        (Some(ValueRule::DealAmount { default }), None) => format!(
            "The weighted amount of the most recent deal when it is sent, else {}.",
            show(default.amount, &default.currency)
        ),
        (Some(ValueRule::DealAmount { default }), Some(deals)) => describe_deal(default, deals, worth),
    }
}

fn describe_deal(default: &Money, deals: &[Deal], worth: &ValueFacts<'_>) -> String {
    let by_default = (default.amount, default.currency.as_str());
    let (value, source) = match offer_of(deals, worth.company_currency) {
        Ok(DealOffer::NoDeal) => (by_default, "the default, as the contact has no deal".to_owned()),
        Ok(DealOffer::Unusable(deal, why)) => {
            let source = format!("the default, as deal {}, the most recent one, {why}", deal.id);
            (by_default, source)
        }
        Ok(DealOffer::Value(deal, amount, currency)) => {
            let source = format!("the weighted amount of deal {}, the most recent one", deal.id);
            ((amount, currency), source)
        }
        Err(CurrencyUnknown) => return describe_unknown_currency(deals, worth.recorded),
    };
    let today = show(value.0, value.1);
    match worth.recorded {
        Some(recorded) if recorded == value => format!("{today}: {source}."),
        Some(kept) => format!(
            "{} By today's deals it would be {today}: {source}.",
            describe_kept(kept)
        ),
        None => format!("By today's deals it would be {today}: {source}."),
    }
}

fn describe_unknown_currency(deals: &[Deal], recorded: Option<(Decimal, &str)>) -> String {
    let kept = recorded.map(|kept| format!("{} ", describe_kept(kept)));
    let id = latest_deal(deals).map(|deal| deal.id.to_string()).unwrap_or_default();
    format!(
        "{}Deal {id}, the most recent one, is in the company's currency, which HubSpot does not tell.",
        kept.unwrap_or_default()
    )
}

fn describe_kept((amount, currency): (Decimal, &str)) -> String {
    format!("{} is kept since it was first sent.", show(amount, currency))
}

fn show(amount: Decimal, currency: &str) -> String {
    format!("{} {currency}", amount.normalize())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rstest::rstest;

    use super::super::ids::DealId;
    use super::*;

    fn deal(id: u64, cents: i64, currency: Option<&str>, closed_lost: bool) -> Deal {
        Deal {
            id: DealId(id),
            created_at: Timestamp::UNIX_EPOCH,
            projected_amount: Some(Decimal::new(cents, 2)),
            currency: currency.map(str::to_owned),
            closed_lost,
        }
    }

    fn told(deals: Option<&[Deal]>, company_currency: &str, recorded: Option<(i64, &'static str)>) -> String {
        let default = Money {
            amount: Decimal::new(10_000, 2),
            currency: "EUR".to_owned(),
        };
        let worth = ValueFacts {
            deals,
            company_currency,
            recorded: recorded.map(|(cents, currency)| (Decimal::new(cents, 2), currency)),
        };
        describe_value(Some(&ValueRule::DealAmount { default }), &worth)
    }

    #[rstest]
    #[case::sent(Some((6_000, "CHF")), "60 CHF: the weighted amount of deal 17, the most recent one.")]
    #[case::not_sent(
        None,
        "By today's deals it would be 60 CHF: the weighted amount of deal 17, the most recent one."
    )]
    #[case::other_deal(Some((1_250, "EUR")), "12.5 EUR is kept since it was first sent. By today's deals it would be 60 CHF: the \
        weighted amount of deal 17, the most recent one.")]
    #[case::other_currency(Some((6_000, "EUR")), "60 EUR is kept since it was first sent. By today's deals it would be 60 CHF: the \
        weighted amount of deal 17, the most recent one.")]
    fn the_most_recent_deal_is_named(#[case] recorded: Option<(i64, &'static str)>, #[case] says: &str) {
        let deals = [deal(9, 700, None, false), deal(17, 6_000, Some("CHF"), false)];
        assert_eq!(told(Some(&deals), "USD", recorded), says);
    }

    #[rstest]
    #[case::lost(
        deal(17, 6_000, None, true),
        "100 EUR: the default, as deal 17, the most recent one, is closed as lost."
    )]
    #[case::nothing(
        deal(17, 0, None, false),
        "100 EUR: the default, as deal 17, the most recent one, has no amount that can be sent."
    )]
    #[case::no_currency(
        deal(17, 6_000, Some("XXQ"), false),
        "100 EUR: the default, as deal 17, the most recent one, is in a currency that is not an ISO 4217 code."
    )]
    fn a_deal_without_a_value_is_named_too(#[case] deal: Deal, #[case] says: &str) {
        assert_eq!(told(Some(&[deal]), "USD", Some((10_000, "EUR"))), says);
    }

    #[test]
    fn no_deal_and_no_read_are_two_things() {
        let says = told(Some(&[]), "USD", Some((10_000, "EUR")));
        assert_eq!(says, "100 EUR: the default, as the contact has no deal.");
        let says = told(None, "USD", None);
        assert_eq!(
            says,
            "The weighted amount of the most recent deal when it is sent, else 100 EUR."
        );
    }

    #[test]
    fn a_currency_that_is_not_known_is_no_value() {
        let deals = [deal(17, 6_000, None, false)];
        let says = told(Some(&deals), "", None);
        assert_eq!(
            says,
            "Deal 17, the most recent one, is in the company's currency, which HubSpot does not tell."
        );
        assert!(told(Some(&deals), "", Some((500, "EUR"))).starts_with("5 EUR is kept"));
    }

    #[test]
    fn a_fixed_value_needs_no_deal() {
        let fixed = |recorded: Option<i64>| {
            let money = Money {
                amount: Decimal::new(25_000, 2),
                currency: "EUR".to_owned(),
            };
            by_rule(Some(&ValueRule::Fixed(money)), recorded)
        };
        assert_eq!(fixed(None), "Fixed: 250 EUR.");
        assert_eq!(fixed(Some(25_000)), "Fixed: 250 EUR.");
        assert_eq!(
            fixed(Some(9_950)),
            "99.5 EUR is kept since it was first sent. The event declares 250 EUR now."
        );
    }

    #[test]
    fn no_value_is_declared() {
        assert_eq!(by_rule(None, None), "The event declares none, so none is sent.");
        assert_eq!(
            by_rule(None, Some(9_950)),
            "99.5 EUR is kept since it was first sent. The event declares none now."
        );
    }

    fn by_rule(rule: Option<&ValueRule>, recorded: Option<i64>) -> String {
        let worth = ValueFacts {
            deals: None,
            company_currency: "USD",
            recorded: recorded.map(|cents| (Decimal::new(cents, 2), "EUR")),
        };
        describe_value(rule, &worth)
    }
}
