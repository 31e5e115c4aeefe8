//! Countries: ISO 3166-1 alpha-2 codes and their English names.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::text::is_space;

/// Code and names of each country, names in lower case, `CODE=name;name`, countries apart by `|`. The names are those
/// of ISO 3166-1 and the ones that HubSpot offers or derives from the visitor's address.
const COUNTRIES: &str = "AD=andorra|AE=united arab emirates|AF=afghanistan|AG=antigua and barbuda|AI=anguilla|\
    AL=albania|AM=armenia|AO=angola|AQ=antarctica|AR=argentina|AS=american samoa|AT=austria|AU=australia|AW=aruba|\
    AX=aland islands;åland islands;åland|AZ=azerbaijan|BA=bosnia and herzegovina;bosnia|BB=barbados|BD=bangladesh|\
    BE=belgium|BF=burkina faso|BG=bulgaria|BH=bahrain|BI=burundi|BJ=benin|BL=saint barthelemy;saint barthélemy|\
    BM=bermuda|BN=brunei;brunei darussalam|BO=bolivia;bolivia, plurinational state of;plurinational state of bolivia|\
    BQ=caribbean netherlands;bonaire, sint eustatius and saba;bonaire|BR=brazil|BS=bahamas;bahamas, the|BT=bhutan|\
    BV=bouvet island|BW=botswana|BY=belarus|BZ=belize|CA=canada|CC=cocos (keeling) islands;cocos islands|\
    CD=democratic republic of the congo;congo, the democratic republic of the;congo, democratic republic of the;\
    congo (the democratic republic of the);congo (drc);dr congo;congo, democratic republic|\
    CF=central african republic|\
    CG=congo;republic of the congo;congo, republic of the;congo-brazzaville|CH=switzerland|\
    CI=cote d'ivoire;côte d'ivoire;ivory coast|CK=cook islands|CL=chile|CM=cameroon|CN=china;people's republic of china|\
    CO=colombia|CR=costa rica|CU=cuba|CV=cape verde;cabo verde|CW=curacao;curaçao|CX=christmas island|CY=cyprus|\
    CZ=czech republic;czechia|DE=germany;federal republic of germany|DJ=djibouti|DK=denmark|DM=dominica|\
    DO=dominican republic|DZ=algeria|EC=ecuador|EE=estonia|EG=egypt|EH=western sahara|ER=eritrea|ES=spain|ET=ethiopia|\
    FI=finland|FJ=fiji|FK=falkland islands;falkland islands (malvinas)|\
    FM=micronesia;micronesia, federated states of;federated states of micronesia|FO=faroe islands|FR=france|GA=gabon|\
    GB=united kingdom;united kingdom of great britain and northern ireland;great britain;england;scotland;wales;\
    northern ireland|GD=grenada|GE=georgia|GF=french guiana|GG=guernsey|GH=ghana|GI=gibraltar|GL=greenland|\
    GM=gambia;gambia, the|GN=guinea|GP=guadeloupe|GQ=equatorial guinea|GR=greece|\
    GS=south georgia and the south sandwich islands|GT=guatemala|GU=guam|GW=guinea-bissau|GY=guyana|\
    HK=hong kong;hong kong sar china|HM=heard island and mcdonald islands|HN=honduras|HR=croatia|HT=haiti|HU=hungary|\
    ID=indonesia|IE=ireland;republic of ireland|IL=israel|IM=isle of man|IN=india|IO=british indian ocean territory|\
    IQ=iraq|IR=iran;iran, islamic republic of;islamic republic of iran|IS=iceland|IT=italy|JE=jersey|JM=jamaica|\
    JO=jordan|JP=japan|KE=kenya|KG=kyrgyzstan|KH=cambodia|KI=kiribati|KM=comoros|KN=saint kitts and nevis|\
    KP=north korea;korea, democratic people's republic of;democratic people's republic of korea|\
    KR=south korea;korea, republic of;republic of korea;korea, south|KW=kuwait|KY=cayman islands|KZ=kazakhstan|\
    LA=laos;lao people's democratic republic;lao pdr|LB=lebanon|LC=saint lucia|LI=liechtenstein|LK=sri lanka|\
    LR=liberia|LS=lesotho|LT=lithuania|LU=luxembourg|LV=latvia|LY=libya;libyan arab jamahiriya|MA=morocco|MC=monaco|\
    MD=moldova;moldova, republic of;republic of moldova|ME=montenegro|MF=saint martin;saint martin (french part)|\
    MG=madagascar|MH=marshall islands|\
    MK=north macedonia;macedonia;macedonia (fyrom);macedonia, the former yugoslav republic of;republic of macedonia|\
    ML=mali|MM=myanmar;burma;myanmar (burma);burma (myanmar)|MN=mongolia|MO=macau;macao;macao sar china|\
    MP=northern mariana islands|MQ=martinique|MR=mauritania|MS=montserrat|MT=malta|MU=mauritius|MV=maldives|MW=malawi|\
    MX=mexico;méxico|MY=malaysia|MZ=mozambique|NA=namibia|NC=new caledonia|NE=niger|NF=norfolk island|NG=nigeria|\
    NI=nicaragua|NL=netherlands;netherlands, kingdom of the;kingdom of the netherlands;holland|NO=norway|NP=nepal|\
    NR=nauru|NU=niue|NZ=new zealand|OM=oman|PA=panama|PE=peru|PF=french polynesia|PG=papua new guinea|PH=philippines|\
    PK=pakistan|PL=poland|PM=saint pierre and miquelon|PN=pitcairn islands;pitcairn|PR=puerto rico|\
    PS=palestine;palestine, state of;state of palestine;palestinian territories;palestinian territory, occupied;\
    palestinian territory|\
    PT=portugal|PW=palau|PY=paraguay|QA=qatar|RE=reunion;réunion|RO=romania|RS=serbia|\
    RU=russia;russian federation|RW=rwanda|SA=saudi arabia|SB=solomon islands|SC=seychelles|SD=sudan|SE=sweden|\
    SG=singapore|SH=saint helena;saint helena, ascension and tristan da cunha|SI=slovenia|SJ=svalbard and jan mayen|\
    SK=slovakia;slovak republic|SL=sierra leone|SM=san marino|SN=senegal|SO=somalia|SR=suriname|SS=south sudan|\
    ST=sao tome and principe;são tomé and príncipe|SV=el salvador|SX=sint maarten;sint maarten (dutch part)|\
    SY=syria;syrian arab republic|SZ=eswatini;swaziland|TC=turks and caicos islands|TD=chad|\
    TF=french southern and antarctic lands;french southern territories|TG=togo|TH=thailand|TJ=tajikistan|TK=tokelau|\
    TL=timor-leste;east timor|TM=turkmenistan|TN=tunisia|TO=tonga|TR=turkey;türkiye;turkiye|\
    TT=trinidad and tobago|TV=tuvalu|TW=taiwan;taiwan, province of china|\
    TZ=tanzania;tanzania, united republic of;united republic of tanzania|UA=ukraine|UG=uganda|\
    UM=united states minor outlying islands|US=united states;united states of america|UY=uruguay|UZ=uzbekistan|\
    VA=vatican city;holy see;holy see (vatican city state);vatican city state;vatican|\
    VC=saint vincent and the grenadines|VE=venezuela;venezuela, bolivarian republic of;bolivarian republic of venezuela|\
    VG=british virgin islands;virgin islands, british;virgin islands (british)|\
    VI=united states virgin islands;u.s. virgin islands;us virgin islands;virgin islands, u.s.;virgin islands (u.s.)|\
    VN=vietnam;viet nam|VU=vanuatu|WF=wallis and futuna|WS=samoa|YE=yemen|YT=mayotte|ZA=south africa|ZM=zambia|\
    ZW=zimbabwe";

