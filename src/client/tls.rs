//! Whom a client trusts, and what it says about a certificate that it does not trust.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{self, CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// The variables that name a file of certificates; the first that is there counts. Python's tools read them.
const VARIABLES: [&str; 2] = ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"];
/// Folders of certificates that OpenSSL reads besides `SSL_CERT_FILE`.
const FOLDERS: &str = "SSL_CERT_DIR";
/// The longest file of a folder that is read, in bytes; all the authorities of a system take 0.2 MB.
const LONGEST_OF_FOLDER: u64 = 4_000_000;
/// How many of the names in a certificate are told.
const NAMES_TOLD: usize = 5;
/// How much of a name in a certificate is told, in characters: it comes from a stranger.
const NAME_TOLD: usize = 200;

/// How the connections of a client are encrypted. `given` is what the caller trusts instead of what the environment or
/// the system says.
pub(super) fn configuration(given: Option<Arc<Authorities>>) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(crypto::ring::default_provider());
    let verifier = Verifier { given, provider: Arc::clone(&provider), judge: OnceLock::new() };
    let mut configuration = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    configuration.alpn_protocols = vec!["h2".into(), "http/1.1".into()];
    Ok(configuration)
}

/// Certificate authorities from a file or a folder.
pub(super) struct Authorities {
    roots: Arc<RootCertStore>,
    path: PathBuf,
    /// What named the path.
    source: &'static str,
}

impl Authorities {
    /// Those that the caller names.
    pub(super) fn given(path: PathBuf) -> Result<Self, String> {
        let roots = read(&path).map_err(|problem| format!("is {}: {problem}", path.display()))?;
        Ok(Self { roots: Arc::new(roots), path, source: "ca_bundle" })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Those that the environment names, if it does.
    fn of_environment() -> Result<Option<Self>, String> {
        let set = |name: &&str| std::env::var_os(name).filter(|value| !value.is_empty());
        let Some((name, path)) = VARIABLES.iter().find_map(|name| Some((*name, PathBuf::from(set(name)?)))) else {
            return Ok(None);
        };
        let refused = |problem| format!("the environment variable {name} names {}: {problem}", path.display());
        let mut roots = read(&path).map_err(refused)?;
        if name == "SSL_CERT_FILE"
            && let Some(folders) = set(&FOLDERS)
        {
            let read = std::env::split_paths(&folders).filter_map(|folder| read(&folder).ok());
            roots.extend(read.flat_map(|read| read.roots));
        }
        Ok(Some(Self { roots: Arc::new(roots), path, source: name }))
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.path.display(), self.source)
    }
}

type Certificates = HashSet<CertificateDer<'static>>;

/// The authorities in a file, or in the files of a folder.
fn read(path: &Path) -> Result<RootCertStore, String> {
    let is_folder = fs::metadata(path).map_err(unreadable)?.is_dir();
    let certificates = if is_folder { read_folder(path) } else { read_file(path) }?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    if roots.is_empty() {
        return Err("it holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)".to_owned());
    }
    Ok(roots)
}

fn read_file(path: &Path) -> Result<Certificates, String> {
    let content = fs::read(path).map_err(unreadable)?;
    let certificates: Result<_, pem::Error> = CertificateDer::pem_slice_iter(&content).collect();
    certificates.map_err(|error| format!("it is not whole ({error})"))
}

fn read_folder(path: &Path) -> Result<Certificates, String> {
    // Such folders hold other things too, and most certificates under two names.
    let is_like_one =
        |path: &PathBuf| fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() <= LONGEST_OF_FOLDER);
    let files = fs::read_dir(path).map_err(unreadable)?.flatten().map(|entry| entry.path()).filter(is_like_one);
    Ok(files.filter_map(|file| read_file(&file).ok()).flatten().collect())
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err hands it over")]
fn unreadable(error: io::Error) -> String {
    format!("it cannot be read ({error})")
}

/// Nobody can be trusted, since the list of those who are cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct WithoutAuthorities(pub(super) String);

/// A certificate that is not trusted: which it is, why, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Rejected(String);

/// Judges certificates, and tells what is wrong with those that it rejects.
#[derive(Debug)]
struct Verifier {
    given: Option<Arc<Authorities>>,
    provider: Arc<CryptoProvider>,
    /// Made when it is needed, so that what is not encrypted needs no certificates.
    judge: OnceLock<Judge>,
}

#[derive(Debug)]
struct Judge {
    verifier: Arc<dyn ServerCertVerifier>,
    /// Where the authorities are from.
    place: String,
    /// Whether they stand in for those of the machine.
    is_bundle: bool,
}

impl Verifier {
    fn judge(&self) -> Result<&Judge, WithoutAuthorities> {
        if let Some(judge) = self.judge.get() {
            return Ok(judge);
        }
        let bundle = match &self.given {
            Some(given) => Some(Arc::clone(given)),
            None => Authorities::of_environment().map_err(WithoutAuthorities)?.map(Arc::new),
        };
        let judge = match bundle {
            Some(authorities) => Judge::of(&authorities, &self.provider)?,
            None => Judge::of_system(&self.provider)?,
        };
        Ok(self.judge.get_or_init(|| judge))
    }
}

