//! A line of `/metrics`: which family, with which labels, and how many?

/// One sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The name of its family.
    pub name: String,
    /// Its labels, each with its value.
    pub labels: Vec<(String, String)>,
    /// Its value, as it is written.
    pub value: String,
}

/// The tracer's own samples have nine labels or fewer.
const LABELS: usize = 64;

impl Sample {
    /// The value of a label; empty where there is none.
    pub fn label(&self, name: &str) -> &str {
        let found = self.labels.iter().find(|(label, _)| label == name);
        found.map_or("", |(_, value)| value)
    }

    /// Reads a line: `name{label="value",…} value`. `None`: it is a comment, empty, or no sample.
    pub fn parse(line: &str) -> Option<Self> {
        let end = line.find(['{', ' '])?;
        let (name, mut rest) = line.split_at(end);
        let is_name = |name: &str| {
            let mut bytes = name.bytes();
            bytes
                .next()
                .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
                && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if !is_name(name) {
            return None;
        }
        let mut labels = Vec::new();
        if let Some(inside) = rest.strip_prefix('{') {
            rest = inside;
            loop {
                if let Some(behind) = rest.strip_prefix('}') {
                    rest = behind;
                    break;
                }
                let (label, behind) = rest.split_once("=\"")?;
                let (value, behind) = unescaped(behind)?;
                if !is_name(label) || labels.len() == LABELS {
                    return None;
                }
                labels.push((label.to_owned(), value));
                rest = match behind.strip_prefix(',') {
                    Some(behind) => behind,
                    None if behind.starts_with('}') => behind,
                    None => return None,
                };
            }
        }
        // What may follow the value is a moment, or an exemplar.
        let mut words = rest.strip_prefix(' ')?.split(' ');
        let value = words.next().filter(|value| !value.is_empty())?;
        Some(Self {
            name: name.to_owned(),
            labels,
            value: value.to_owned(),
        })
    }
}

/// The value of a label up to its closing quote, and what stands behind that.
fn unescaped(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                escaped @ ('\\' | '"') => value.push(escaped),
                _ => return None,
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::expose::value;

    type Expected<'text> = (&'text str, &'text [(&'text str, &'text str)], &'text str);

    #[track_caller]
    fn check(line: &str, expected: Option<Expected<'_>>) {
        let expected = expected.map(|(name, labels, value)| Sample {
            name: name.to_owned(),
            labels: labels
                .iter()
                .map(|(label, value)| ((*label).to_owned(), (*value).to_owned()))
                .collect(),
            value: value.to_owned(),
        });
        assert_eq!(Sample::parse(line), expected, "{line}");
    }

    #[test]
    fn a_line_is_a_sample_or_none() {
        check("up 1", Some(("up", &[], "1")));
        check("up{} 1 1700000000", Some(("up", &[], "1")));
        check(
            r#"sent{app="a\"b\\c\n",port=""} 12"#,
            Some(("sent", &[("app", "a\"b\\c\n"), ("port", "")], "12")),
        );
        check(
            r#"a{x="}, y=\"",} +Inf"#,
            Some(("a", &[("x", "}, y=\"")], "+Inf")),
        );
        check("# HELP up Whether it is.", None);
        check("", None);
        check("up", None);
        check("up ", None);
        check(r#"up{a="1"}2"#, None);
        check(r#"up{a="1" 2"#, None);
        check(r#"up{a="1"b="2"} 3"#, None);
        check(r#"up{a="\x"} 3"#, None);
        check("1up 3", None);
    }

    proptest! {
        #[test]
        fn what_the_tracer_writes_is_read(values in vec("[^\\r]{0,20}", 0..9), number: u64) {
            let names: Vec<String> = (0..values.len()).map(|index| format!("label_{index}")).collect();
            let labels: Vec<(&str, &str)> =
                names.iter().zip(&values).map(|(name, value)| (&**name, &**value)).collect();
            let mut out = Vec::new();
            value::sample(&mut out, "family_total", &labels, number);
            let text = String::from_utf8(out).expect("text");
            let sample = Sample::parse(text.trim_end_matches('\n')).expect("a sample");
            prop_assert_eq!(sample.value, number.to_string());
            prop_assert_eq!(sample.name, "family_total");
            let read: Vec<(&str, &str)> =
                sample.labels.iter().map(|(name, value)| (&**name, &**value)).collect();
            prop_assert_eq!(read, labels);
        }

        #[test]
        fn any_line_is_a_sample_or_none(line in "[^\\n]{0,80}") {
            if let Some(sample) = Sample::parse(&line) {
                prop_assert!(line.starts_with(&sample.name) && line.contains(&sample.value));
            }
        }

        #[test]
        fn any_marks_are_a_sample_or_none(line in r#"a?[{}="\\, a1]{0,30}"#) {
            if let Some(sample) = Sample::parse(&line) {
                prop_assert!(sample.labels.len() <= line.len() / 3);
            }
        }
    }
}
