//! Which series does an exposition of metrics have? Only as much of the text format as the tracer writes.

use std::collections::BTreeMap;

pub struct Series {
    pub family: String,
    labels: BTreeMap<String, String>,
    /// Without what is behind the point.
    pub value: u64,
}

impl Series {
    /// The value of a label; empty where there is none.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

/// All of a text.
pub fn series(text: &str) -> Vec<Series> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(read)
        .collect()
}

fn read(line: &str) -> Option<Series> {
    let (head, value) = line.rsplit_once(' ')?;
    let (family, labels) = match head.split_once('{') {
        Some((family, rest)) => (family, labels(rest.strip_suffix('}')?)?),
        None => (head, BTreeMap::new()),
    };
    Some(Series {
        family: family.to_owned(),
        labels,
        value: value.parse::<f64>().ok()? as u64,
    })
}

fn labels(mut text: &str) -> Option<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"")?;
        let mut value = String::new();
        let mut letters = rest.char_indices();
        let end = loop {
            match letters.next()? {
                (at, '"') => break at,
                (_, '\\') => match letters.next()?.1 {
                    'n' => value.push('\n'),
                    letter => value.push(letter),
                },
                (_, letter) => value.push(letter),
            }
        };
        labels.insert(name.to_owned(), value);
        text = rest[end + 1..].trim_start_matches(',');
    }
    Some(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_has_its_labels_and_its_value() {
        let text = "# HELP a b\na{x=\"1\",y=\"q\\\"},{\\\\\"} 7\nb 2.5\n";
        let all = series(text);
        assert_eq!(all.len(), 2);
        assert_eq!((&*all[0].family, all[0].value), ("a", 7));
        assert_eq!((all[0].label("x"), all[0].label("y")), ("1", "q\"},{\\"));
        assert_eq!(
            (&*all[1].family, all[1].value, all[1].label("x")),
            ("b", 2, "")
        );
    }
}
