//! How much of a line there is, and how tables and long texts fit into it.

use std::fmt::Write as _;

use comfy_table::{Cell, ColumnConstraint, ContentArrangement, Table, presets};

/// Nothing is laid out narrower than this, in columns of the terminal.
const NARROWEST: u16 = 40;
/// A text beside its label is at least so wide; else it goes under it.
const NARROWEST_TEXT: u16 = 36;
/// How far a text is indented that goes under its label.
const INDENT: u16 = 6;
/// Blanks between two columns.
const GAP: u16 = 2;

/// How wide a line may be, in columns of the terminal. Without a limit in pipes and files: no line is broken there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Width(Option<u16>);

/// A text and what it is about.
pub(crate) struct Hung {
    /// A mark and a label, or a label alone.
    pub(crate) lead: Vec<Cell>,
    pub(crate) text: String,
}

impl Hung {
    pub(crate) fn new(label: &str, text: impl Into<String>) -> Self {
        Self {
            lead: vec![Cell::new(label)],
            text: text.into(),
        }
    }
}

impl Width {
    /// Where no line is broken.
    #[cfg(test)]
    pub(crate) const PIPE: Self = Self(None);

    /// That of standard output.
    pub(crate) fn of_stdout() -> Self {
        Self::of(Table::new().width())
    }

    /// A terminal that says 0 does not know how wide it is.
    pub(crate) fn of(columns: Option<u16>) -> Self {
        Self(
            columns
                .filter(|columns| *columns > 0)
                .map(|columns| columns.max(NARROWEST)),
        )
    }

    /// A table as kubectl prints them: no lines, headings in capitals. Its first `kept` columns are always there; of
    /// the others those for which there is no room are left out, from the right, and a last line says so.
    pub(crate) fn table(self, headings: &[&str], kept: usize, rows: &[Vec<String>]) -> String {
        let shown = self.room_for(headings, kept, rows);
        let mut text = self.columns(headings, shown, rows).trim_fmt();
        if shown < headings.len() {
            let _ = write!(text, "\n(no room for {})", headings[shown..].join(", "));
        }
        text
    }

    /// True if these columns need not be broken.
    pub(crate) fn has_room(self, headings: &[&str], rows: &[Vec<String>]) -> bool {
        self.holds(&self.columns(headings, headings.len(), rows))
    }

    /// How many columns there is room for.
    fn room_for(self, headings: &[&str], kept: usize, rows: &[Vec<String>]) -> usize {
        let fits = |shown: &usize| self.holds(&self.columns(headings, *shown, rows));
        (kept..=headings.len()).rev().find(fits).unwrap_or(kept)
    }

    /// Texts beside what they are about, or under it where there is little room. `indent`: blanks before each line.
    pub(crate) fn hang(self, indent: u16, rows: Vec<Hung>) -> String {
        if rows.is_empty() {
            return String::new();
        }
        let beside = self.rows(indent, rows.iter().map(beside).collect());
        let lead: u16 = {
            let widths = beside.column_max_content_widths();
            let before = widths.len().saturating_sub(1);
            indent + widths.iter().take(before).map(|width| width + GAP).sum::<u16>()
        };
        match self.0 {
            Some(columns) if columns.saturating_sub(lead) < NARROWEST_TEXT => {
                let parts = rows.into_iter().map(|row| self.under(indent, row));
                parts.collect::<Vec<_>>().join("\n")
            }
            _ => beside.trim_fmt(),
        }
    }

    /// A paragraph.
    pub(crate) fn paragraph(self, text: &str) -> String {
        self.indented(0, text)
    }

    /// A paragraph with blanks before each line.
    pub(crate) fn indented(self, indent: u16, text: &str) -> String {
        self.rows(indent, vec![vec![Cell::new(text)]]).trim_fmt()
    }

    fn under(self, indent: u16, row: Hung) -> String {
        let lead = self.rows(indent, vec![row.lead]).trim_fmt();
        if row.text.is_empty() {
            return lead;
        }
        format!("{lead}\n{}", self.indented(indent + INDENT, &row.text))
    }