fn all_countries() -> impl Iterator<Item = (&'static str, &'static str)> {
    COUNTRIES.split('|').filter_map(|country| country.split_once('='))
}

/// Code by name, and by the code itself; read once.
static CODES: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    all_countries()
        .flat_map(|(code, names)| names.split(';').chain([code]).map(move |name| (name, code)))
        .collect()
});

/// The officially assigned ISO 3166-1 alpha-2 code that this is, in any case.
pub(super) fn country_code(text: &str) -> Option<&'static str> {
    if text.len() != 2 {
        return None;
    }
    CODES.get(text.to_ascii_uppercase().as_str()).copied()
}

/// The code of a country's English name, in any case, with or without "the", with `&` for "and" and `St.` for "Saint".
pub(super) fn code_of(name: &str) -> Option<&'static str> {
    let lower = name.to_lowercase();
    // Nearly always as the table has it: the words are only looked at where it isn't.
    let known = |name: &str| CODES.get(name).copied();
    known(&lower).or_else(|| known(&usual_spelling(&lower)))
}

/// A name in the table's spelling.
fn usual_spelling(lower: &str) -> String {
    let straight = lower.replace('\u{2019}', "'");
    let words = straight.split(is_space).filter(|word| !word.is_empty());
    let words: Vec<&str> = words
        .map(|word| match word {
            "&" => "and",
            "st." | "st" => "saint",
            _ => word,
        })
        .collect();
    let name = words.join(" ");
    name.strip_prefix("the ").map(str::to_owned).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_is_sound() {
        let codes: Vec<_> = all_countries().map(|(code, _)| code).collect();
        assert_eq!(codes.len(), 249, "officially assigned codes");
        assert!(codes.is_sorted_by(|a, b| a < b), "sorted, no repeats");
        assert!(
            codes
                .iter()
                .all(|c| c.len() == 2 && c.bytes().all(|b| b.is_ascii_uppercase()))
        );
        let names: Vec<_> = all_countries().flat_map(|(_, names)| names.split(';')).collect();
        let distinct: BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "no name twice");
        for name in names {
            assert!(code_of(name).is_some(), "{name} can't be found");
        }
    }

    #[rstest::rstest]
    #[case("Germany", Some("DE"))]
    #[case(" united  states ", Some("US"))]
    #[case("The Netherlands", Some("NL"))]
    #[case("Trinidad & Tobago", Some("TT"))]
    #[case("St. Lucia", Some("LC"))]
    #[case("Côte d\u{2019}Ivoire", Some("CI"))]
    #[case("Deutschland", None)]
    #[case("Korea", None)]
    #[case("Europe", None)]
    fn names(#[case] name: &str, #[case] code: Option<&str>) {
        assert_eq!(code_of(name), code);
    }
}
