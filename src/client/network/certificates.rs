//! The certificates that a client trusts: what each of them may verify, and which are left out.
//!
//! webpki accepts every given certificate as a trust anchor: it checks neither its dates nor whether it is an authority
//! at all. OpenSSL does, so a bundle that works with curl and requests may contain certificates that must not be
//! trusted. This module makes up the difference.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use rustls::{CertificateError, OtherError};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath, anchor_from_trusted_cert};
use x509_cert::der::Decode;
use x509_cert::der::oid::db::rfc5280::{ANY_EXTENDED_KEY_USAGE, ID_KP_SERVER_AUTH};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{self, BasicConstraints, ExtendedKeyUsage, SubjectAltName};
use x509_cert::{Certificate, Version};

/// The environment variables for a file of certificates; the first that is set counts. Python's tools read them.
const VARIABLES: [&str; 2] = ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"];
/// Folders of certificates that OpenSSL reads besides `SSL_CERT_FILE`.
const FOLDERS: &str = "SSL_CERT_DIR";
/// The largest file of a folder that is read, in bytes; all authorities of a system take 0.2 MB.
const LONGEST_OF_FOLDER: u64 = 4_000_000;
/// How many of the names in a certificate are shown.
const NAMES_SHOWN: usize = 5;
/// How much of a certificate's name is shown, in characters: a stranger wrote it.
const NAME_SHOWN: usize = 200;
/// How many of the left-out certificates are named.
const LEFT_OUT_SHOWN: usize = 5;

/// Certificates from a file or a folder, or those of this machine.
pub(super) struct RootStore {
    certificates: Vec<Trusted>,
    left_out: Vec<LeftOut>,
    path: PathBuf,
    /// The argument or variable that named the path.
    source: &'static str,
}

/// A certificate that is trusted for something.
struct Trusted {
    der: CertificateDer<'static>,
    details: Details,
    /// Set if it may sign the certificates of servers, or of other authorities.
    authority: Option<Authority>,
}

struct Authority {
    anchor: TrustAnchor<'static>,
    /// How many authorities may be between it and a server, if it is limited.
    max_between: Option<usize>,
}

/// A certificate that is not trusted.
struct LeftOut {
    name: String,
    subject: String,
    reason: String,
}

impl RootStore {
    /// The certificates that the caller names.
    pub(super) fn given(path: PathBuf) -> Result<Self, String> {
        let path = if path.exists() { path } else { trimmed(path.into()).into() };
        let (certificates, left_out) = read(&path).map_err(|problem| format!("is {}: {problem}", path.display()))?;
        Ok(Self { certificates, left_out, path, source: "ca_bundle" })
    }

    /// The certificates that the environment names, if any.
    pub(super) fn of_environment() -> Result<Option<Self>, String> {
        // An empty variable, as in a .env file, counts as unset.
        let set = |name: &&str| Some(trimmed(std::env::var_os(name)?)).filter(|value| !value.is_empty());
        let Some((name, path)) = VARIABLES.iter().find_map(|name| Some((*name, PathBuf::from(set(name)?)))) else {
            return Ok(None);
        };
        let refused = |problem| format!("the environment variable {name} names {}: {problem}", path.display());
        let (mut certificates, mut left_out) = read(&path).map_err(refused)?;
        if name == "SSL_CERT_FILE"
            && let Some(folders) = set(&FOLDERS)
        {
            for (more, others) in std::env::split_paths(&folders).filter_map(|folder| read(&folder).ok()) {
                certificates.extend(more);
                left_out.extend(others);
            }
        }
        Ok(Some(Self { certificates, left_out, path, source: name }))
    }

