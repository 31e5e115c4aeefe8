//! What a conversion is worth.

use rust_decimal::Decimal;

use super::contact::Deal;
use super::eligibility::ValueRule;
use crate::api::CURRENCIES;

/// An amount must be less than this, as in manifests: twelve digits before the point. A larger one is a mistake, and
/// what was sent can't be taken back.
const LESS_THAN: Decimal = Decimal::from_parts(0xD4A5_1000, 0xE8, 0, false, 0);

/// The value would be in the currency of the company, which HubSpot does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CurrencyUnknown;

/// Value and currency to send. For [`ValueRule::DealAmount`]: the weighted amount of the most recent deal (latest
/// creation, then greatest id) in its own currency, else the company's; the default, in its own currency, where there
/// is no deal, it is closed-lost, or its amount or currency is none that a manifest could name. Nothing as long as it
/// would be in the company's currency, and that is not known (empty).
pub fn conversion_value(
    rule: &ValueRule,
    deals: &[Deal],
    company_currency: &str,
) -> Result<(Decimal, String), CurrencyUnknown> {
    let (ValueRule::Fixed(declared) | ValueRule::DealAmount { default: declared }) = rule;
    if matches!(rule, ValueRule::DealAmount { .. })
        && let DealOffer::Value(_, amount, currency) = offer_of(deals, company_currency)?
    {
        return Ok((amount, currency.to_owned()));
    }
    Ok((declared.amount, declared.currency.clone()))
}

/// What the deals of a contact give for [`ValueRule::DealAmount`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DealOffer<'a> {
    /// There is no deal.
    NoDeal,
    /// The most recent deal gives no value: why, as the end of a sentence about it.
    Unusable(&'a Deal, &'static str),
    /// The most recent deal, its weighted amount and the currency of that.
    Value(&'a Deal, Decimal, &'a str),
}

/// The most recent deal: created last, of several the one with the greatest id.
pub fn latest_deal(deals: &[Deal]) -> Option<&Deal> {
    deals.iter().max_by_key(|deal| (deal.created_at, deal.id))
}

/// What the most recent deal gives.
///
/// # Errors
/// If it would be in the company's currency, and that is not known (empty).
pub fn offer_of<'a>(deals: &'a [Deal], company_currency: &'a str) -> Result<DealOffer<'a>, CurrencyUnknown> {
    let Some(deal) = latest_deal(deals) else {
        return Ok(DealOffer::NoDeal);
    };
    if deal.closed_lost {
        return Ok(DealOffer::Unusable(deal, "is closed as lost"));
    }
    let Some(amount) = deal.projected_amount.filter(|amount| is_usable(*amount)) else {
        return Ok(DealOffer::Unusable(deal, "has no amount that can be sent"));
    };
    let own = deal.currency.as_deref().filter(|currency| !currency.is_empty());
    let currency = own.unwrap_or(company_currency);
    if currency.is_empty() {
        return Err(CurrencyUnknown);
    }
    Ok(if CURRENCIES.contains(&currency) {
        DealOffer::Value(deal, amount, currency)
    } else {
        DealOffer::Unusable(deal, "is in a currency that is not an ISO 4217 code")
    })
}

