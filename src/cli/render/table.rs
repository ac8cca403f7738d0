//! Columns without lines around them; a row is one line, and may have a style.

use anstyle::Style;
use comfy_table::{Table, presets};

use super::style::{HEADING, paint};
use super::text::plain;

/// Rows under a heading.
pub struct Columns {
    table: Table,
    styles: Vec<Style>,
}

impl Columns {
    /// An empty table with these headings.
    pub fn new(headings: &[&str]) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(headings);
        Columns {
            table,
            styles: vec![HEADING],
        }
    }

    /// One more row. Cells come from outside and are made harmless here.
    pub fn row(&mut self, style: Style, cells: &[String]) {
        self.table.add_row(cells.iter().map(|cell| plain(cell)));
        self.styles.push(style);
    }

    /// The lines, painted, without the blanks at either end.
    pub fn lines(mut self) -> Vec<String> {
        if let Some(first) = self.table.column_mut(0) {
            first.set_padding((0, 1));
        }
        let lines = self.table.lines();
        lines
            .zip(self.styles)
            .map(|(line, style)| paint(style, line.trim_end()))
            .collect()
    }
}