    /// The certificates of this machine, from the places where its distribution keeps them.
    #[cfg(all(unix, not(target_vendor = "apple"), not(target_os = "android")))]
    pub(super) fn of_system() -> Result<Self, String> {
        let found = openssl_probe::probe();
        let mut all = Certificates::new();
        for path in found.cert_file.iter().chain(&found.cert_dir) {
            let read = if path.is_dir() { read_folder(path) } else { read_file(path) };
            all.extend(read.unwrap_or_default());
        }
        let (certificates, left_out) = sort(all);
        if certificates.is_empty() {
            return Err("none were found".to_owned());
        }
        Ok(Self { certificates, left_out, path: found.cert_file.unwrap_or_default(), source: "system" })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Which certificates are left out, and why; `None` if none are.
    pub(super) fn warning(&self) -> Option<String> {
        let count = self.left_out.len();
        if count == 0 {
            return None;
        }
        let mut reasons: Vec<String> = self.left_out.iter().take(LEFT_OUT_SHOWN).map(ToString::to_string).collect();
        if count > LEFT_OUT_SHOWN {
            reasons.push(format!("{} more", count - LEFT_OUT_SHOWN));
        }
        let counted = if count == 1 { "1 certificate is".to_owned() } else { format!("{count} certificates are") };
        Some(format!("{self:?}: {counted} left out: {}", reasons.join("; ")))
    }

    /// Why the certificate with this name verifies no other, if so.
    pub(super) fn why_not(&self, subject: &str, now: UnixTime) -> Option<String> {
        let left_out = self.left_out.iter().find(|each| each.subject == subject).map(ToString::to_string);
        left_out.or_else(|| {
            let trusted = self.certificates.iter().find(|each| each.details.subject == subject)?;
            let name = trusted.details.name();
            if !trusted.details.is_timely(now) {
                return Some(format!("{name} {}", trusted.details.when(now)));
            }
            trusted
                .authority
                .is_none()
                .then(|| format!("{name} is a server's own certificate, valid for that server only"))
        })
    }

    /// Checks that a server's certificate is trusted, and is for that server.
    pub(super) fn verify(
        &self,
        chain: &Chain<'_>,
        algorithms: &[&dyn SignatureVerificationAlgorithm],
    ) -> Result<(), CertificateError> {
        let Chain { end_entity, intermediates, server_name, now } = *chain;
        let certificate = EndEntityCert::try_from(end_entity).map_err(refused)?;
        let is_timely = |trusted: &&Trusted| trusted.details.is_timely(now);
        let timely = || self.certificates.iter().filter(is_timely);
        // A self-signed server certificate that is trusted itself needs no authority.
        if !timely().any(|trusted| trusted.details.is_self_issued() && trusted.der == *end_entity) {
            let authorities: Vec<&Authority> = timely().filter_map(|trusted| trusted.authority.as_ref()).collect();
            let anchors: Vec<TrustAnchor<'_>> = authorities.iter().map(|each| each.anchor.clone()).collect();
            let is_short_enough = |path: &VerifiedPath<'_>| {
                let index = anchors.iter().position(|anchor| std::ptr::eq(anchor, path.anchor()));
                let most = index.and_then(|index| authorities.get(index)?.max_between);
                let between = path.intermediate_certificates().filter(|each| each.issuer() != each.subject()).count();
                if most.is_some_and(|most| between > most) {
                    return Err(webpki::Error::PathLenConstraintViolated);
                }
                Ok(())
            };
            certificate
                .verify_for_usage(
                    algorithms,
                    &anchors,
                    intermediates,
                    now,
                    KeyUsage::server_auth(),
                    None,
                    Some(&is_short_enough),
                )
                .map_err(refused)?;
        }
        certificate.verify_is_valid_for_subject_name(server_name).map_err(|_| CertificateError::NotValidForName)
    }
}

/// A path without the white space around it, such as the newline of the file that it was read from.
fn trimmed(path: OsString) -> OsString {
    path.to_str().map(|text| text.trim().into()).unwrap_or(path)
}

impl fmt::Debug for RootStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.path.display(), self.source)
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.name, self.reason)
    }
}

/// A server's certificate chain, and the time to verify it for.
pub(super) struct Chain<'shown> {
    pub(super) end_entity: &'shown CertificateDer<'shown>,
    pub(super) intermediates: &'shown [CertificateDer<'shown>],
    pub(super) server_name: &'shown ServerName<'shown>,
    pub(super) now: UnixTime,
}

type Certificates = HashSet<CertificateDer<'static>>;

