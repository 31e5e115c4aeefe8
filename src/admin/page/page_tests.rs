#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use super::*;

/// The colours of one scheme of the stylesheet.
fn colours(scheme: &str) -> BTreeMap<&str, [f64; 3]> {
    let declarations = scheme
        .split(';')
        .filter_map(|part| part.trim().rsplit_once("--")?.1.split_once(": #"));
    let channel = |text: &str, at: usize| f64::from(u8::from_str_radix(&text[at..at + 2], 16).unwrap()) / 255.0;
    declarations
        .map(|(name, hex)| (name, [0, 2, 4].map(|at| channel(hex.trim(), at))))
        .collect()
}

/// WCAG 2.2: relative luminance, and the contrast of two colours.
fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let luminance = |colour: [f64; 3]| {
        let linear = |c: f64| {
            if c <= 0.04045 {
                c / 12.92
            } else {
                ((c + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2])
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn every_text_has_enough_contrast_in_both_schemes() {
    let mut blocks = STYLE.split('}').filter(|block| block.contains(":root"));
    for scheme in ["light", "dark"] {
        let colours = colours(blocks.next().unwrap());
        assert_eq!(colours.len(), 13, "{scheme}: {:?}", colours.keys());
        for ground in ["paper", "soft"] {
            for text in ["ink", "link", "good", "bad", "unknown"] {
                let found = contrast(colours[text], colours[ground]);
                assert!(found >= 4.5, "{scheme}: {text} on {ground} has {found:.2}");
            }
            for bar in ["uploaded", "processing", "pending", "skipped", "rejected"] {
                let found = contrast(colours[bar], colours[ground]);
                assert!(found >= 3.0, "{scheme}: {bar} on {ground} has {found:.2}");
            }
        }
    }
}

#[test]
fn nothing_of_another_host_or_inline_is_in_the_stylesheet() {
    for word in ["http", "@import", "url("] {
        assert!(!STYLE.contains(word), "{word}");
    }
}
