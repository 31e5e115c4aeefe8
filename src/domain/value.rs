//! What a conversion is worth.

use rust_decimal::Decimal;

use super::contact::Deal;
use super::eligibility::{Money, ValueRule};

/// Value and currency to send. For [`ValueRule::DealAmount`]: the weighted amount of the most recent deal (latest
/// creation, then greatest id) in its own currency, else the company's; the default, in its own currency, where there
/// is no deal, it is closed-lost, or its amount is missing or not positive.
pub fn conversion_value(rule: &ValueRule, deals: &[Deal], company_currency: &str) -> (Decimal, String) {
    let from_deal = match rule {
        ValueRule::Fixed(_) => None,
        ValueRule::DealAmount { .. } => deal_value(deals, company_currency),
    };
    let (ValueRule::Fixed(declared) | ValueRule::DealAmount { default: declared }) = rule;
    from_deal.unwrap_or_else(|| value_and_currency(declared))
}

fn value_and_currency(money: &Money) -> (Decimal, String) {
    (money.amount, money.currency.clone())
}

fn deal_value(deals: &[Deal], company_currency: &str) -> Option<(Decimal, String)> {
    let latest = deals.iter().max_by_key(|d| (d.created_at, d.id))?;
    let amount = latest
        .projected_amount
        .filter(|a| *a > Decimal::ZERO && !latest.closed_lost)?;
    let currency = latest
        .currency
        .as_deref()
        .filter(|c| !c.is_empty())
        .unwrap_or(company_currency);
    let known = currency.len() == 3 && currency.bytes().all(|b| b.is_ascii_uppercase());
    known.then(|| (amount, currency.to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;

    use super::super::ids::DealId;
    use super::*;

    fn deal(id: u64, created: i64, amount: Option<&str>) -> Deal {
        Deal {
            id: DealId(id),
            created_at: Timestamp::from_second(created).unwrap(),
            projected_amount: amount.map(|a| a.parse().unwrap()),
            currency: None,
            closed_lost: false,
        }
    }

    fn worth(deals: &[Deal]) -> String {
        let default = Money {
            amount: "100.00".parse().unwrap(),
            currency: "EUR".into(),
        };
        let (amount, currency) = conversion_value(&ValueRule::DealAmount { default }, deals, "USD");
        format!("{amount} {currency}")
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
                .0
                .to_string(),
            "250.00"
        );
    }
}