/// The certificates in a file, or in the files of a folder.
fn read(path: &Path) -> Result<(Vec<Trusted>, Vec<LeftOut>), String> {
    let is_folder = fs::metadata(path).map_err(unreadable)?.is_dir();
    let (certificates, left_out) = sort(if is_folder { read_folder(path) } else { read_file(path) }?);
    let now = UnixTime::now();
    if certificates.iter().any(|trusted| trusted.details.is_timely(now)) {
        return Ok((certificates, left_out));
    }
    match left_out.first() {
        None => Err("it holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)".to_owned()),
        Some(first) => Err(format!("none of its certificates can verify a server: {first}")),
    }
}

fn read_file(path: &Path) -> Result<Certificates, String> {
    let content = fs::read(path).map_err(unreadable)?;
    let certificates: Result<_, pem::Error> = CertificateDer::pem_slice_iter(&content).collect();
    certificates.map_err(|error| format!("it is incomplete ({error})"))
}

fn read_folder(path: &Path) -> Result<Certificates, String> {
    // Such folders contain other files too, and most certificates under two names.
    let is_like_one =
        |path: &PathBuf| fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() <= LONGEST_OF_FOLDER);
    let files = fs::read_dir(path).map_err(unreadable)?.flatten().map(|entry| entry.path()).filter(is_like_one);
    Ok(files.filter_map(|file| read_file(&file).ok()).flatten().collect())
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err hands it over")]
fn unreadable(error: io::Error) -> String {
    format!("it cannot be read ({error})")
}

/// Separates the trusted certificates from the others. A certificate outside its validity period is kept, since it may
/// become valid while the process runs, but is named.
fn sort(certificates: Certificates) -> (Vec<Trusted>, Vec<LeftOut>) {
    let now = UnixTime::now();
    let (mut trusted, mut left_out) = (Vec::new(), Vec::new());
    for der in certificates {
        let Some(details) = Details::of(&der) else {
            let (name, subject) = ("a certificate".to_owned(), String::new());
            left_out.push(LeftOut { name, subject, reason: "cannot be read".to_owned() });
            continue;
        };
        let (name, subject) = (details.name(), details.subject.clone());
        let authority = match authority(&der, &details) {
            Ok(authority) => authority,
            Err(reason) => {
                left_out.push(LeftOut { name, subject, reason });
                continue;
            }
        };
        if !details.is_timely(now) {
            left_out.push(LeftOut { name, subject, reason: details.when(now) });
        }
        trusted.push(Trusted { der, details, authority });
    }
    left_out.sort_by(|one, other| one.name.cmp(&other.name));
    (trusted, left_out)
}

/// The authority of a certificate, if it is one; `None` for a self-signed server certificate, valid for that server
/// only; or why it is not trusted. The rules are OpenSSL's.
fn authority(der: &CertificateDer<'_>, details: &Details) -> Result<Option<Authority>, String> {
    let odd = |what: &str| format!("has {what} that cannot be read");
    let certificate = Certificate::from_der(der).map_err(|_| "cannot be read".to_owned())?;
    let certificate = certificate.tbs_certificate();
    let constraints = certificate.get_extension::<BasicConstraints>().map_err(|_| odd("basic constraints"))?;
    let usage = certificate.get_extension::<pkix::KeyUsage>().map_err(|_| odd("a key usage"))?;
    let purposes = certificate.get_extension::<ExtendedKeyUsage>().map_err(|_| odd("an extended key usage"))?;
    if let Some((_, ExtendedKeyUsage(purposes))) = purposes
        && !purposes.iter().any(|purpose| [ID_KP_SERVER_AUTH, ANY_EXTENDED_KEY_USAGE].contains(purpose))
    {
        return Err("is not for servers".to_owned());
    }
    let may_sign = usage.as_ref().map(|(_, usage)| usage.key_cert_sign());
    let is_authority = match &constraints {
        Some((_, constraints)) => constraints.ca,
        // Before there were extensions, an authority was a self-signed certificate.
        None if certificate.version() == Version::V1 => details.is_self_issued(),
        None => may_sign == Some(true),
    };
    if is_authority && may_sign != Some(false) {
        let anchor = anchor_from_trusted_cert(der).map_err(|error| format!("cannot be read ({error})"))?.to_owned();
        let max_between = constraints.and_then(|(_, constraints)| constraints.path_len_constraint).map(usize::from);
        return Ok(Some(Authority { anchor, max_between }));
    }
    if details.is_self_issued() {
        return Ok(None);
    }
    Err("is the certificate of a server, not of an authority: give that of the authority that issued it".to_owned())
}