    fn empty_table(self) -> Table {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        match self.0 {
            Some(columns) => table
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(columns),
            None => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        table
    }

    /// Rows of which only the last column is broken.
    fn rows(self, indent: u16, rows: Vec<Vec<Cell>>) -> Table {
        let mut table = self.empty_table();
        table.add_rows(rows);
        set_gaps(&mut table);
        let last = table.column_count().saturating_sub(1);
        for (number, column) in table.column_iter_mut().enumerate() {
            if number == 0 {
                column.set_padding((indent, if last == 0 { 0 } else { GAP }));
            }
            if number < last {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        table
    }

    fn columns(self, headings: &[&str], shown: usize, rows: &[Vec<String>]) -> Table {
        let mut table = self.empty_table();
        table.set_header(&headings[..shown]);
        table.add_rows(rows.iter().map(|row| row.iter().take(shown)));
        set_gaps(&mut table);
        table
    }

    fn holds(self, table: &Table) -> bool {
        let widths = table.column_max_content_widths();
        let gaps = usize::from(GAP) * widths.len().saturating_sub(1);
        let whole = widths.iter().map(|width| usize::from(*width)).sum::<usize>() + gaps;
        self.0.is_none_or(|columns| whole <= usize::from(columns))
    }
}

fn beside(row: &Hung) -> Vec<Cell> {
    row.lead.iter().cloned().chain([Cell::new(&row.text)]).collect()
}

fn set_gaps(table: &mut Table) {
    let last = table.column_count().saturating_sub(1);
    for (number, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if number == last { 0 } else { GAP }));
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use rstest::rstest;

    use super::*;

    /// Widths of terminals that people have; 0 and none are pipes.
    pub(crate) const WIDTHS: [Option<u16>; 6] = [None, Some(0), Some(60), Some(80), Some(120), Some(200)];

    /// Every line fits.
    pub(crate) fn assert_fits(text: &str, columns: Option<u16>) {
        let Some(columns) = columns.filter(|columns| *columns > 0) else {
            return;
        };
        for line in text.lines() {
            assert!(
                line.chars().count() <= usize::from(columns),
                "{columns}: {line:?} in\n{text}"
            );
        }
    }

    const LONG: &str = "More time passed between ad click and stage change than the click window allows.";

    fn hung(columns: Option<u16>) -> String {
        let rows = vec![
            Hung::new("stage", "customer"),
            Hung::new("scope crm.objects.contacts.read", LONG),
        ];
        Width::of(columns).hang(2, rows)
    }

    #[test]
    fn long_texts_go_beside_their_label_or_under_it() {
        for columns in WIDTHS {
            assert_fits(&hung(columns), columns);
        }
        let in_pipes =
            format!("  stage                            customer\n  scope crm.objects.contacts.read  {LONG}");
        assert_eq!(hung(None), in_pipes);
        assert_eq!(hung(Some(0)), in_pipes);
        assert_eq!(hung(Some(200)), in_pipes);
        assert_eq!(
            hung(Some(80)),
            "  stage                            customer\n\
             \x20 scope crm.objects.contacts.read  More time passed between ad click and stage\n\
             \x20                                  change than the click window allows."
        );
        assert_eq!(
            hung(Some(60)),
            "  stage\n        customer\n  scope crm.objects.contacts.read\n\
             \x20       More time passed between ad click and stage change\n\
             \x20       than the click window allows."
        );
    }

    #[test]
    fn a_table_leaves_out_what_has_no_room_and_says_so() {
        let row = ["Skipped", "OutsideClickWindow", "25", "2026-11-01", "2026-11-20"].map(str::to_owned);
        let headings = ["OUTCOME", "REASON", "COUNT", "FROM", "TO"];
        let table = |columns| Width::of(columns).table(&headings, 3, &[row.to_vec()]);
        for columns in WIDTHS {
            assert_fits(&table(columns), columns);
        }
        let whole = "OUTCOME  REASON              COUNT  FROM        TO\n\
                     Skipped  OutsideClickWindow  25     2026-11-01  2026-11-20";
        for columns in [None, Some(0), Some(60), Some(200)] {
            assert_eq!(table(columns), whole);
        }
        assert_eq!(
            table(Some(50)),
            "OUTCOME  REASON              COUNT  FROM\n\
             Skipped  OutsideClickWindow  25     2026-11-01\n\
             (no room for TO)"
        );
    }

    #[rstest]
    #[case(None, 1)]
    #[case(Some(60), 2)]
    #[case(Some(10), 3)]
    fn a_paragraph_is_broken_on_terminals(#[case] columns: Option<u16>, #[case] lines: usize) {
        assert_eq!(Width::of(columns).paragraph(LONG).lines().count(), lines);
    }
}