impl Judge {
    fn of(authorities: &Authorities, provider: &Arc<CryptoProvider>) -> Result<Self, WithoutAuthorities> {
        let roots = Arc::clone(&authorities.roots);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider)).build();
        let verifier = verifier.map_err(|error| WithoutAuthorities(format!("{authorities:?}: {error}")))?;
        Ok(Self { verifier, place: format!("{authorities:?}"), is_bundle: true })
    }

    fn of_system(provider: &Arc<CryptoProvider>) -> Result<Self, WithoutAuthorities> {
        let verifier = rustls_platform_verifier::Verifier::new(Arc::clone(provider)).map_err(|error| {
            WithoutAuthorities(format!(
                "this machine has no certificates of authorities ({error}): install them (the package \
                 ca-certificates), or name a file of them with ca_bundle= or SSL_CERT_FILE"
            ))
        })?;
        Ok(Self { verifier: Arc::new(verifier), place: "the trust store of this machine".to_owned(), is_bundle: false })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let judge = self.judge().map_err(|problem| rustls::Error::Other(OtherError(Arc::new(problem))))?;
        let verdict = judge.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        verdict.map_err(|error| match error {
            rustls::Error::InvalidCertificate(problem) => {
                let chain = Chain { end_entity, intermediates, server_name, now };
                let rejected = Rejected(chain.told(&problem, judge));
                rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(rejected))))
            }
            other => other,
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What a server shows, and when.
struct Chain<'shown> {
    end_entity: &'shown CertificateDer<'shown>,
    intermediates: &'shown [CertificateDer<'shown>],
    server_name: &'shown ServerName<'shown>,
    now: UnixTime,
}

impl Chain<'_> {
    /// Which certificate it is, what is wrong with it, and what to do.
    fn told(&self, problem: &CertificateError, judge: &Judge) -> String {
        let Some(own) = Details::of(self.end_entity) else {
            return format!("cannot be read: {problem}");
        };
        // The systems have words of their own for this, so it is looked at here.
        let untimely = || {
            let above = self.intermediates.iter().filter_map(Details::of);
            std::iter::once(own.clone()).chain(above).find(|details| !details.is_timely(self.now))
        };
        match problem {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => format!(
                "{own} is for {}, not for \"{}\": is that the right host? The login page of a network answers so too",
                own.for_whom(),
                self.server_name.to_str()
            ),
            CertificateError::UnknownIssuer | CertificateError::BadSignature => self.untrusted(&own, judge),
            CertificateError::Revoked => format!("{own} was revoked: whoever runs the server has to replace it"),
            problem => {
                if let Some(untimely) = untimely() {
                    return untimely.out_of_time(self.now);
                }
                let problem = problem.to_string();
                if problem.contains("CaUsedAsEndEntity") {
                    return format!(
                        "{own} is that of an authority, with which no server may show itself: the server needs a \
                         certificate of its own, issued by it"
                    );
                }
                format!("{own} is not accepted: {problem}")
            }
        }
    }

    fn untrusted(&self, own: &Details, judge: &Judge) -> String {
        let remedy = if judge.is_bundle {
            "add that authority's certificate to it, since a bundle replaces the certificates of this machine"
        } else {
            "if a proxy of your institution inspects traffic, or the server has an authority of its own, give that \
             authority's certificate with ca_bundle=\"/path/to/ca.pem\" or REQUESTS_CA_BUNDLE"
        };
        let perhaps = if self.intermediates.is_empty() && own.subject != own.issuer {
            "; or the server does not show the certificates in between, which whoever runs it has to change"
        } else {
            ""
        };
        format!("{own} comes from an authority that is not in {}: {remedy}{perhaps}", judge.place)
    }
}

/// What a certificate says.
#[derive(Clone)]
struct Details {
    subject: String,
    issuer: String,
    names: Vec<String>,
    not_before: u64,
    not_after: u64,
}

impl Details {
    fn of(der: &CertificateDer<'_>) -> Option<Self> {
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

    fn is_timely(&self, now: UnixTime) -> bool {
        (self.not_before..=self.not_after).contains(&now.as_secs())
    }

    fn out_of_time(&self, now: UnixTime) -> String {
        let (now, not_before, not_after) = (now.as_secs(), moment(self.not_before), moment(self.not_after));
        let clock = format!("this machine's clock says {}", moment(now));
        if now > self.not_after {
            format!(
                "{self} expired on {not_after}, and {clock}: if that is right, whoever runs the server must renew it"
            )
        } else {
            format!("{self} is good only from {not_before}, but {clock}: is that right?")
        }
    }

    fn for_whom(&self) -> String {
        if self.names.is_empty() {
            return "no host".to_owned();
        }
        let told: Vec<String> = self.names.iter().take(NAMES_TOLD).map(|name| quoted(name)).collect();
        let more = self.names.len().saturating_sub(NAMES_TOLD);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!("{}{more}", told.join(", "))
    }
}

impl fmt::Display for Details {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = if self.subject.is_empty() { self.for_whom() } else { quoted(&self.subject) };
        let issuer = if self.subject == self.issuer { "itself".to_owned() } else { quoted(&self.issuer) };
        write!(formatter, "{subject}, issued by {issuer},")
    }
}

/// A name of a server in a certificate.
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

/// A text from a certificate, which anybody can have written, on one line.
fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(NAME_TOLD).collect::<String>())
}

fn moment(seconds: u64) -> String {
    let moment = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    moment
        .map_or_else(|| "a day beyond all years".to_owned(), |moment| moment.strftime("%Y-%m-%d %H:%M UTC").to_string())
}
