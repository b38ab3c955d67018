//! Whom this program trusts where it is the client: the certificate authorities of a machine or of
//! a file.

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// Authorities that may vouch for a server; by default there are none.
#[derive(Clone, Debug, Default)]
pub struct Roots(Vec<CertificateDer<'static>>);

impl Roots {
    /// Those of this machine, wherever its distribution keeps them, or of `SSL_CERT_FILE`.
    pub fn of_this_machine() -> Roots {
        Roots(rustls_native_certs::load_native_certs().certs)
    }

    /// Those of the text of a PEM file; none where it has no certificate that is whole.
    pub fn of_pem(text: &str) -> Option<Roots> {
        certificates(text).map(Roots)
    }

    /// For HTTP.
    pub fn for_http(&self) -> TlsConfig {
        let certificates: Vec<_> = self.0.iter().map(|one| Certificate::from_der(one).to_owned()).collect();
        TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&certificates))
            .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
            .build()
    }

    /// For anything else: what the HTTP client makes of [`Roots::for_http`], too.
    ///
    /// # Errors
    /// The cryptography knows no version of TLS.
    pub fn for_streams(&self) -> Result<ClientConfig, rustls::Error> {
        self.for_streams_as(None)
    }

    /// The same, as whoever has that identity.
    ///
    /// # Errors
    /// Its certificate and its key do not belong together.
    pub fn for_streams_as(&self, identity: Option<Identity>) -> Result<ClientConfig, rustls::Error> {
        let mut store = RootCertStore::empty();
        // A machine may have ancient ones, which nobody needs.
        store.add_parsable_certificates(self.0.iter().cloned());
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions()?.with_root_certificates(store);
        match identity {
            Some(Identity { chain, key }) => builder.with_client_auth_cert(chain, key),
            None => Ok(builder.with_no_client_auth()),
        }
    }
}

/// A certificate, those of its issuers, and its key.
pub struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Identity {
    /// That of the texts of two PEM files.
    ///
    /// # Errors
    /// A sentence about one of the two, which quotes nothing of it.
    pub fn of_pem(certificates: &str, key: &str) -> Result<Identity, TlsError> {
        let chain = self::certificates(certificates)
            .ok_or_else(|| TlsError::Certificate("this is no PEM file with -----BEGIN CERTIFICATE-----".to_owned()))?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| {
            TlsError::Key("this is no PEM file with an unencrypted -----BEGIN PRIVATE KEY-----".to_owned())
        })?;
        Ok(Identity { chain, key })
    }
}

/// What is wrong with which of the two files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsError {
    /// The certificates.
    Certificate(String),
    /// The key, or that it is not the certificate's.
    Key(String),
}

/// The certificates of a PEM text; nothing where there is none, or one is broken.
fn certificates(text: &str) -> Option<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    all.ok().filter(|all| !all.is_empty())
}
