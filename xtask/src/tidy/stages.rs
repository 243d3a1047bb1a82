//! Does a stage of the tracer know another stage?
//!
//! A contact travels through the stages in one direction, and only the pipeline joins them: so each can be read,
//! tested and replaced alone.

use super::Finding::{self, Offence};
use super::tokens::tokens;

/// In the order in which a contact travels.
const STAGES: &[&str] = &["kernel", "attribute", "name", "enrich", "ledger", "expose"];

/// These put the stages together.
const JOINERS: &[&str] = &["pipeline.rs", "main.rs", "lib.rs"];
const JOINING_FOLDERS: &[&str] = &["pipeline/", "command/"];

pub fn check(path: &str, text: &str) -> Vec<Finding> {
    let Some(inside) = path.strip_prefix("tracer/src/") else {
        return Vec::new();
    };
    if inside.strip_suffix(".rs").is_none() {
        return Vec::new();
    }
    if JOINERS.contains(&inside)
        || JOINING_FOLDERS
            .iter()
            .any(|folder| inside.starts_with(folder))
    {
        return Vec::new();
    }
    let own = inside.split(['/', '.']).next().unwrap_or_default();
    let mut named = named_from_the_top(&tokens(text), depth(inside));
    named.retain(|name| STAGES.contains(name) && *name != own);
    named.sort_unstable();
    named.dedup();
    let of = if STAGES.contains(&own) {
        format!("the stage {own}")
    } else {
        inside.to_owned()
    };
    named
        .into_iter()
        .map(|name| {
            Offence(format!(
                "{of} names the stage {name}: only pipeline, command, main.rs and lib.rs may"
            ))
        })
        .collect()
}

/// How many `super` lead from a file's module to the crate's top.
fn depth(inside: &str) -> usize {
    let module = inside
        .strip_suffix("/mod.rs")
        .or_else(|| inside.strip_suffix(".rs"))
        .unwrap_or(inside);
    module.split('/').count()
}

/// The first words of all paths that begin at the crate's top: `crate::x`, `tracer::x`, enough `super::`, and groups.
fn named_from_the_top<'text>(tokens: &[&'text str], mut depth: usize) -> Vec<&'text str> {
    let mut named = Vec::new();
    for at in 0..tokens.len() {
        let rest = &tokens[at..];
        // By the house style tests come last in a file, one module further down.
        if rest.starts_with(&["mod", "tests", "{"]) {
            depth += 1;
        }
        let starts_path = at == 0 || tokens[at - 1] != "::";
        let supers = rest
            .chunks_exact(2)
            .take_while(|pair| *pair == ["super", "::"])
            .count();
        let skipped = match rest {
            ["crate" | "tracer", "::", ..] if starts_path => 2,
            ["super", "::", ..] if starts_path && supers >= depth => supers * 2,
            _ => continue,
        };
        first_words(&rest[skipped..], &mut named);
    }
    named
}

/// `x` of `x::y`; `x` and `y` of `{x::z, y}`.
fn first_words<'text>(path: &[&'text str], named: &mut Vec<&'text str>) {
    let [first, rest @ ..] = path else {
        return;
    };
    if *first != "{" {
        named.push(first);
        return;
    }
    let mut open = 1;
    let mut at_start = true;
    for token in rest {
        match *token {
            "{" => open += 1,
            "}" => open -= 1,
            "," if open == 1 => at_start = true,
            word if at_start => {
                named.push(word);
                at_start = false;
            }
            _ => {}
        }
        if open == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_names(path: &str, text: &str, expected: &[&str]) {
        let found = super::check(path, text);
        assert_eq!(found.len(), expected.len(), "{path}: {text}: {found:?}");
        for (Offence(offence) | Finding::Note(offence), name) in found.iter().zip(expected) {
            assert!(
                offence.contains(&format!("names the stage {name}:")),
                "{offence}"
            );
        }
    }

    #[test]
    fn a_stage_that_names_another_is_refused() {
        let kernel = "tracer/src/kernel/hooks.rs";
        check_names(kernel, "use crate::attribute::Owner;", &["attribute"]);
        check_names(kernel, "fn a(b: &crate::ledger::Row) {}", &["ledger"]);
        check_names(
            kernel,
            "use crate::{model::{Name, Flow}, expose, enrich::{a, b}};",
            &["enrich", "expose"],
        );
        check_names(kernel, "use super::super::name::Name;", &["name"]);
        check_names(
            kernel,
            "pub(crate) use super::super::{ledger, model};",
            &["ledger"],
        );
        check_names(
            "tracer/src/kernel/mod.rs",
            "use super::ledger;",
            &["ledger"],
        );
        check_names("tracer/src/kernel.rs", "use super::ledger;", &["ledger"]);
        check_names(
            kernel,
            "mod tests { use super::super::super::expose; }",
            &["expose"],
        );
        check_names(
            "tracer/src/kernel/vm/mod.rs",
            "use super::super::expose;",
            &["expose"],
        );
    }

    #[test]
    fn what_is_for_all_may_not_name_a_stage() {
        check_names(
            "tracer/src/model.rs",
            "use crate::kernel::Hook;",
            &["kernel"],
        );
        check_names(
            "tracer/src/bin/x.rs",
            "use tracer::kernel::Hook;",
            &["kernel"],
        );
    }

    #[test]
    fn a_stage_may_name_itself_and_what_is_for_all() {
        let name = "tracer/src/name/dns.rs";
        check_names(
            name,
            "use crate::name::Table; use crate::{model::Flow, decode};",
            &[],
        );
        check_names(
            name,
            "use tracer_common::record::Open; use aya::maps::kernel;",
            &[],
        );
        check_names(
            name,
            "// crate::ledger keeps it\nlet a = \"crate::ledger\";",
            &[],
        );
        check_names(
            name,
            "use std::{process, fs}; use other::crate_::ledger;",
            &[],
        );
        // A file or function of its own that happens to be called like a stage.
        check_names(
            "tracer/src/attribute/owner.rs",
            "use super::name; super::name::of(1);",
            &[],
        );
        check_names(
            "tracer/src/attribute/owner.rs",
            "mod tests { use super::super::name; }",
            &[],
        );
    }

    #[test]
    fn the_pipeline_and_the_commands_may_name_all() {
        for joiner in [
            "pipeline.rs",
            "pipeline/mod.rs",
            "main.rs",
            "lib.rs",
            "command/doctor.rs",
        ] {
            check_names(
                &format!("tracer/src/{joiner}"),
                "use crate::{kernel, ledger};",
                &[],
            );
        }
        check_names("tracer-ebpf/src/main.rs", "use crate::kernel;", &[]);
    }
}
