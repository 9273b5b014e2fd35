//! School addresses: reads a name, host or URL, and decides which URLs may be used without TLS.

use std::net::IpAddr;

use url::{Host, Url, form_urlencoded};

use crate::api::{InvalidArgument, check};

/// The domain of every school's Studio, unless a full host is given. Documented.
const DOMAIN: &str = "instructuremedia.com";
/// The domain of every school's Canvas, unless the school has a host of its own. Observed.
const CANVAS_DOMAIN: &str = ".instructure.com";

/// The URL of a school given by name, host or URL: the same for each.
pub fn school_url(given: &str) -> Result<String, InvalidArgument> {
    base_url(given).map(|base| without_path(&base))
}

pub(super) fn without_path(base: &Url) -> String {
    base.as_str().trim_end_matches('/').to_owned()
}

/// Reads a school's name, host or URL. No message quotes it: it may contain a password or be a token.
pub(super) fn base_url(given: &str) -> Result<Url, InvalidArgument> {
    let refuse = |expected: &str| {
        Err(InvalidArgument::new(
            "url",
            format!(
                "{expected}; give the school's name (\"myschool\"), its host or its URL (\"https://myschool.{DOMAIN}\")"
            ),
        ))
    };
    let given = given.trim();
    if given.contains(|character: char| character.is_whitespace() || character.is_control()) {
        return refuse("must not contain white space");
    }
    if given.is_empty() {
        return refuse("must not be empty");
    }
    if check::is_quoted(given) {
        return refuse("is in quotation marks: leave them out");
    }
    let text = if given.contains("://") {
        given.to_owned()
    } else if given.contains(['.', ':', '/']) || given == "localhost" {
        format!("https://{given}")
    } else {
        format!("https://{given}.{DOMAIN}")
    };
    let Ok(url) = Url::parse(&text) else {
        return refuse("is not a host");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("must not contain a user name or password");
    }
    if url.domain().is_some_and(is_of_canvas) {
        return refuse(
            "is an address of Canvas, but Studio has a host of its own: in Canvas, Admin > Settings > Apps > View App \
             Configurations > Studio > Edit shows it in the Launch URL",
        );
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return refuse("must not contain a path, query or fragment");
    }
    // Some host names contain an underscore, but no school's name does.
    let is_bare = text != given && !given.contains('.');
    if url.domain().is_some_and(|name| !is_host_name(name) || (is_bare && name.contains('_'))) {
        return refuse("is not a host: between its dots are at most 63 letters, digits and dashes");
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => refuse("must begin with https: the token would be sent in the clear"),
        _ => refuse("must begin with https"),
    }
}

/// Whether a name is valid in the DNS. RFC 1035, section 2.3.4. A token passed as the URL mostly is not.
fn is_host_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|character| character.is_ascii_alphanumeric() || "-_".contains(character))
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// Whether a host belongs to a school's Canvas, which is another service.
fn is_of_canvas(name: &str) -> bool {
    name.trim_end_matches('.').to_ascii_lowercase().ends_with(CANVAS_DOMAIN)
}

/// Whether a URL points to this machine, where nobody can eavesdrop.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

/// Adds to the query of a URL. A space becomes `%20`: `+` means a space only in forms, and not every reader of a URL
/// treats it as a form. (A `+` in a value is `%2B`.)
pub(super) fn add_query<N: AsRef<str>, V: AsRef<str>>(url: &mut Url, pairs: impl IntoIterator<Item = (N, V)>) {
    let added = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().replace('+', "%20");
    if !added.is_empty() {
        let query = url.query().map_or_else(|| added.clone(), |own| format!("{own}&{added}"));
        url.set_query(Some(&query));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_school_is_named_in_several_ways() {
        for (given, expected) in [
            ("myschool", "https://myschool.instructuremedia.com"),
            (" myschool ", "https://myschool.instructuremedia.com"),
            ("myschool\r\n", "https://myschool.instructuremedia.com"),
            ("myschool.us-west-2.instructuremedia.com", "https://myschool.us-west-2.instructuremedia.com"),
            ("https://myschool.staging.instructuremedia.com/", "https://myschool.staging.instructuremedia.com"),
            ("https://studio.example.edu:8443", "https://studio.example.edu:8443"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("http://localhost", "http://localhost"),
        ] {
            assert_eq!(school_url(given).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_no_host_or_not_private_is_refused() {
        for given in [
            "",
            "  ",
            "https://",
            "https://myschool.instructuremedia.com/api/public/v1",
            "https://myschool.instructuremedia.com?x=1",
            "https://user:pass@myschool.instructuremedia.com",
            "http://myschool.instructuremedia.com",
            "http://127.0.0.1.example.com",
            "ftp://myschool.instructuremedia.com",
            "my school",
            &"a".repeat(64),
            &format!("{}.example.edu", "a".repeat(64)),
            "my_school",
            "-school",
            "my..school",
            "t0ken~with!signs",
        ] {
            assert_eq!(school_url(given).unwrap_err().argument, "url", "{given}");
        }
    }

    #[test]
    fn an_address_of_canvas_is_recognised_and_explained() {
        for given in [
            "myschool.instructure.com",
            "https://myschool.instructure.com/courses/12?x=1",
            "http://MYSCHOOL.BETA.Instructure.Com",
            "https://canvas.instructure.com.:443/",
        ] {
            let refusal = school_url(given).unwrap_err();
            assert!(refusal.expected.starts_with("is an address of Canvas"), "{given}: {refusal}");
            assert!(!refusal.to_string().to_lowercase().contains("instructure.com"), "{refusal}");
        }
        for given in ["instructure", "myinstructure.com", "instructure.com.example.edu", "x.instructuremedia.com"] {
            assert!(school_url(given).is_ok(), "{given}");
        }
    }

    #[test]
    fn an_address_in_quotation_marks_is_recognised_and_explained() {
        for given in
            ["\"myschool\"", "'https://myschool.instructuremedia.com'", "\u{201c}myschool\u{201d}", "\"myschool"]
        {
            let refusal = school_url(given).unwrap_err();
            assert!(refusal.expected.starts_with("is in quotation marks"), "{given}: {refusal}");
        }
    }
}