fn is_usable(amount: Decimal) -> bool {
    amount > Decimal::ZERO && amount < LESS_THAN
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
    use rstest::rstest;

    use super::super::ids::DealId;
    use super::*;
    use crate::api::Money;

    fn deal(id: u64, created: i64, amount: Option<&str>) -> Deal {
        Deal {
            id: DealId(id),
            created_at: Timestamp::from_second(created).unwrap(),
            projected_amount: amount.map(|a| a.parse().unwrap()),
            currency: None,
            closed_lost: false,
        }
    }

    fn worth_in(company: &str, deals: &[Deal]) -> String {
        let default = Money {
            amount: "100.00".parse().unwrap(),
            currency: "EUR".into(),
        };
        match conversion_value(&ValueRule::DealAmount { default }, deals, company) {
            Ok((amount, currency)) => format!("{amount} {currency}"),
            Err(CurrencyUnknown) => "unknown".to_owned(),
        }
    }

    fn worth(deals: &[Deal]) -> String {
        worth_in("USD", deals)
    }

    #[rstest]
    #[case::most("999999999999.999", "999999999999.999 USD")]
    #[case::more("1000000000000", "100.00 EUR")]
    #[case::far_more("999999999999999999999999", "100.00 EUR")]
    #[case::little("0.001", "0.001 USD")]
    fn amounts_that_nobody_can_have_meant(#[case] amount: &str, #[case] wanted: &str) {
        assert_eq!(worth(&[deal(1, 1, Some(amount))]), wanted);
    }

    #[rstest]
    #[case::its_own(Some("CHF"), "USD", "50 CHF")]
    #[case::of_the_company(None, "USD", "50 USD")]
    #[case::empty(Some(""), "USD", "50 USD")]
    #[case::no_code(Some("XXQ"), "USD", "100.00 EUR")]
    #[case::metal(Some("XAU"), "USD", "100.00 EUR")]
    #[case::small(Some("usd"), "USD", "100.00 EUR")]
    #[case::company_without_code(None, "XXQ", "100.00 EUR")]
    #[case::company_unknown(None, "", "unknown")]
    #[case::company_unknown_and_not_needed(Some("CHF"), "", "50 CHF")]
    #[case::company_unknown_and_no_code(Some("XXQ"), "", "100.00 EUR")]
    fn currencies(#[case] own: Option<&str>, #[case] company: &str, #[case] wanted: &str) {
        let deal = Deal {
            currency: own.map(str::to_owned),
            ..deal(1, 1, Some("50"))
        };
        assert_eq!(worth_in(company, &[deal]), wanted);
    }

    #[test]
    fn the_currency_of_the_company_is_needed_only_for_what_is_in_it() {
        assert_eq!(worth_in("", &[]), "100.00 EUR");
        assert_eq!(worth_in("", &[deal(1, 1, None)]), "100.00 EUR");
        assert_eq!(worth_in("", &[deal(1, 1, Some("1000000000000"))]), "100.00 EUR");
    }

    proptest! {
        /// A manifest could name whatever is sent.
        #[test]
        fn what_is_sent_could_stand_in_a_manifest(
            units in any::<i128>(), scale in 0_u32..28, own in proptest::option::of("[A-Za-z]{0,4}"), company in "[A-Z]{0,3}",
        ) {
            let Ok(amount) = Decimal::try_from_i128_with_scale(units >> 33, scale) else { return Ok(()) };
            let deal = Deal { projected_amount: Some(amount), currency: own, ..deal(1, 1, None) };
            let default = Money { amount: Decimal::ONE, currency: "EUR".into() };
            if let Ok((amount, currency)) = conversion_value(&ValueRule::DealAmount { default }, &[deal], &company) {
                prop_assert!(amount > Decimal::ZERO && amount.trunc().to_string().len() <= 12, "{amount}");
                prop_assert!(CURRENCIES.contains(&currency.as_str()), "{currency}");
            }
        }
    }

    #[test]
    fn deals() {
        assert_eq!(worth(&[]), "100.00 EUR");
        assert_eq!(worth(&[deal(1, 1, Some("50"))]), "50 USD");
        assert_eq!(worth(&[deal(1, 1, Some("50")), deal(2, 2, Some("70"))]), "70 USD");
        assert_eq!(worth(&[deal(2, 2, Some("70")), deal(1, 1, Some("50"))]), "70 USD");
        assert_eq!(
            worth(&[deal(9, 2, Some("9")), deal(10, 2, Some("10"))]),
            "10 USD",
            "tie: greatest id as a number"
        );
        assert_eq!(worth(&[deal(1, 1, None)]), "100.00 EUR");
        assert_eq!(worth(&[deal(1, 1, Some("0"))]), "100.00 EUR");
        assert_eq!(worth(&[deal(1, 1, Some("-5"))]), "100.00 EUR");
        assert_eq!(
            worth(&[
                deal(1, 1, Some("50")),
                Deal {
                    closed_lost: true,
                    ..deal(2, 2, Some("70"))
                }
            ]),
            "100.00 EUR"
        );
        assert_eq!(
            worth(&[Deal {
                currency: Some("CHF".into()),
                ..deal(1, 1, Some("50"))
            }]),
            "50 CHF"
        );
        assert_eq!(
            worth(&[Deal {
                currency: Some(String::new()),
                ..deal(1, 1, Some("50"))
            }]),
            "50 USD"
        );
    }

    #[test]
    fn fixed_ignores_deals() {
        let money = Money {
            amount: "250.00".parse().unwrap(),
            currency: "EUR".into(),
        };
        assert_eq!(
            conversion_value(&ValueRule::Fixed(money), &[deal(1, 1, Some("50"))], "USD")
                .unwrap()
                .0
                .to_string(),
            "250.00"
        );
    }
}
