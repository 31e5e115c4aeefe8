//! Whether what documents show of the demo is what it prints, apart from what differs from run to run.

/// The first line of `shown` that `printed` does not have behind the lines before it; `None`
/// if it has them all. A line that ends with `…` is the beginning of one, and `…` alone
/// stands for any lines; lines may be left out. Numbers, times and blanks do not count.
pub(super) fn first_missing(shown: &str, printed: &str) -> Option<String> {
    let mut left = printed.lines().map(steady);
    let missing = |line: &&str| {
        let wanted = steady(line);
        let cut = wanted.strip_suffix('…').map(str::trim_end);
        match cut {
            Some("") => false,
            Some(begin) => !left.any(|line| line.starts_with(begin)),
            None => !left.any(|line| line == wanted),
        }
    };
    shown
        .lines()
        .filter(|line| !line.trim().is_empty())
        .find(missing)
        .map(str::to_owned)
}

/// The block of a page that begins with this line, without the line.
pub(super) fn block<'a>(page: &'a str, begins: &str) -> Option<&'a str> {
    let (_, rest) = page.split_once(&format!("```\n{begins}\n"))?;
    rest.split("```").next()
}

/// A line without what differs from run to run.
fn steady(line: &str) -> String {
    let words: Vec<_> = line.split_whitespace().map(steady_word).collect();
    words.join(" ")
}

fn steady_word(word: &str) -> String {
    let time = word.trim_end_matches([':', '.', ',', ';']);
    if word.starts_with(|c: char| c.is_ascii_digit()) && time.contains('T') && time.ends_with('Z') {
        return word.replace(time, "TIME");
    }
    let mut steady = String::new();
    for letter in word.chars() {
        let digit = letter.is_ascii_digit();
        if !(digit && steady.ends_with('0')) {
            steady.push(if digit { '0' } else { letter });
        }
    }
    // An age, like 47s or 1m12s.
    let is_age = steady.starts_with('0') && steady.ends_with(['s', 'm']) && !steady.contains(|c| !"0sm".contains(c));
    if is_age { "AGE".to_owned() } else { steady }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\
== starting
  25 contacts moved; observed 44 = uploaded 0
  25 contacts moved; observed 103 = uploaded 12
NAME    UPLOADED   AGE
won     14         1m2s

2026-11-27T22:52:51.937Z  Rejected, InvalidGclid
  meaning  Google cannot read the click id. Check it.
";

    #[test]
    fn what_differs_from_run_to_run_does_not_count() {
        let shown = "\
== starting
  25 contacts moved; observed 9 = uploaded 1
  …
NAME   UPLOADED   AGE
won    7          47s
2026-01-01T00:00:00Z  Rejected, InvalidGclid
  meaning  Google cannot read …
";
        assert_eq!(first_missing(shown, PRINTED), None);
    }

    #[test]
    fn a_line_that_is_not_printed_is_named() {
        for (shown, missing) in [
            ("== starting\n== ending", "== ending"),
            ("NAME UPLOADED AGE\n== starting", "== starting"),
            (
                "  25 contacts moved; seen 44 = uploaded 0",
                "  25 contacts moved; seen 44 = uploaded 0",
            ),
            ("won 14 soon", "won 14 soon"),
            ("  meaning  Google can read …", "  meaning  Google can read …"),
        ] {
            assert_eq!(first_missing(shown, PRINTED).as_deref(), Some(missing));
        }
    }

    #[test]
    fn a_block_is_found_by_its_first_line() {
        let page = "Text\n\n```yaml\n$ one\n1\n```\n\nMore\n\n```\n$ two\n2\n3\n```\n";
        assert_eq!(block(page, "$ two"), Some("2\n3\n"));
        assert_eq!(block(page, "2"), None);
    }
}
