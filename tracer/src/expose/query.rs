//! Which contacts does a client ask for?

use std::fmt;

/// The parameters that there are.
pub const PARAMETERS: [&str; 4] = ["app", "destination", "limit", "after"];

/// Most contacts of one page.
pub const MAXIMUM: usize = 1_000;

/// How many contacts a page has where the client names no number.
pub const DEFAULT: usize = 100;

/// Most letters of what a client wrote that an error repeats.
const QUOTED: usize = 100;

/// A place in the list: contacts behind it are older. It stays where it is when contacts come in or end.
///
/// In order: by the moment at which a contact began, then by its id. One whose beginning is unknown is older than all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    began: Option<u64>,
    id: u64,
}

impl Cursor {
    /// The place of a contact that began then and has this number.
    pub fn new(began: Option<u64>, id: u64) -> Self {
        Self { began, id }
    }

    /// Reads what `Display` has written, and nothing else.
    fn parse(text: &str) -> Option<Self> {
        let (began, id) = text.split_once('-')?;
        let began = match began {
            "" => None,
            began => Some(began.parse().ok()?),
        };
        let cursor = Self {
            began,
            id: id.parse().ok()?,
        };
        (cursor.to_string() == text).then_some(cursor)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(began) = self.began {
            write!(formatter, "{began}")?;
        }
        write!(formatter, "-{}", self.id)
    }
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Only contacts whose label `app` is this one; empty for those of nobody known.
    pub app: Option<String>,
    /// Only contacts whose label `destination` is this one; empty for those of no address.
    pub destination: Option<String>,
    /// Most contacts of the answer.
    pub limit: usize,
    /// Only contacts behind this place.
    pub after: Option<Cursor>,
}

/// Why a query means nothing, and what would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    pub error: String,
    pub hint: String,
}

impl Query {
    /// Reads what stands behind the `?` of a request. Any text gives a query or a reason.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let mut values: [Option<String>; PARAMETERS.len()] = Default::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            let Some(index) = PARAMETERS.iter().position(|known| *known == name) else {
                return Err(invalid(
                    format!("unknown parameter {}", quoted(&name)),
                    format!("the parameters are {}", PARAMETERS.join(", ")),
                ));
            };
            if values[index].replace(value).is_some() {
                let hint = format!("give {name} once");
                return Err(invalid(format!("{name} is given twice"), hint));
            }
        }
        let [app, destination, limit, after] = values;
        Ok(Self {
            app,
            destination,
            limit: limit.as_deref().map_or(Ok(DEFAULT), number)?,
            after: after.as_deref().map(place).transpose()?,
        })
    }
}

fn number(text: &str) -> Result<usize, Invalid> {
    text.parse()
        .ok()
        .filter(|limit| (1..=MAXIMUM).contains(limit))
        .ok_or_else(|| {
            invalid(
                format!("limit is {}", quoted(text)),
                format!("a whole number from 1 to {MAXIMUM}"),
            )
        })
}

fn place(text: &str) -> Result<Cursor, Invalid> {
    Cursor::parse(text).ok_or_else(|| {
        invalid(
            format!("after is {}", quoted(text)),
            "take the value of next from the page before".to_owned(),
        )
    })
}

/// A name or value without its percent signs; `+` is a space, as in what a browser's form sends.
fn decoded(text: &str) -> Result<String, Invalid> {
    let malformed = || {
        invalid(
            format!("{} is not percent-encoded UTF-8", quoted(text)),
            "write a percent sign as %25".to_owned(),
        )
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let (high, low) = (digit(), digit());
                let (high, low) = high.zip(low).ok_or_else(malformed)?;
                (high * 16 + low) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| malformed())
}

/// What a client wrote, as far as it helps to find it.
fn quoted(text: &str) -> String {
    let mut letters = text.chars();
    let start: String = letters.by_ref().take(QUOTED).collect();
    let rest = if letters.next().is_some() { "…" } else { "" };
    format!("{start:?}{rest}")
}

fn invalid(error: String, hint: String) -> Invalid {
    Invalid { error, hint }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: Query = Query {
        app: None,
        destination: None,
        limit: DEFAULT,
        after: None,
    };

    #[test]
    fn a_query_is_what_it_says() {
        let check = |text: &str, expected: Query| assert_eq!(Query::parse(text), Ok(expected));
        check("", ALL);
        check("&&", ALL);
        check(
            "limit=1000",
            Query {
                limit: 1_000,
                ..ALL
            },
        );
        let app = |app: &str| Query {
            app: Some(app.to_owned()),
            ..ALL
        };
        check("app=", app(""));
        check("app", app(""));
        check("app=a+b%2Bc%26%C3%A9=", app("a b+c&é="));
        let place = |began, id| Query {
            destination: Some("2001:db8::1".to_owned()),
            after: Some(Cursor { began, id }),
            ..ALL
        };
        check("destination=2001:db8::1&after=5-7", place(Some(5), 7));
        check("after=-7&destination=2001%3adb8%3A%3A1", place(None, 7));
    }

    #[test]
    fn what_means_nothing_is_refused_with_a_hint() {
        let check = |text: &str, error: &str, hint: &str| {
            let expected = invalid(error.to_owned(), hint.to_owned());
            assert_eq!(Query::parse(text), Err(expected), "{text}");
        };
        let parameters = "the parameters are app, destination, limit, after";
        check("user=0", "unknown parameter \"user\"", parameters);
        let long = "x".repeat(5_000);
        let error = format!("unknown parameter {:?}…", &long[..QUOTED]);
        check(&long, &error, parameters);
        check("App=x", "unknown parameter \"App\"", parameters);
        check("=x", "unknown parameter \"\"", parameters);
        check("app=a&app=a", "app is given twice", "give app once");
        for limit in ["0", "1001", "-1", "1e3", "", "99999999999999999999999"] {
            let error = format!("limit is {limit:?}");
            check(
                &format!("limit={limit}"),
                &error,
                "a whole number from 1 to 1000",
            );
        }
        for after in [
            "",
            "-",
            "1",
            "1-",
            "01-1",
            "+-1",
            "a-1",
            "1-2-3",
            "1-18446744073709551616",
        ] {
            let error = format!("after is {:?}", after.replace('+', " "));
            let hint = "take the value of next from the page before";
            check(&format!("after={after}"), &error, hint);
        }
        let hint = "write a percent sign as %25";
        check("app=%", "\"%\" is not percent-encoded UTF-8", hint);
        check("app=%f", "\"%f\" is not percent-encoded UTF-8", hint);
        check("app=%+1", "\"%+1\" is not percent-encoded UTF-8", hint);
        check("app=%ff", "\"%ff\" is not percent-encoded UTF-8", hint);
    }

    #[test]
    fn a_contact_that_began_nobody_knows_when_is_the_oldest() {
        let place = |began, id| Cursor { began, id };
        assert!(place(Some(2), 1) > place(Some(1), 2));
        assert!(place(Some(1), 2) > place(Some(1), 1));
        assert!(place(Some(0), 0) > place(None, u64::MAX));
    }

    proptest! {
        #[test]
        fn any_text_gives_a_query_or_a_reason(text in ".*") {
            let _ = Query::parse(&text);
        }

        #[test]
        fn a_place_is_read_as_it_was_written(began: Option<u64>, id: u64) {
            let place = Cursor { began, id };
            prop_assert_eq!(Cursor::parse(&place.to_string()), Some(place));
        }
    }
}
