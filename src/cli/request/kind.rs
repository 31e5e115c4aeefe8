//! The three kinds by the names that kubectl takes.

use std::str::FromStr;

use kube::Resource;
use kube::api::ApiResource;

use crate::api::{AdConversionEvent, GoogleAdsAccount, HubSpotAccount};
use crate::cli::names::check_name;
use crate::cli::output::foreign;

/// A kind that people may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KindName {
    Event,
    GoogleAds,
    HubSpot,
}

impl KindName {
    const ALL: [Self; 3] = [Self::Event, Self::GoogleAds, Self::HubSpot];

    pub(crate) fn resource(self) -> ApiResource {
        match self {
            Self::Event => ApiResource::erase::<AdConversionEvent>(&()),
            Self::GoogleAds => ApiResource::erase::<GoogleAdsAccount>(&()),
            Self::HubSpot => ApiResource::erase::<HubSpotAccount>(&()),
        }
    }

    /// Kind (which is the singular too), plural and short name, in small letters.
    fn names(self) -> [String; 3] {
        let (kind, plural, short) = match self {
            Self::Event => (AdConversionEvent::kind(&()), AdConversionEvent::plural(&()), "adce"),
            Self::GoogleAds => (GoogleAdsAccount::kind(&()), GoogleAdsAccount::plural(&()), "gaa"),
            Self::HubSpot => (HubSpotAccount::kind(&()), HubSpotAccount::plural(&()), "hsa"),
        };
        [kind.to_lowercase(), plural.to_lowercase(), short.to_owned()]
    }
}

impl FromStr for KindName {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        let wanted = given.to_lowercase();
        let found = Self::ALL.into_iter().find(|kind| kind.names().contains(&wanted));
        found.ok_or_else(|| {
            format!(
                "{given:?} is not a kind of this operator. Use AdConversionEvent (adce), GoogleAdsAccount (gaa) or HubSpotAccount (hsa)"
            )
        })
    }
}

/// An object as kubectl lets people name it: `KIND NAME`, or `KIND/NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectName {
    pub(crate) kind: KindName,
    pub(crate) name: String,
}

/// Reads what was given on the command line.
///
/// # Errors
/// What is wrong, for people.
pub(crate) fn parse_object(given: &[String]) -> Result<ObjectName, String> {
    let (kind, name) = match given {
        [both] => both
            .split_once('/')
            .ok_or_else(|| format!("a name is missing: {both} NAME"))?,
        [kind, name] if !kind.contains('/') => (kind.as_str(), name.as_str()),
        _ => return Err("name one object: KIND NAME, or KIND/NAME".to_owned()),
    };
    check_name(name).map_err(|rule| format!("{:?} is not a valid object name. {rule}", foreign(name)))?;
    Ok(ObjectName {
        kind: kind.parse()?,
        name: name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("adce x", Ok((KindName::Event, "x")))]
    #[case("adce/x", Ok((KindName::Event, "x")))]
    #[case("AdConversionEvent x.y", Ok((KindName::Event, "x.y")))]
    #[case("adconversionevents/x", Ok((KindName::Event, "x")))]
    #[case("gaa x", Ok((KindName::GoogleAds, "x")))]
    #[case("googleadsaccount/x", Ok((KindName::GoogleAds, "x")))]
    #[case("HubSpotAccounts x", Ok((KindName::HubSpot, "x")))]
    #[case("hsa/x", Ok((KindName::HubSpot, "x")))]
    #[case("adce", Err("a name is missing"))]
    #[case("adce/", Err("not a valid object name"))]
    #[case("adce/a/b", Err("not a valid object name"))]
    #[case("adce/a#b", Err("not a valid object name"))]
    #[case("adce ..", Err("not a valid object name"))]
    #[case("adce/a b", Err("name one object"))]
    #[case("adce a b", Err("name one object"))]
    #[case("pod x", Err("Use AdConversionEvent (adce)"))]
    #[case("", Err("name one object"))]
    fn objects_are_named_as_for_kubectl(#[case] given: &str, #[case] wanted: Result<(KindName, &str), &str>) {
        let given: Vec<_> = given.split_whitespace().map(str::to_owned).collect();
        match (parse_object(&given), wanted) {
            (Ok(object), Ok(wanted)) => assert_eq!((object.kind, object.name.as_str()), wanted),
            (Err(said), Err(part)) => assert!(said.contains(part), "{said}"),
            (read, _) => panic!("{given:?}: {read:?}"),
        }
    }
}
