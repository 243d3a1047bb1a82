//! What do apps of the world do, and which name has each of their contacts then? The table of `cases.md`, and how it is read.

use super::names::Names;

/// A row of the table.
pub struct Case {
    /// The app that does it.
    pub app: &'static str,
    /// What the name is known by, or why there is none.
    pub by: &'static str,
    pub does: &'static str,
    pub contacts: &'static str,
    /// Which table it is of, from 0.
    pub table: usize,
}

/// What all pages of a browser are of.
pub const BROWSER: &str = "chromium-headless-shell";

impl Case {
    /// What the app is called. There are programs that look at their own name for what to be.
    pub fn label(&self) -> String {
        if self.does.starts_with("browser ") {
            return BROWSER.to_owned();
        }
        let is_busybox = self.does.contains("busybox ");
        format!("{}{}", if is_busybox { "busybox-" } else { "" }, self.app)
    }

    /// Whether it keeps its contacts open.
    pub fn is_held(&self) -> bool {
        self.does.starts_with("held: ")
    }
}

/// All of them, and their names.
pub fn cases() -> Vec<(Case, Names)> {
    let tables = include_str!("cases.md").split("\n## ").skip(1);
    let rows = tables.enumerate().flat_map(|(table, text)| {
        // The first two lines of a table are its head.
        let lines = text.lines().filter(|line| line.starts_with('|')).skip(2);
        lines.map(move |line| (table, line))
    });
    let case = |(table, line): (usize, &'static str)| {
        let cells: Vec<_> = line.trim_matches(['|', ' ']).split(" | ").collect();
        let [app, by, does, contacts] = cells[..] else {
            panic!("not four cells: {line}");
        };
        Case {
            app,
            by,
            does,
            contacts,
            table,
        }
    };
    let named = |(case, number): (Case, usize)| {
        let names = Names::new(case.app, number);
        (case, names)
    };
    rows.map(case).zip(1..).map(named).collect()
}
