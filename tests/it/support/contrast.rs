//! Whether people who see little can read a page: the contrast of each text as the browser shows it, by WCAG 2.2
//! (<https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio>).

use serde_json::json;

use super::devtools::Page;

/// The texts that are shown, those before elements and in fields too, and which of them have less contrast with what is
/// behind them than level AA asks for small letters.
const TEXTS: &str = "(() => {
    const parse = text => {
        const found = text.match(/^rgba?\\(([^)]+)\\)$/);
        if (!found) throw new Error('colour ' + text);
        const parts = found[1].split(/[ ,\\/]+/).map(Number);
        return {rgb: parts.slice(0, 3), alpha: parts[3] ?? 1};
    };
    const luminance = rgb => {
        const [r, g, b] = rgb.map(one => one / 255).map(one => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = element => {
        for (let at = element; at; at = at.parentElement) {
            const colour = parse(getComputedStyle(at).backgroundColor);
            if (colour.alpha == 1) return colour.rgb;
            if (colour.alpha > 0) throw new Error('something behind ' + at.outerHTML.slice(0, 80) + ' shines through');
        }
        return [255, 255, 255];
    };
    const seen = [];
    const look = (element, style, text) => {
        for (let at = element; at; at = at.parentElement) {
            if (getComputedStyle(at).opacity != '1') throw new Error('one shines through ' + at.outerHTML.slice(0, 80));
        }
        const colour = parse(element instanceof SVGElement ? style.fill : style.color);
        const [a, b] = [luminance(colour.rgb), luminance(ground(element))];
        const ratio = colour.alpha < 1 ? 1 : (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        seen.push({text: text.trim().slice(0, 40), ratio});
    };
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement;
        if (texts.currentNode.data.trim() && element.checkVisibility()) {
            look(element, getComputedStyle(element), texts.currentNode.data);
        }
    }
    for (const element of document.querySelectorAll('body *')) {
        if (!element.checkVisibility()) continue;
        if (element.matches('input, select')) look(element, getComputedStyle(element), element.value || element.id);
        const before = getComputedStyle(element, '::before');
        if (/[a-z]/.test(before.content) && !/^(none|normal)$/.test(before.content)) look(element, before, before.content);
    }
    return {texts: seen.length, bad: seen.filter(one => one.ratio < 4.5)};
})()";

/// Looks at every text of the page, light and dark; afterwards it is light.
pub fn texts_have_contrast(page: &mut Page, name: &str) {
    for dark in [true, false] {
        page.set_dark(dark);
        let found = page.value_of(TEXTS);
        assert!(found["texts"].as_u64() > Some(5), "{name}: {found}");
        assert_eq!(found["bad"], json!([]), "{name}, dark: {dark}");
    }
}
