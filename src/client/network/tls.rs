//! TLS: which certificates a client trusts, and why it rejects others.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{self, CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, SignatureScheme};
use tracing::info;

use super::certificates::{Chain, Details, RootStore};
use super::trace::Trace;
use crate::client::log::TARGET;

/// How messages name the certificates of this machine.
const SYSTEM: &str = "the trust store of this machine";

/// The TLS configuration. `given` are the caller's certificates, instead of those of the environment or the system.
pub(super) fn configuration(
    given: Option<Arc<RootStore>>,
    trace: Option<Arc<Trace>>,
) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(crypto::ring::default_provider());
    let verifier = Verifier { given, provider: Arc::clone(&provider), trusted: OnceLock::new(), trace: trace.clone() };
    let mut configuration = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    configuration.alpn_protocols = vec!["h2".into(), "http/1.1".into()];
    if let Some(trace) = trace {
        configuration.resumption = Resumption::store(trace);
    }
    Ok(configuration)
}

/// The trusted certificates cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct RootStoreUnavailable(pub(super) String);

/// A rejected certificate: which one, why, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Rejected(String);

/// Verifies certificates, and explains rejections.
#[derive(Debug)]
struct Verifier {
    given: Option<Arc<RootStore>>,
    provider: Arc<CryptoProvider>,
    /// Made on first use, so that unencrypted connections need no certificates.
    trusted: OnceLock<ChainVerifier>,
    /// Is told of each certificate, in a diagnosis.
    trace: Option<Arc<Trace>>,
}

/// Verifies a server's certificate chain.
type VerifyChain = dyn Fn(&Chain<'_>) -> Result<(), rustls::Error> + Send + Sync;

/// Verifies certificate chains against the trusted certificates.
struct ChainVerifier {
    verify: Box<VerifyChain>,
    /// The trusted certificates, unless only the system knows them.
    store: Option<Arc<RootStore>>,
    /// The source of the certificates, for messages.
    source: String,
    /// Whether they replace the certificates of this machine.
    is_bundle: bool,
}

impl Verifier {
    fn trusted(&self) -> Result<&ChainVerifier, RootStoreUnavailable> {
        if let Some(verifier) = self.trusted.get() {
            return Ok(verifier);
        }
        let bundle = match &self.given {
            Some(given) => Some(Arc::clone(given)),
            None => RootStore::of_environment().map_err(RootStoreUnavailable)?.map(Arc::new),
        };
        let verifier = match bundle {
            Some(store) => {
                // A bundle given as an argument was warned about when the client was made.
                if let (None, Some(warning)) = (&self.given, store.warning()) {
                    info!(target: TARGET, "{warning}");
                }
                let source = format!("{store:?}");
                ChainVerifier::of_store(store, source, true, &self.provider)
            }
            None => ChainVerifier::of_system(&self.provider)?,
        };
        Ok(self.trusted.get_or_init(|| verifier))
    }

    /// Verifies a chain, and returns what it was verified against.
    fn verify(&self, chain: &Chain<'_>) -> Result<&ChainVerifier, rustls::Error> {
        let trusted = self.trusted().map_err(|problem| rustls::Error::Other(OtherError(Arc::new(problem))))?;
        (trusted.verify)(chain).map_err(|error| match error {
            rustls::Error::InvalidCertificate(problem) => {
                let rejected = Rejected(chain.explain(&problem, trusted));
                rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(rejected))))
            }
            other => other,
        })?;
        Ok(trusted)
    }
}

impl fmt::Debug for ChainVerifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.source)
    }
}

impl ChainVerifier {
    fn of_store(store: Arc<RootStore>, source: String, is_bundle: bool, provider: &Arc<CryptoProvider>) -> Self {
        let (roots, algorithms) = (Arc::clone(&store), provider.signature_verification_algorithms.all);
        let verify = move |chain: &Chain<'_>| Ok(roots.verify(chain, algorithms)?);
        Self { verify: Box::new(verify), store: Some(store), source, is_bundle }
    }

