//! The snippet for the web site of a form event: Google tag, and a listener that reports HubSpot's submissions under
//! their own ids (docs/reference/hubspot.md 7.2). What the tag reports is what an enhancement completes.

use std::fmt::Write as _;

use super::eligibility::ValueRule;
use crate::api::Money;

/// What the snippet must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag<'a> {
    /// The event, `namespace/name`.
    pub event: &'a str,
    /// `AW-<number>/<label>`.
    pub send_to: &'a str,
    /// GUID of the form.
    pub form: &'a str,
    /// What a conversion is worth when it is reported: the fixed amount, or the default of a deal's amount.
    pub value: Option<&'a Money>,
}

impl<'a> Tag<'a> {
    /// The tag of an event with this value rule.
    pub fn new(event: &'a str, send_to: &'a str, form: &'a str, rule: Option<&'a ValueRule>) -> Self {
        let value = rule.map(|rule| match rule {
            ValueRule::Fixed(money) | ValueRule::DealAmount { default: money } => money,
        });
        Self {
            event,
            send_to,
            form,
            value,
        }
    }

    /// The HTML to paste into the `<head>` of the pages with the form.
    pub fn to_html(&self) -> String {
        let account = self.send_to.split('/').next().unwrap_or_default();
        let mut value = String::new();
        if let Some(money) = self.value {
            // Decimal digits and a point only: a number in JavaScript as it stands.
            let _ = write!(
                value,
                "\n    conversion.value = {};\n    conversion.currency = {};",
                money.amount,
                script_string(&money.currency)
            );
        }
        TEMPLATE
            .replace("{event}", self.event)
            .replace("{url_account}", account)
            .replace("{account}", &script_string(account))
            .replace("{send_to}", &script_string(self.send_to))
            .replace("{form}", &script_string(&self.form.to_lowercase()))
            .replace("{value}", &value)
    }
}

/// A text as a string of JavaScript that can stand inside `<script>`.
fn script_string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '/' | '.' | ' ' => quoted.push(c),
            other => {
                let mut units = [0; 2];
                for unit in other.encode_utf16(&mut units) {
                    let _ = write!(quoted, "\\u{unit:04x}");
                }
            }
        }
    }
    quoted.push('"');
    quoted
}

/// HubSpot announces a submission by an event of its own (forms of today) or by a message (forms of the older editor).
/// A page may see both, and frames may repeat them: each submission is reported once.
const TEMPLATE: &str = r#"<!-- Reports submissions of a HubSpot form to Google Ads. Belongs to AdConversionEvent {event}. -->
<script async src="https://www.googletagmanager.com/gtag/js?id={url_account}"></script>
<script>
(function () {
  window.dataLayer = window.dataLayer || [];
  if (typeof window.gtag !== "function") {
    window.gtag = function () { window.dataLayer.push(arguments); };
    window.gtag("js", new Date());
  }
  window.gtag("config", {account});

  var reported = {};
  function report(form, id) {
    if (typeof form !== "string" || form.toLowerCase() !== {form}) { return; }
    if (typeof id !== "string" || id === "" || reported["id:" + id]) { return; }
    reported["id:" + id] = true;
    var conversion = { send_to: {send_to}, transaction_id: id };{value}
    window.gtag("event", "conversion", conversion);
  }

  window.addEventListener("hs-form-event:on-submission:success", function (event) {
    var form = window.HubSpotFormsV4 && window.HubSpotFormsV4.getFormFromEvent(event);
    if (form) { report(form.getFormId(), form.getConversionId()); }
  });
  window.addEventListener("message", function (event) {
    var data = event.data;
    if (data && data.type === "hsFormCallback" && data.eventName === "onFormSubmitted" && data.data) {
      report(data.id, data.data.conversionId);
    }
  });
})();
</script>
"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(value: Option<&Money>) -> Tag<'_> {
        Tag {
            event: "web/demo-request",
            send_to: "AW-987654321/AbC-D_efG",
            form: "78C2891F-ebdd-44c0-bd94-15c012bbbfbf",
            value,
        }
    }

    #[test]
    fn what_is_pasted_names_account_target_and_form() {
        let html = tag(None).to_html();
        assert!(html.contains("gtag/js?id=AW-987654321\""));
        assert!(html.contains(r#"window.gtag("config", "AW-987654321");"#));
        assert!(html.contains(r#"{ send_to: "AW-987654321/AbC-D_efG", transaction_id: id };"#));
        assert!(html.contains(r#"!== "78c2891f-ebdd-44c0-bd94-15c012bbbfbf""#));
        assert!(!html.contains("conversion.value"));
        for placeholder in [
            "{event}",
            "{account}",
            "{url_account}",
            "{send_to}",
            "{form}",
            "{value}",
        ] {
            assert!(!html.contains(placeholder), "{placeholder}");
        }
    }

    #[test]
    fn a_value_goes_along_with_its_currency() {
        let money = Money {
            amount: "250.00".parse().unwrap_or_default(),
            currency: "EUR".into(),
        };
        let html = tag(Some(&money)).to_html();
        assert!(
            html.contains("conversion.value = 250.00;\n    conversion.currency = \"EUR\";"),
            "{html}"
        );
    }

    #[test]
    fn nothing_gets_out_of_its_string() {
        assert_eq!(
            script_string("</script>\"'\u{2028}"),
            r#""\u003c/script\u003e\u0022\u0027\u2028""#
        );
        assert_eq!(script_string("😀"), r#""\ud83d\ude00""#);
    }
}
