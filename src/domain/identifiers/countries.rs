//! Countries: ISO 3166-1 alpha-2 codes and their English names.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::is_space;

/// Code and names of each country, lower case, `code=name;name`, countries apart by `|`. The names are those of ISO
/// 3166-1 and the ones that HubSpot offers or derives from the visitor's address.
const COUNTRIES: &str = "ad=andorra|ae=united arab emirates|af=afghanistan|ag=antigua and barbuda|ai=anguilla|\
    al=albania|am=armenia|ao=angola|aq=antarctica|ar=argentina|as=american samoa|at=austria|au=australia|aw=aruba|\
    ax=aland islands;åland islands;åland|az=azerbaijan|ba=bosnia and herzegovina;bosnia|bb=barbados|bd=bangladesh|\
    be=belgium|bf=burkina faso|bg=bulgaria|bh=bahrain|bi=burundi|bj=benin|bl=saint barthelemy;saint barthélemy|\
    bm=bermuda|bn=brunei;brunei darussalam|bo=bolivia;bolivia, plurinational state of;plurinational state of bolivia|\
    bq=caribbean netherlands;bonaire, sint eustatius and saba;bonaire|br=brazil|bs=bahamas;bahamas, the|bt=bhutan|\
    bv=bouvet island|bw=botswana|by=belarus|bz=belize|ca=canada|cc=cocos (keeling) islands;cocos islands|\
    cd=democratic republic of the congo;congo, the democratic republic of the;congo, democratic republic of the;\
    congo (the democratic republic of the);congo (drc);dr congo;congo, democratic republic|\
    cf=central african republic|\
    cg=congo;republic of the congo;congo, republic of the;congo-brazzaville|ch=switzerland|\
    ci=cote d'ivoire;côte d'ivoire;ivory coast|ck=cook islands|cl=chile|cm=cameroon|cn=china;people's republic of china|\
    co=colombia|cr=costa rica|cu=cuba|cv=cape verde;cabo verde|cw=curacao;curaçao|cx=christmas island|cy=cyprus|\
    cz=czech republic;czechia|de=germany;federal republic of germany|dj=djibouti|dk=denmark|dm=dominica|\
    do=dominican republic|dz=algeria|ec=ecuador|ee=estonia|eg=egypt|eh=western sahara|er=eritrea|es=spain|et=ethiopia|\
    fi=finland|fj=fiji|fk=falkland islands;falkland islands (malvinas)|\
    fm=micronesia;micronesia, federated states of;federated states of micronesia|fo=faroe islands|fr=france|ga=gabon|\
    gb=united kingdom;united kingdom of great britain and northern ireland;great britain;england;scotland;wales;\
    northern ireland|gd=grenada|ge=georgia|gf=french guiana|gg=guernsey|gh=ghana|gi=gibraltar|gl=greenland|\
    gm=gambia;gambia, the|gn=guinea|gp=guadeloupe|gq=equatorial guinea|gr=greece|\
    gs=south georgia and the south sandwich islands|gt=guatemala|gu=guam|gw=guinea-bissau|gy=guyana|\
    hk=hong kong;hong kong sar china|hm=heard island and mcdonald islands|hn=honduras|hr=croatia|ht=haiti|hu=hungary|\
    id=indonesia|ie=ireland;republic of ireland|il=israel|im=isle of man|in=india|io=british indian ocean territory|\
    iq=iraq|ir=iran;iran, islamic republic of;islamic republic of iran|is=iceland|it=italy|je=jersey|jm=jamaica|\
    jo=jordan|jp=japan|ke=kenya|kg=kyrgyzstan|kh=cambodia|ki=kiribati|km=comoros|kn=saint kitts and nevis|\
    kp=north korea;korea, democratic people's republic of;democratic people's republic of korea|\
    kr=south korea;korea, republic of;republic of korea;korea, south|kw=kuwait|ky=cayman islands|kz=kazakhstan|\
    la=laos;lao people's democratic republic;lao pdr|lb=lebanon|lc=saint lucia|li=liechtenstein|lk=sri lanka|\
    lr=liberia|ls=lesotho|lt=lithuania|lu=luxembourg|lv=latvia|ly=libya;libyan arab jamahiriya|ma=morocco|mc=monaco|\
    md=moldova;moldova, republic of;republic of moldova|me=montenegro|mf=saint martin;saint martin (french part)|\
    mg=madagascar|mh=marshall islands|\
    mk=north macedonia;macedonia;macedonia (fyrom);macedonia, the former yugoslav republic of;republic of macedonia|\
    ml=mali|mm=myanmar;burma;myanmar (burma);burma (myanmar)|mn=mongolia|mo=macau;macao;macao sar china|\
    mp=northern mariana islands|mq=martinique|mr=mauritania|ms=montserrat|mt=malta|mu=mauritius|mv=maldives|mw=malawi|\
    mx=mexico;méxico|my=malaysia|mz=mozambique|na=namibia|nc=new caledonia|ne=niger|nf=norfolk island|ng=nigeria|\
    ni=nicaragua|nl=netherlands;netherlands, kingdom of the;kingdom of the netherlands;holland|no=norway|np=nepal|\
    nr=nauru|nu=niue|nz=new zealand|om=oman|pa=panama|pe=peru|pf=french polynesia|pg=papua new guinea|ph=philippines|\
    pk=pakistan|pl=poland|pm=saint pierre and miquelon|pn=pitcairn islands;pitcairn|pr=puerto rico|\
    ps=palestine;palestine, state of;state of palestine;palestinian territories;palestinian territory, occupied;\
    palestinian territory|\
    pt=portugal|pw=palau|py=paraguay|qa=qatar|re=reunion;réunion|ro=romania|rs=serbia|\
    ru=russia;russian federation|rw=rwanda|sa=saudi arabia|sb=solomon islands|sc=seychelles|sd=sudan|se=sweden|\
    sg=singapore|sh=saint helena;saint helena, ascension and tristan da cunha|si=slovenia|sj=svalbard and jan mayen|\
    sk=slovakia;slovak republic|sl=sierra leone|sm=san marino|sn=senegal|so=somalia|sr=suriname|ss=south sudan|\
    st=sao tome and principe;são tomé and príncipe|sv=el salvador|sx=sint maarten;sint maarten (dutch part)|\
    sy=syria;syrian arab republic|sz=eswatini;swaziland|tc=turks and caicos islands|td=chad|\
    tf=french southern and antarctic lands;french southern territories|tg=togo|th=thailand|tj=tajikistan|tk=tokelau|\
    tl=timor-leste;east timor|tm=turkmenistan|tn=tunisia|to=tonga|tr=turkey;türkiye;turkiye|\
    tt=trinidad and tobago|tv=tuvalu|tw=taiwan;taiwan, province of china|\
    tz=tanzania;tanzania, united republic of;united republic of tanzania|ua=ukraine|ug=uganda|\
    um=united states minor outlying islands|us=united states;united states of america|uy=uruguay|uz=uzbekistan|\
    va=vatican city;holy see;holy see (vatican city state);vatican city state;vatican|\
    vc=saint vincent and the grenadines|ve=venezuela;venezuela, bolivarian republic of;bolivarian republic of venezuela|\
    vg=british virgin islands;virgin islands, british;virgin islands (british)|\
    vi=united states virgin islands;u.s. virgin islands;us virgin islands;virgin islands, u.s.;virgin islands (u.s.)|\
    vn=vietnam;viet nam|vu=vanuatu|wf=wallis and futuna|ws=samoa|ye=yemen|yt=mayotte|za=south africa|zm=zambia|\
    zw=zimbabwe";