    /// Linux and the BSDs keep certificates in files, which are read like a bundle.
    #[cfg(all(unix, not(target_vendor = "apple"), not(target_os = "android")))]
    fn of_system(provider: &Arc<CryptoProvider>) -> Result<Self, RootStoreUnavailable> {
        let store = RootStore::of_system().map_err(|problem| {
            RootStoreUnavailable(format!(
                "this machine has no certificates of authorities ({problem}): install them (the package \
                 ca-certificates), or name a file of them with ca_bundle= or SSL_CERT_FILE"
            ))
        })?;
        Ok(Self::of_store(Arc::new(store), SYSTEM.to_owned(), false, provider))
    }

    /// Windows and macOS verify certificates themselves.
    #[cfg(not(all(unix, not(target_vendor = "apple"), not(target_os = "android"))))]
    fn of_system(provider: &Arc<CryptoProvider>) -> Result<Self, RootStoreUnavailable> {
        let verifier = rustls_platform_verifier::Verifier::new(Arc::clone(provider)).map_err(|error| {
            RootStoreUnavailable(format!(
                "the certificates of this machine cannot be used ({error}): name a file of them with ca_bundle="
            ))
        })?;
        let verify = move |chain: &Chain<'_>| {
            let Chain { end_entity, intermediates, server_name, now } = *chain;
            verifier.verify_server_cert(end_entity, intermediates, server_name, &[], now).map(drop)
        };
        Ok(Self { verify: Box::new(verify), store: None, source: SYSTEM.to_owned(), is_bundle: false })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = Chain { end_entity, intermediates, server_name, now };
        let verified = self.verify(&chain);
        if let Some(trace) = &self.trace {
            trace.certificate(verified.as_ref().map(|trusted| chain.accepted(trusted)).map_err(drop));
        }
        verified.map(|_| ServerCertVerified::assertion())
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

impl Chain<'_> {
    /// Describes an accepted certificate.
    fn accepted(&self, trusted: &ChainVerifier) -> String {
        let own = Details::of(self.end_entity).map_or_else(String::new, |own| format!("{own} "));
        format!("its certificate {own}is trusted: verified with {}", trusted.source)
    }

    /// Explains a rejection: which certificate, what is wrong, and what to do.
    fn explain(&self, problem: &CertificateError, trusted: &ChainVerifier) -> String {
        let Some(own) = Details::of(self.end_entity) else {
            return format!("cannot be read: {problem}");
        };
        // The systems' own error messages differ, so the dates are checked here.
        let untimely = || {
            let above = self.intermediates.iter().filter_map(Details::of);
            std::iter::once(own.clone()).chain(above).find(|details| !details.is_timely(self.now))
        };
        match problem {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => format!(
                "{own} is for {}, not for \"{}\": check the host; the login page of a network answers like this, too",
                own.for_whom(),
                self.server_name.to_str()
            ),
            CertificateError::UnknownIssuer | CertificateError::BadSignature => self.untrusted(&own, trusted),
            CertificateError::Revoked => format!("{own} was revoked: the server's administrator has to replace it"),
            problem => {
                if let Some(untimely) = untimely() {
                    return untimely.out_of_time(self.now);
                }
                let problem = match problem {
                    CertificateError::Other(held) => held.0.to_string(),
                    other => other.to_string(),
                };
                if problem.contains("CaUsedAsEndEntity") {
                    return format!(
                        "{own} belongs to an authority, and no server may use such a certificate: the server needs a \
                         certificate of its own, issued by it"
                    );
                }
                format!("{own} is not accepted: {problem}")
            }
        }
    }

    fn untrusted(&self, own: &Details, trusted: &ChainVerifier) -> String {
        let last = self.intermediates.last().and_then(Details::of);
        let issuer = &last.as_ref().unwrap_or(own).issuer;
        if let Some(store) = &trusted.store
            && let Some(reason) = store.why_not(issuer, self.now)
        {
            return format!("{own} comes from an authority in {} that cannot be trusted: {reason}", trusted.source);
        }
        let remedy = if trusted.is_bundle {
            "add that authority's certificate to it, since a bundle replaces the certificates of this machine"
        } else {
            "if a proxy of your institution inspects traffic, or the server has an authority of its own, give that \
             authority's certificate with ca_bundle=\"/path/to/ca.pem\" or REQUESTS_CA_BUNDLE"
        };
        let perhaps = if self.intermediates.is_empty() && own.subject != own.issuer {
            "; or the server does not send the intermediate certificates, which its administrator has to change"
        } else {
            ""
        };
        format!("{own} comes from an authority that is not in {}: {remedy}{perhaps}", trusted.source)
    }
}
