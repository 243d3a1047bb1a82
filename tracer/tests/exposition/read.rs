//! Reads an exposition as strictly as a scraper may.

use std::collections::BTreeMap;

use tracer::expose::format::Format;

use super::Samples;

/// Reads an exposition and panics at whatever the format does not allow.
pub fn read(text: &str, format: Format) -> Samples {
    assert!(text.ends_with('\n'), "the last line is cut");
    let lines: Vec<_> = text.split_terminator('\n').collect();
    let lines = match (format, &*lines) {
        (Format::OpenMetrics, [lines @ .., "# EOF"]) | (Format::Prometheus, lines) => lines,
        (Format::OpenMetrics, _) => panic!("OpenMetrics does not end in # EOF"),
    };
    let mut families: BTreeMap<&str, &str> = BTreeMap::new();
    let (mut family, mut kind) = ("", "");
    let mut samples = Samples::new();
    for line in lines {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').expect("a name and a sentence");
            assert!(
                help.ends_with('.') && !help.contains(['\\', '"']),
                "HELP is no sentence: {line}"
            );
            (family, kind) = (name, "");
        } else if let Some(described) = line.strip_prefix("# TYPE ") {
            let (name, described) = described.split_once(' ').expect("a name and a type");
            assert_eq!(name, family, "TYPE does not follow the HELP of its family");
            assert_eq!(
                families.insert(name, described),
                None,
                "{name} stands in two places"
            );
            kind = described;
        } else {
            let (name, labels, value) = read_sample(line);
            let suffixes: &[&str] = match (kind, format) {
                ("counter", Format::OpenMetrics) => &["_total"],
                ("counter", Format::Prometheus) | ("gauge", _) => &[""],
                ("histogram", _) => &["_bucket", "_sum", "_count"],
                _ => panic!("no type for: {line}"),
            };
            let suffix = name
                .strip_prefix(family)
                .unwrap_or_else(|| panic!("outside of its family: {line}"));
            assert!(suffixes.contains(&suffix), "not a name of a {kind}: {line}");
            value
                .parse::<f64>()
                .unwrap_or_else(|_| panic!("no number: {line}"));
            assert_eq!(
                samples.insert((name, labels), value),
                None,
                "a series is there twice: {line}"
            );
        }
    }
    samples
}

fn read_sample(line: &str) -> (String, Vec<(String, String)>, String) {
    let end = line.find(['{', ' ']).expect("a name");
    let (name, mut rest) = line.split_at(end);
    assert!(
        name.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
        "not a name: {line}"
    );
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, quoted) = rest.split_once("=\"").expect("a label");
            let mut characters = quoted.chars();
            let mut value = String::new();
            loop {
                match characters.next().expect("the end of a value") {
                    '"' => break,
                    '\\' => value.push(match characters.next() {
                        Some('n') => '\n',
                        Some(character @ ('\\' | '"')) => character,
                        other => panic!("unknown escape {other:?}: {line}"),
                    }),
                    character => value.push(character),
                }
            }
            labels.push((label.to_owned(), value));
            rest = characters.as_str();
            match rest.split_at_checked(1) {
                Some((",", more)) => rest = more,
                Some(("}", more)) => {
                    rest = more;
                    break;
                }
                _ => panic!("neither , nor }} after a value: {line}"),
            }
        }
    }
    let value = rest.strip_prefix(' ').expect("a space before the value");
    (name.to_owned(), labels, value.to_owned())
}
