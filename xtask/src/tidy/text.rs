//! Is a file short enough, does it say what it is about, and is it free of what does not belong in a repository?

use std::path::Path;

use super::Finding::{self, Note, Offence};

/// From here on a file is hard to hold in one's head.
const LONG: usize = 300;
/// From here on nobody reads it.
const TOO_LONG: usize = 500;
/// The map must stay readable in one sitting.
const ARCHITECTURE: usize = 150;

/// Unfinished work belongs into the head or the tracker. Split, so that this file does not offend against itself.
const UNFINISHED: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("X", "XX"),
    concat!("unimple", "mented!"),
    concat!("to", "do!"),
    concat!("d", "bg!"),
];

/// Where the authors' machines keep things, and whom these ask for packages: true there and nowhere else.
const LOCAL: &[&str] = &[
    concat!("/wo", "rk/main"),
    concat!("/wo", "rk/shared"),
    concat!("/ro", "ot/.cargo"),
    concat!("/ro", "ot/.rustup"),
    concat!("/tmp/", "target-"),
    concat!("pkg", ".dev"),
    concat!("artifact", "registry"),
    concat!("artifact", "ory"),
    concat!("index.", "crates.io"),
];

pub fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = text.lines().count();
    if path == "ARCHITECTURE.md" && lines > ARCHITECTURE {
        findings.push(Offence(format!(
            "{lines} lines, {ARCHITECTURE} is the limit"
        )));
    }
    if path != "Cargo.lock" {
        findings.extend(occurrences(text, LOCAL, "belongs to one machine"));
    }
    if Path::new(path)
        .extension()
        .is_some_and(|extension| extension == "rs")
    {
        findings.extend(rust(text, lines));
    }
    findings
}

fn rust(text: &str, lines: usize) -> Vec<Finding> {
    let mut findings = occurrences(text, UNFINISHED, "is unfinished work");
    let first = text.lines().next().unwrap_or_default();
    let question = first.strip_prefix("//!").unwrap_or_default().trim();
    if question.is_empty() {
        findings.push(Offence(
            "does not begin with `//!` and the question it answers".to_owned(),
        ));
    }
    let is_table = question
        .to_lowercase()
        .split(|letter: char| !letter.is_alphanumeric())
        .any(|word| word == "table");
    if is_table || lines <= LONG {
        return findings;
    }
    findings.push(if lines > TOO_LONG {
        Offence(format!("{lines} lines, {TOO_LONG} is the limit: split it"))
    } else {
        Note(format!("{lines} lines, more than {LONG}"))
    });
    findings
}

fn occurrences(text: &str, words: &[&str], verdict: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for word in words.iter().filter(|word| contains_word(line, word)) {
            findings.push(Offence(format!("line {}: {word} {verdict}", number + 1)));
        }
    }
    findings
}

/// Not inside a longer word: six X are the pattern of mktemp, not a mark.
fn contains_word(line: &str, word: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let open_end = word.ends_with(|letter| !is_part(letter));
        !before.is_some_and(|letter| is_part(letter) && is_part_start(word))
            && (open_end || !after.is_some_and(is_part))
    })
}

fn is_part_start(word: &str) -> bool {
    word.starts_with(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_rust(body: &str, expected: &[&str]) {
        let found: Vec<String> = check("tracer/src/model.rs", body)
            .into_iter()
            .map(|finding| match finding {
                Note(text) => format!("note: {text}"),
                Offence(text) => text,
            })
            .collect();
        assert_eq!(found, expected, "{body:.60}");
    }

    #[test]
    fn a_file_without_a_question_is_refused() {
        let expected = ["does not begin with `//!` and the question it answers"];
        check_rust("fn main() {}\n", &expected);
        check_rust("//!\nfn main() {}\n", &expected);
        check_rust("", &expected);
        check_rust("//! What is asked?\nfn main() {}\n", &[]);
    }

    #[test]
    fn a_long_file_is_noted_and_a_too_long_one_refused() {
        check_rust(&format!("//! What?\n{}", "\n".repeat(299)), &[]);
        check_rust(
            &format!("//! What?\n{}", "\n".repeat(300)),
            &["note: 301 lines, more than 300"],
        );
        check_rust(
            &format!("//! What?\n{}", "\n".repeat(500)),
            &["501 lines, 500 is the limit: split it"],
        );
        check_rust(
            &format!("//! The table of company names.\n{}", "\n".repeat(900)),
            &[],
        );
        check_rust(
            &format!("//! What is tablet?\n{}", "\n".repeat(500)),
            &["501 lines, 500 is the limit: split it"],
        );
    }

    #[test]
    fn unfinished_work_is_refused() {
        for word in UNFINISHED {
            let expected = format!("line 2: {word} is unfinished work");
            check_rust(&format!("//! What?\n    {word}();\n"), &[expected.as_str()]);
            check_rust(&format!("//! What?\nlet a{word} = 1;\n"), &[]);
        }
        check_rust(&format!("//! What?\n// mktemp {}\n", "X".repeat(6)), &[]);
    }

    #[test]
    fn what_belongs_to_one_machine_is_refused_in_any_file_but_the_lock() {
        for word in LOCAL {
            let text = format!("see https://host.{word}/x\n");
            assert_eq!(check("README.md", &text).len(), 1, "{text}");
            assert_eq!(check("Cargo.lock", &text), []);
        }
    }

    #[test]
    fn the_map_has_a_limit() {
        assert_eq!(check("ARCHITECTURE.md", &"line\n".repeat(150)), []);
        let expected = Offence("151 lines, 150 is the limit".to_owned());
        assert_eq!(check("ARCHITECTURE.md", &"line\n".repeat(151)), [expected]);
        assert_eq!(check("README.md", &"line\n".repeat(151)), []);
    }
}
