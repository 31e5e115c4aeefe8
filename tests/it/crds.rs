//! The generated definitions: fresh, small, and consistent in themselves.

use std::{fs, path::PathBuf};

use adconversion_operator::api;
use serde_json::Value;

/// Users paste definitions into tools with limits; client-side apply ends at 256 KB.
const MAX_BYTES: usize = 100 * 1024;

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("crds")
}

fn definitions() -> Vec<Value> {
    api::crds()
        .iter()
        .map(|crd| serde_json::to_value(crd).unwrap())
        .collect()
}

fn schema(crd: &Value) -> &Value {
    &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

/// Calls `visit` with the path and the schema of every property and item below `schema`.
fn walk(path: &str, schema: &Value, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, schema);
    if let Some(properties) = schema["properties"].as_object() {
        for (name, property) in properties {
            walk(&format!("{path}.{name}"), property, visit);
        }
    }
    if schema["items"].is_object() {
        walk(&format!("{path}[]"), &schema["items"], visit);
    }
}

/// The schema at a JSON path of the simple kind that columns use: names and one filter.
fn at<'a>(schema: &'a Value, path: &str) -> Option<&'a Value> {
    let mut found = schema;
    let plain = path.replace(r#"[?(@.type=="Ready")]"#, ".[]");
    for step in plain.split('.').filter(|step| !step.is_empty()) {
        found = if step == "[]" {
            found.get("items")?
        } else {
            found.get("properties")?.get(step)?
        };
    }
    Some(found)
}

/// `UPDATE_CRDS=1 cargo test --test it crds` writes the files again.
#[test]
fn crds_are_fresh() {
    let files = api::crd_files().unwrap();
    if std::env::var_os("UPDATE_CRDS").is_some() {
        for (name, yaml) in &files {
            fs::write(directory().join(name), yaml).unwrap();
        }
    }
    let mut expected: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
    expected.sort();
    let mut present: Vec<String> = fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    present.sort();
    assert_eq!(present, expected, "files in crds/");
    for (name, yaml) in files {
        let written = fs::read_to_string(directory().join(&name)).unwrap();
        let written: Value = serde_yaml::from_str(&written).unwrap();
        let generated: Value = serde_yaml::from_str(&yaml).unwrap();
        assert!(
            written == generated,
            "crds/{name} is stale: run UPDATE_CRDS=1 cargo test --test it crds_are_fresh"
        );
        assert!(yaml.len() < MAX_BYTES, "crds/{name} has {} bytes", yaml.len());
    }
}

#[test]
fn printed_crds_are_the_same_documents() {
    use serde::Deserialize;
    let text = api::crds_yaml().unwrap();
    let documents: Vec<Value> = serde_yaml::Deserializer::from_str(&text)
        .map(|document| Value::deserialize(document).unwrap())
        .collect();
    assert_eq!(documents, definitions());
}

