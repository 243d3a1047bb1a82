//! One request of HTTP: whom it goes to, through which proxy, where it is led instead, and why it fails.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use ureq::http::{Response, Uri, header};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, Error, Proxy};

use super::super::failure::Failure;
use super::proxy;

/// How often a server may lead elsewhere. The publisher's does once: to where its files are stored.
const REDIRECTS: usize = 5;
/// The longest address; those to which the publisher leads have about a thousand bytes.
const LONGEST: usize = 8 << 10;
/// For all of a table. At a hundred kilobytes a second, ten megabytes take two minutes.
const WHOLE: Duration = Duration::from_secs(3600);

/// How servers are asked.
pub struct Web {
    /// How long a server may be silent.
    pub patience: Duration,
    /// The proxy that the user gave.
    pub proxy: Option<String>,
    /// Whose signature is taken for that of a server.
    pub roots: RootCerts,
}

/// The authorities in a file of the user's, who alone are trusted then.
pub fn roots(file: &Path) -> Result<RootCerts, Failure> {
    let unusable = |why: String| {
        Failure::could_not_run(format!("--ca-file {}: {why}", file.display()))
            .hint("give a file of certificates in PEM, as `openssl x509` writes them")
    };
    let text = fs::read(file).map_err(|error| unusable(error.to_string()))?;
    let mut certificates = Vec::new();
    for item in parse_pem(&text) {
        if let PemItem::Certificate(certificate) =
            item.map_err(|error| unusable(error.to_string()))?
        {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(unusable("it has no certificate".to_owned()));
    }
    Ok(RootCerts::new_with_certs(&certificates))
}

impl Web {
    /// Asks for an address, follows where it is led, and tells `say` so before it does. Any status but a redirect is an answer.
    pub fn get(
        &self,
        address: &str,
        headers: &[(&str, &str)],
        say: &mut dyn FnMut(&str),
    ) -> Result<Response<Body>, Failure> {
        let mut address = address.to_owned();
        for _ in 0..=REDIRECTS {
            let uri = uri(&address)?;
            let response = self.ask(&uri, headers)?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            let location = response.headers().get(header::LOCATION);
            let location = location.and_then(|location| location.to_str().ok());
            let location = location.ok_or_else(|| {
                Failure::could_not_run(format!(
                    "{} leads elsewhere and does not say where",
                    host(&uri)
                ))
            })?;
            address = led(&uri, location);
            let next = self::uri(&address)?;
            if uri.scheme_str() == Some("https") && next.scheme_str() != Some("https") {
                return Err(Failure::could_not_run(format!(
                    "{} leads to {} without TLS: not followed",
                    host(&uri),
                    host(&next)
                )));
            }
            let through = self.through(&next);
            say(&format!("led on to {}{}", host(&next), through));
        }
        Err(Failure::could_not_run(format!(
            "led elsewhere more than {REDIRECTS} times: not followed further"
        )))
    }

    /// Words for the proxy that an address is asked through.
    pub fn through(&self, uri: &Uri) -> String {
        self.proxy_for(uri).map_or_else(String::new, |proxy| {
            format!(", through the proxy {}", proxy::shown(&proxy))
        })
    }

    fn proxy_for(&self, uri: &Uri) -> Option<String> {
        proxy::proxy(
            uri.scheme_str().unwrap_or_default(),
            uri.host().unwrap_or_default(),
            self.proxy.as_deref(),
            |name| std::env::var(name).ok(),
        )
    }

    fn ask(&self, uri: &Uri, headers: &[(&str, &str)]) -> Result<Response<Body>, Failure> {
        let proxy = self.proxy_for(uri).map(|text| {
            let asked = proxy::asked(&text).and_then(|asked| Proxy::new(&asked).ok());
            asked.ok_or_else(|| {
                Failure::could_not_run(format!("{:?} is no proxy", proxy::shown(&text)))
                    .hint("give it as http://HOST:PORT or socks5://HOST:PORT, with --proxy or in the environment")
            })
        });
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy.transpose()?)
            .user_agent(concat!("tracer/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .tls_config(TlsConfig::builder().root_certs(self.roots.clone()).build())
            .timeout_global(Some(WHOLE))
            .timeout_resolve(Some(self.patience))
            .timeout_connect(Some(self.patience))
            .timeout_recv_response(Some(self.patience))
            .timeout_per_read(Some(self.patience))
            .timeout_per_write(Some(self.patience))
            .build();
        let mut request = Agent::new_with_config(config).get(uri.clone());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.call().map_err(|error| self.failure(uri, &error))
    }

    /// Why there is no answer.
    fn failure(&self, uri: &Uri, error: &Error) -> Failure {
        let host = host(uri);
        match error {
            // Through a proxy only the proxy's own name is looked up here.
            error if is_of_names(error) && self.proxy_for(uri).is_none() => Failure::could_not_run(format!("{host} is not found")).hint(
                "see whether this machine resolves names; else take --proxy, whose proxy does, or --from with what another machine fetched",
            ),
            Error::Timeout(_) => Failure::could_not_run(format!(
                "{host} was silent for {} s",
                self.patience.as_secs()
            ))
            .hint("try again later, or with a longer --timeout"),
            error if is_of_tls(error) => {
                Failure::could_not_run(format!("{host} is not trusted: {error}"))
                    .hint("where a proxy of your own ends TLS, give its authority with --ca-file")
            }
            Error::ConnectProxyFailed(why) => {
                Failure::could_not_run(format!("the proxy does not lead to {host}: {}", why.trim()))
                    .hint(match self.proxy {
                        Some(_) => "give another one with --proxy",
                        None => "give another one with --proxy, or name the host in NO_PROXY",
                    })
            }
            error => {
                let failure = Failure::could_not_run(format!("{host}{}: {error}", self.through(uri)));
                match self.proxy_for(uri) {
                    Some(_) => failure.hint("see whether the proxy is there: --proxy, or *_proxy in the environment"),
                    None => failure,
                }
            }
        }
    }
}

/// Whether the name of the server leads nowhere. That nobody could be asked for it comes as an error of the standard library,
/// which has no kind of its own.
fn is_of_names(error: &Error) -> bool {
    match error {
        Error::HostNotFound => true,
        Error::Io(error) => error
            .to_string()
            .starts_with("failed to lookup address information"),
        _ => false,
    }
}

/// Whether TLS refuses the server. What it finds during the handshake comes as an error of reading.
fn is_of_tls(error: &Error) -> bool {
    match error {
        Error::Rustls(_) => true,
        Error::Io(error) => error.kind() == ErrorKind::InvalidData,
        _ => false,
    }
}

/// An address that can be asked.
pub fn uri(address: &str) -> Result<Uri, Failure> {
    let uri: Option<Uri> = address.parse().ok().filter(|_| address.len() <= LONGEST);
    uri.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
        .ok_or_else(|| {
            Failure::could_not_run(format!("{address:?} is no address of HTTP"))
                .hint("give it as https://HOST/PATH, with other letters than ASCII escaped")
        })
}

/// Whom an address contacts.
pub fn host(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    uri.port_u16()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Where a `Location` leads that stands in the answer for `uri`.
fn led(uri: &Uri, location: &str) -> String {
    let origin = format!(
        "{}://{}",
        uri.scheme_str().unwrap_or_default(),
        uri.authority().map_or("", |authority| authority.as_str())
    );
    // What stands before the first colon is a scheme, unless that is behind the path's beginning (RFC 3986 section 4.2).
    let has_scheme = location
        .split_once(':')
        .is_some_and(|(scheme, _)| !scheme.is_empty() && !scheme.contains(['/', '?', '#']));
    if has_scheme {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{}:{location}", uri.scheme_str().unwrap_or_default())
    } else if location.starts_with('/') {
        format!("{origin}{location}")
    } else if location.starts_with('?') {
        format!("{origin}{}{location}", uri.path())
    } else {
        let folder = uri.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{origin}{folder}/{location}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_read_beside_the_address_that_led_there() {
        let check = |location, expected: &str| {
            let uri = uri("https://h:8443/a/b?c").expect("an address");
            assert_eq!(led(&uri, location), expected);
        };
        check("http://other/x", "http://other/x");
        check("//other/x", "https://other/x");
        check("/x?y=z", "https://h:8443/x?y=z");
        check("x", "https://h:8443/a/x");
        check("/x?to=http://y", "https://h:8443/x?to=http://y");
        check("x?to=http://y", "https://h:8443/a/x?to=http://y");
        check("?d=e", "https://h:8443/a/b?d=e");
    }

    #[test]
    fn only_http_is_asked() {
        let check = |address, is| assert_eq!(uri(address).is_ok(), is, "{address}");
        check("https://h/x", true);
        check("http://[::1]:80/x", true);
        check("file:///etc/passwd", false);
        check("/x", false);
        check("", false);
        check("https://h/a b", false);
        check(&format!("https://h/{}", "a".repeat(LONGEST)), false);
    }
}