fn refused(error: webpki::Error) -> CertificateError {
    match error {
        webpki::Error::UnknownIssuer => CertificateError::UnknownIssuer,
        webpki::Error::InvalidSignatureForPublicKey => CertificateError::BadSignature,
        webpki::Error::CertExpired { .. } => CertificateError::Expired,
        webpki::Error::CertNotValidYet { .. } => CertificateError::NotValidYet,
        other => CertificateError::Other(OtherError(std::sync::Arc::new(other))),
    }
}

/// The content of a certificate.
#[derive(Clone)]
pub(super) struct Details {
    pub(super) subject: String,
    pub(super) issuer: String,
    names: Vec<String>,
    not_before: u64,
    not_after: u64,
}

impl Details {
    pub(super) fn of(der: &CertificateDer<'_>) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let certificate = certificate.tbs_certificate();
        let names = match certificate.get_extension::<SubjectAltName>() {
            Ok(Some((_, names))) => names.0.iter().filter_map(name).collect(),
            _ => Vec::new(),
        };
        let validity = certificate.validity();
        Some(Self {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            names,
            not_before: validity.not_before.to_unix_duration().as_secs(),
            not_after: validity.not_after.to_unix_duration().as_secs(),
        })
    }

    pub(super) fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    pub(super) fn is_timely(&self, now: UnixTime) -> bool {
        (self.not_before..=self.not_after).contains(&now.as_secs())
    }

    /// Its subject, or its host names if it has none.
    fn name(&self) -> String {
        if self.subject.is_empty() { self.for_whom() } else { quoted(&self.subject) }
    }

    /// When it was or will be valid.
    fn when(&self, now: UnixTime) -> String {
        if now.as_secs() > self.not_after {
            format!("expired on {}", moment(self.not_after))
        } else {
            format!("is valid only from {}", moment(self.not_before))
        }
    }

    pub(super) fn out_of_time(&self, now: UnixTime) -> String {
        let (now, not_before, not_after) = (now.as_secs(), moment(self.not_before), moment(self.not_after));
        let clock = format!("this machine's clock says {}", moment(now));
        if now > self.not_after {
            format!(
                "{self} expired on {not_after}, and {clock}: if that is right, the server's administrator must renew it"
            )
        } else {
            format!("{self} is valid only from {not_before}, but {clock}: check the clock")
        }
    }

    pub(super) fn for_whom(&self) -> String {
        if self.names.is_empty() {
            return "no host".to_owned();
        }
        let shown: Vec<String> = self.names.iter().take(NAMES_SHOWN).map(|name| quoted(name)).collect();
        let more = self.names.len().saturating_sub(NAMES_SHOWN);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!("{}{more}", shown.join(", "))
    }
}

impl fmt::Display for Details {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuer = if self.is_self_issued() { "itself".to_owned() } else { quoted(&self.issuer) };
        write!(formatter, "{}, issued by {issuer},", self.name())
    }
}

/// A server's name in a certificate.
fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(address) => {
            let bytes = address.as_bytes();
            <[u8; 4]>::try_from(bytes)
                .map(|bytes| std::net::Ipv4Addr::from(bytes).to_string())
                .or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| std::net::Ipv6Addr::from(bytes).to_string()))
                .ok()
        }
        _ => None,
    }
}

/// A text from a certificate, which anybody may have written, as one line.
fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(NAME_SHOWN).collect::<String>())
}

fn moment(seconds: u64) -> String {
    let moment = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    moment.map_or_else(|| "a date out of range".to_owned(), |moment| moment.strftime("%Y-%m-%d %H:%M UTC").to_string())
}
