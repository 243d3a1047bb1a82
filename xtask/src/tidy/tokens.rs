//! Which words and signs does a Rust file consist of, without its comments and strings?

/// The words whole, the signs one by one, with `::` as one. Coarse, and enough to read paths.
pub fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            _ if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |at| at + 2),
            '"' => string(rest),
            '\'' => character(rest),
            _ if is_raw_string(rest) => raw_string(rest),
            _ if first.is_whitespace() => first.len_utf8(),
            _ => {
                let length = word_or_sign(rest);
                tokens.push(&rest[..length]);
                length
            }
        };
        rest = &rest[length..];
    }
    tokens
}

fn word_or_sign(rest: &str) -> usize {
    if rest.starts_with("::") {
        return 2;
    }
    match rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_') {
        Some(0) => rest.chars().next().map_or(0, char::len_utf8),
        Some(end) => end,
        None => rest.len(),
    }
}

fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in rest.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A character literal; of a lifetime only the tick.
fn character(rest: &str) -> usize {
    let mut letters = rest.char_indices().skip(1);
    let Some((_, first)) = letters.next() else {
        return 1;
    };
    if first == '\\' {
        // What is escaped may be a tick itself, so the end is looked for behind it.
        return rest
            .get(3..)
            .and_then(|tail| tail.find('\''))
            .map_or(1, |at| at + 4);
    }
    match letters.next() {
        Some((at, '\'')) => at + 1,
        _ => 1,
    }
}

fn is_raw_string(rest: &str) -> bool {
    let start = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'));
    start.is_some_and(|start| start.trim_start_matches('#').starts_with('"'))
}

fn raw_string(rest: &str) -> usize {
    let Some(open) = rest.find('"') else {
        return rest.len();
    };
    let hashes = rest[..open].matches('#').count();
    let close = format!("\"{}", "#".repeat(hashes));
    rest[open + 1..]
        .find(&close)
        .map_or(rest.len(), |at| open + 1 + at + close.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(tokens(text).join(" "), expected, "{text}");
    }

    #[test]
    fn words_and_signs_come_one_by_one() {
        check("use crate::{a, b_1};", "use crate :: { a , b_1 } ;");
        check("é=1", "é = 1");
    }

    #[test]
    fn comments_and_strings_are_left_out() {
        check("a // b\nc /* d */ e", "a c e");
        check(r#"a "b \" // c" d"#, "a d");
        check(r##"a r#"b " c"# d br"e" f"##, "a d f");
        check(r#"a '"' b '\'' c '\n' d"#, "a b c d");
        check("fn a<'b>(c: &'b str)", "fn a < b > ( c : & b str )");
    }

    #[test]
    fn a_file_that_ends_too_early_is_no_trouble() {
        let whole = "a 'b' \"c\\\"\" r#\"d\"# /* e */ // f";
        for (end, _) in whole.char_indices() {
            tokens(&whole[..end]);
        }
    }
}
