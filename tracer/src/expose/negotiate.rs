//! Which format and which encoding a client asks for.

use axum::http::{HeaderMap, header};

use super::format::Format;

/// OpenMetrics when it is named and wanted no less than plain text, else plain text: that is what one who names nothing gets.
pub fn format(headers: &HeaderMap) -> Format {
    let mut open = 0.0_f32;
    // The closest match decides: `text/plain`, then `text/*`, then `*/*`.
    let mut plain = [None::<f32>; 3];
    for choice in choices(headers, &header::ACCEPT) {
        let slot = match choice.name {
            // Other versions of OpenMetrics differ.
            name if name.eq_ignore_ascii_case("application/openmetrics-text") => {
                if choice.version.is_none_or(|version| version == "1.0.0") {
                    open = open.max(choice.quality);
                }
                continue;
            }
            name if name.eq_ignore_ascii_case("text/plain") => 0,
            "text/*" => 1,
            "*/*" => 2,
            _ => continue,
        };
        plain[slot] =
            Some(plain[slot].map_or(choice.quality, |quality| quality.max(choice.quality)));
    }
    let plain = plain.into_iter().flatten().next().unwrap_or(0.0);
    if open > 0.0 && open >= plain {
        Format::OpenMetrics
    } else {
        Format::Prometheus
    }
}

/// Whether the client takes gzip.
pub fn gzip(headers: &HeaderMap) -> bool {
    let (mut named, mut any) = (None, None);
    for choice in choices(headers, &header::ACCEPT_ENCODING) {
        match choice.name {
            name if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => {
                named = Some(choice.quality);
            }
            "*" => any = Some(choice.quality),
            _ => {}
        }
    }
    named.or(any).is_some_and(|quality| quality > 0.0)
}

struct Choice<'a> {
    name: &'a str,
    version: Option<&'a str>,
    /// How much it is wanted; 0 is refused.
    quality: f32,
}

fn choices<'a>(
    headers: &'a HeaderMap,
    header: &header::HeaderName,
) -> impl Iterator<Item = Choice<'a>> {
    let values = headers
        .get_all(header)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|part| {
        let mut words = part.split(';').map(str::trim);
        let mut choice = Choice {
            name: words.next().unwrap_or_default(),
            version: None,
            quality: 1.0,
        };
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            match key.trim_end() {
                "version" => choice.version = Some(value.trim_matches([' ', '"'])),
                "q" | "Q" => choice.quality = value.trim_start().parse().unwrap_or(0.0),
                _ => {}
            }
        }
        choice
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn header(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).expect("a header value"))])
    }

    #[test]
    fn openmetrics_is_given_to_whoever_asks_for_it_first() {
        let check = |accept: &str, expected| {
            assert_eq!(
                format(&header(header::ACCEPT, accept)),
                expected,
                "Accept: {accept}"
            );
        };
        check(
            "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            Format::OpenMetrics,
        );
        check("application/openmetrics-text", Format::OpenMetrics);
        check(
            "Application/OpenMetrics-Text; version=\"1.0.0\", text/plain",
            Format::OpenMetrics,
        );
        check(
            "application/openmetrics-text;version=0.0.1;q=0.9,text/plain;q=0.5",
            Format::Prometheus,
        );
        check(
            "application/openmetrics-text;q=0.4,text/plain;q=0.5",
            Format::Prometheus,
        );
        check(
            "application/openmetrics-text;q=0.4,text/*;q=0.5,*/*;q=0.1",
            Format::Prometheus,
        );
        check("application/openmetrics-text;q=0,*/*", Format::Prometheus);
        check("application/openmetrics-text;q=soon", Format::Prometheus);
        check("*/*", Format::Prometheus);
        check("", Format::Prometheus);
        assert_eq!(format(&HeaderMap::new()), Format::Prometheus);
    }

    #[test]
    fn gzip_is_used_only_where_it_is_allowed() {
        let check = |accept: &str, expected| {
            assert_eq!(
                gzip(&header(header::ACCEPT_ENCODING, accept)),
                expected,
                "Accept-Encoding: {accept}"
            );
        };
        check("gzip", true);
        check("deflate, GZIP;q=0.5", true);
        check("*", true);
        check("gzip;q=0", false);
        check("gzip; q=0.0, *", false);
        check("*;q=0", false);
        check("identity", false);
        check("", false);
    }
}
