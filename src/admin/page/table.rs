//! Tables that become cards on a narrow screen: each cell says what it is then, and
//! nothing has to be moved sideways. The style sheet takes the layout of a table from them
//! there, and with it what screen readers know of them: so the roles are written out.

use maud::{Markup, html};

/// What the cells of a column are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cells {
    Text,
    Number,
    /// What the row is about.
    Heading,
}

impl Cells {
    const fn class(self) -> Option<&'static str> {
        match self {
            Self::Number => Some("number"),
            Self::Text | Self::Heading => None,
        }
    }
}

/// A table in a frame of this name. Each row has a cell for each column.
pub(super) fn card_table(name: &str, caption: &str, columns: &[(&str, Cells)], rows: &[Vec<Markup>]) -> Markup {
    html! {
        div.wide.cards role="region" aria-label=(name) tabindex="0" {
            table role="table" {
                caption.hidden { (caption) }
                thead role="rowgroup" {
                    tr role="row" {
                        @for (heading, cells) in columns {
                            th class=[cells.class()] scope="col" role="columnheader" { (heading) }
                        }
                    }
                }
                tbody role="rowgroup" {
                    @for row in rows {
                        tr role="row" { @for (column, content) in columns.iter().zip(row) { (cell(*column, content)) } }
                    }
                }
            }
        }
    }
}

fn cell((heading, cells): (&str, Cells), content: &Markup) -> Markup {
    html! {
        @if cells == Cells::Heading {
            th scope="row" role="rowheader" data-label=(heading) { (content) }
        } @else {
            td class=[cells.class()] role="cell" data-label=(heading) { (content) }
        }
    }
}