#[test]
fn names_are_the_contract() {
    let named: Vec<(String, String)> = definitions()
        .iter()
        .map(|crd| {
            let names = &crd["spec"]["names"];
            assert_eq!(names["categories"], serde_json::json!(["adconversion"]));
            assert_eq!(crd["spec"]["group"], api::GROUP);
            assert_eq!(crd["spec"]["scope"], "Namespaced");
            assert_eq!(crd["spec"]["versions"][0]["name"], api::VERSION);
            assert!(crd["spec"]["versions"][0]["subresources"]["status"].is_object());
            (
                names["kind"].as_str().unwrap().to_owned(),
                names["shortNames"][0].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let expected = [
        ("AdConversionEvent", "adce"),
        ("GoogleAdsAccount", "gaa"),
        ("HubSpotAccount", "hsa"),
    ]
    .map(|(kind, short)| (kind.to_owned(), short.to_owned()));
    assert_eq!(named, expected);
}

#[test]
fn columns_are_the_contract_and_exist() {
    let account = "READY ACCOUNT USED-BY LAST-CHECK AGE";
    let event = "READY TRIGGER ACTION UPLOADED PENDING REJECTED LAST-UPLOAD AGE";
    let wide = "SKIPPED PROCESSING GOOGLE HUBSPOT SUSPENDED STATUS";
    for (crd, (narrow, wide)) in definitions().iter().zip([(event, wide), (account, ""), (account, "")]) {
        let columns = crd["spec"]["versions"][0]["additionalPrinterColumns"]
            .as_array()
            .unwrap();
        let names = |priority: i64| -> String {
            let of = |column: &&Value| column["priority"].as_i64().unwrap_or(0) == priority;
            let names: Vec<&str> = columns.iter().filter(of).map(|c| c["name"].as_str().unwrap()).collect();
            names.join(" ")
        };
        assert_eq!(names(0), narrow);
        assert_eq!(names(1), wide);
        for column in columns {
            let path = column["jsonPath"].as_str().unwrap();
            let is_metadata = path == ".metadata.creationTimestamp";
            assert!(
                is_metadata || at(schema(crd), path).is_some(),
                "{path} is not in the schema"
            );
        }
    }
}

#[test]
fn both_account_references_are_selectable() {
    let crd = &definitions()[0];
    let fields = crd["spec"]["versions"][0]["selectableFields"].as_array().unwrap();
    let paths: Vec<&str> = fields.iter().map(|field| field["jsonPath"].as_str().unwrap()).collect();
    assert_eq!(
        paths,
        [".spec.googleAdsAccountRef.name", ".spec.hubSpotAccountRef.name"]
    );
    for path in paths {
        assert!(at(schema(crd), path).is_some(), "{path} is not in the schema");
    }
}

#[test]
fn schemas_are_bounded_described_and_not_nullable() {
    for crd in definitions() {
        walk(
            crd["spec"]["names"]["kind"].as_str().unwrap(),
            schema(&crd),
            &mut |path, part| {
                assert!(part.get("nullable").is_none(), "{path} is nullable");
                assert!(part["type"].is_string(), "{path} has no single type");
                let format = part["format"].as_str().unwrap_or("int32");
                assert!(["int32", "int64", "date-time"].contains(&format), "{path}: {format}");
                if part["type"] == "array" {
                    assert!(part["maxItems"].is_u64(), "{path} has no maxItems");
                }
                if path.contains(".spec") && part["type"] == "string" && part.get("enum").is_none() {
                    assert!(part["maxLength"].is_u64(), "{path} has no maxLength");
                }
                if !path.ends_with("[]") && path.contains('.') {
                    assert!(part["description"].is_string(), "{path} has no description");
                }
            },
        );
    }
}

#[test]
fn defaults_are_the_listed_ones() {
    let mut found = Vec::new();
    for crd in definitions() {
        walk("", schema(&crd), &mut |path, part| {
            if let Some(default) = part.get("default") {
                found.push(format!("{path}={default}"));
            }
        });
    }
    found.sort();
    let expected = [
        r#".spec.adNetwork="Google""#,
        r#".spec.deletionPolicy="Orphan""#,
        r#".spec.interval="1m""#,
        ".spec.manageAccountGoals=false",
        r#".spec.resumePolicy="CatchUp""#,
        ".spec.suspend=false",
        ".spec.suspend=false",
        ".spec.suspend=false",
        r#".spec.uploads.clickConversions="DataManager""#,
        r#".spec.uploads.enhancements="GoogleAds""#,
        r#".spec.uploads={"clickConversions":"DataManager","enhancements":"GoogleAds"}"#,
        r#".status={"observedGeneration":-1}"#,
        r#".status={"observedGeneration":-1}"#,
        r#".status={"observedGeneration":-1}"#,
    ];
    assert_eq!(found, expected);
}

#[test]
fn every_rule_says_what_to_do() {
    for crd in definitions() {
        walk("", schema(&crd), &mut |path, part| {
            for rule in part["x-kubernetes-validations"].as_array().into_iter().flatten() {
                let message = rule["message"].as_str().unwrap_or_default();
                assert!(message.len() > 30 && !message.contains('\n'), "{path}: {message:?}");
                if let Some(field) = rule["fieldPath"].as_str() {
                    assert!(at(part, field).is_some(), "{path}: {field} is not in the schema");
                }
            }
        });
    }
}

/// What cannot be changed is told how it can be had all the same, always in the same words.
#[test]
fn a_refused_change_says_how_to_keep_the_counts() {
    let way_out = "delete the event and create it again; set spec.startTime to what status.sync.startTime says now to keep \
        its counts";
    let mut immutable = 0;
    for crd in definitions() {
        walk("", schema(&crd), &mut |path, part| {
            for rule in part["x-kubernetes-validations"].as_array().into_iter().flatten() {
                let message = rule["message"].as_str().unwrap_or_default();
                if message.contains("immutable") {
                    assert!(message.ends_with(way_out), "{path}: {message:?}");
                    immutable += 1;
                }
            }
        });
    }
    assert_eq!(immutable, 8, "the fields of the contract");
}

#[test]
fn currencies_are_sorted_and_distinct() {
    let sorted = api::CURRENCIES.is_sorted_by(|left, right| left < right);
    assert!(sorted);
    for code in ["EUR", "USD", "GBP", "CHF", "JPY", "XCG", "ZWG"] {
        assert!(api::CURRENCIES.contains(&code), "{code}");
    }
    for gone in ["DEM", "HRK", "BGN", "ANG", "XAU"] {
        assert!(!api::CURRENCIES.contains(&gone), "{gone}");
    }
}