fn countries() -> impl Iterator<Item = (&'static str, &'static str)> {
    COUNTRIES.split('|').filter_map(|country| country.split_once('='))
}

/// Code by name, and by the code itself; read once.
static CODES: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    countries()
        .flat_map(|(code, names)| names.split(';').chain([code]).map(move |name| (name, code)))
        .collect()
});

/// Whether the text is an officially assigned ISO 3166-1 alpha-2 code, in capitals.
pub(super) fn is_code(text: &str) -> bool {
    text.len() == 2 && CODES.contains_key(text.to_ascii_lowercase().as_str()) && text == text.to_ascii_uppercase()
}

/// The code of a country's English name, in any case, with or without "the", with `&` for "and" and `St.` for "Saint".
pub(super) fn code_of(name: &str) -> Option<String> {
    let lower = name.to_lowercase();
    // Nearly always as the table has it: the words are only looked at where it isn't.
    let code = known(&lower).or_else(|| known(&usual(&lower)))?;
    Some(code.to_ascii_uppercase())
}

fn known(name: &str) -> Option<&'static str> {
    CODES.get(name).copied().filter(|code| *code != name)
}

/// A name in the table's spelling.
fn usual(lower: &str) -> String {
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
        let codes: Vec<_> = countries().map(|(code, _)| code).collect();
        assert_eq!(codes.len(), 249, "officially assigned codes");
        assert!(codes.is_sorted_by(|a, b| a < b), "sorted, no repeats");
        assert!(
            codes
                .iter()
                .all(|c| c.len() == 2 && c.bytes().all(|b| b.is_ascii_lowercase()))
        );
        let names: Vec<_> = countries().flat_map(|(_, names)| names.split(';')).collect();
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
        assert_eq!(code_of(name).as_deref(), code);
    }
}
