//! Through which proxy is an address asked? That which was given, or the one of the environment, unless `NO_PROXY` has the
//! host.
//!
//! The environment's words are the usual ones: `https_proxy` or `http_proxy` after the scheme, then `all_proxy`, each in capitals
//! too.

/// The proxy for a host, or none. `variable` reads the environment.
pub fn proxy(
    scheme: &str,
    host: &str,
    given: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    if let Some(given) = given {
        return Some(given.to_owned());
    }
    let either = |name: &str| {
        [name.to_ascii_lowercase(), name.to_ascii_uppercase()]
            .iter()
            .find_map(|name| variable(name).filter(|value| !value.is_empty()))
    };
    if either("no_proxy").is_some_and(|list| is_in(host, &list)) {
        return None;
    }
    either(&format!("{scheme}_proxy")).or_else(|| either("all_proxy"))
}

/// Whether a list of `NO_PROXY` has a host: itself, a domain above it, or everything.
fn is_in(host: &str, list: &str) -> bool {
    let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
    list.split([',', ' ']).any(|entry| {
        let entry = entry.trim().to_ascii_lowercase();
        let entry = entry.trim_start_matches('*').trim_start_matches('.');
        let entry = entry.trim_matches(['[', ']']);
        match host.strip_suffix(entry) {
            // What was `*`, and what was nothing at all.
            Some(_) if entry.is_empty() => list.split([',', ' ']).any(|entry| entry.trim() == "*"),
            Some(above) => above.is_empty() || above.ends_with('.'),
            None => false,
        }
    })
}

/// A proxy as the library is to take it: where there is a choice, it finds out itself who has a name. `None` where it is of no kind that is
/// known here.
pub fn asked(proxy: &str) -> Option<String> {
    match proxy.split_once("://") {
        None => Some(format!("http://{proxy}")),
        Some(("http" | "https" | "socks5h", _)) => Some(proxy.to_owned()),
        Some(("socks5", rest)) => Some(format!("socks5h://{rest}")),
        Some(_) => None,
    }
}

/// A proxy as it is shown: without user and password.
pub fn shown(proxy: &str) -> String {
    let (scheme, rest) = proxy.split_once("://").unwrap_or(("http", proxy));
    let host = rest.rsplit('@').next().unwrap_or(rest);
    format!("{scheme}://{}", host.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(scheme: &str, host: &str, environment: &[(&str, &str)], expected: Option<&str>) {
        let variable = |name: &str| {
            let found = environment.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let found = proxy(scheme, host, None, variable);
        assert_eq!(
            found.as_deref(),
            expected,
            "{scheme} {host} {environment:?}"
        );
    }

    #[test]
    fn the_environment_says_which_for_each_scheme() {
        let both = [
            ("https_proxy", "a"),
            ("HTTP_PROXY", "b"),
            ("ALL_PROXY", "c"),
        ];
        check("https", "h", &both, Some("a"));
        check("http", "h", &both, Some("b"));
        check("https", "h", &both[1..], Some("c"));
        check(
            "https",
            "h",
            &[("https_proxy", ""), ("ALL_PROXY", "c")],
            Some("c"),
        );
        check("https", "h", &both[1..2], None);
        check("https", "h", &[], None);
    }

    #[test]
    fn no_proxy_names_hosts_and_domains() {
        let under = |list, host, direct: bool| {
            let environment = [("all_proxy", "p"), ("no_proxy", list)];
            check("http", host, &environment, (!direct).then_some("p"));
        };
        under("*", "any.example", true);
        under("a.example, b.example", "b.example", true);
        under("example", "b.Example", true);
        under(".example", "b.example", true);
        under("*.example", "b.example", true);
        under("ample", "b.example", false);
        under("b.example", "example", false);
        under("", "example", false);
        under(",", "example", false);
        under("::1", "[::1]", true);
    }

    #[test]
    fn of_a_proxy_that_may_find_names_it_is_asked() {
        let check = |text, expected: Option<&str>| assert_eq!(asked(text).as_deref(), expected);
        check("p:1", Some("http://p:1"));
        check("https://p", Some("https://p"));
        check("socks5://me:x@p:1", Some("socks5h://me:x@p:1"));
        check("socks5h://p:1", Some("socks5h://p:1"));
        check("socks4://p:1", None);
        check("ftp://p", None);
    }

    #[test]
    fn a_given_one_is_taken_and_no_password_is_shown() {
        let found = proxy("http", "h", Some("http://p"), |_| Some("*".to_owned()));
        assert_eq!(found.as_deref(), Some("http://p"));
        assert_eq!(
            shown("http://me:secret@p.example:8080/"),
            "http://p.example:8080"
        );
        assert_eq!(shown("p.example"), "http://p.example");
    }
}
