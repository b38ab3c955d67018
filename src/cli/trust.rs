//! Whom a command trusts where a hub speaks TLS, and what is wrong where it doesn't.

use super::endpoint::Endpoint;
use super::failure::Failure;
use crate::config::file;
use crate::shell::roots::Roots;
use rustls::CertificateError;
use std::io;
use std::path::PathBuf;

/// The option that names authorities.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Trust {
    /// Trust a hub with TLS by the authorities of this file (PEM), in place of this machine's
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

impl Trust {
    /// Returns whom to trust at `hub`. Those of the machine are looked for only where that matters.
    ///
    /// # Errors
    /// [`Failure::Usage`] where the file can't be used.
    pub fn roots(&self, hub: &Endpoint) -> Result<Roots, Failure> {
        let Some(path) = &self.ca else {
            return Ok(if hub.is_tls { Roots::of_this_machine() } else { Roots::default() });
        };
        let wrong = |why: &str| Failure::Usage(format!("--ca {}: {why}", path.display()));
        let text = file::read(path).map_err(|error| wrong(&error.to_string()))?;
        Roots::of_pem(&text).ok_or_else(|| wrong("this is no PEM file with -----BEGIN CERTIFICATE-----"))
    }
}

/// Why there is no answer to a request, and who can do what.
pub fn why_not_http(error: &ureq::Error) -> String {
    if let ureq::Error::Rustls(error) = error {
        why_no_tls(error)
    } else if let ureq::Error::Io(error) = error {
        why_not(error)
    } else if let ureq::Error::Protocol(_) = error {
        format!("{error}; what answers there is not HTTP: if it is TLS, write https:// or wss://")
    } else {
        error.to_string()
    }
}

/// Why a connection doesn't come about, or has ended, and who can do what.
pub fn why_not(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(error) => why_no_tls(error),
        None if error.kind() == io::ErrorKind::ConnectionRefused => {
            format!("{error}; nobody listens there: --url names another hub")
        }
        None => error.to_string(),
    }
}

fn why_no_tls(error: &rustls::Error) -> String {
    if let rustls::Error::InvalidCertificate(error) = error {
        format!("{error}; {}", advice(error))
    } else if let rustls::Error::InvalidMessage(_) = error {
        // What is no record of TLS (RFC 8446 section 5.1).
        "what answers there is not TLS: write http:// or ws://, or the port that has TLS".to_owned()
    } else {
        error.to_string()
    }
}

/// What to do about a certificate.
fn advice(error: &CertificateError) -> &'static str {
    use CertificateError as Is;
    if matches!(error, Is::UnknownIssuer | Is::BadSignature) {
        "name the file of its authority with --ca; without it those of this machine count. \
         Or the hub does not send the certificates between: they belong into its file, behind its own"
    } else if matches!(error, Is::NotValidForName | Is::NotValidForNameContext { .. }) {
        "write the URL with a name that it has, or let the hub's operator renew it with this one"
    } else if matches!(error, Is::Expired | Is::ExpiredContext { .. }) {
        "the hub's operator has to renew it, and to send the hub SIGHUP"
    } else if matches!(error, Is::NotValidYet | Is::NotValidYetContext { .. }) {
        "look at the clocks of this machine and of the one that made it"
    } else if error.to_string().contains("CaUsedAsEndEntity") {
        "an authority's certificate serves nobody itself: the hub's operator has to make one with CA:FALSE"
    } else {
        "the hub's operator has to look at it"
    }
}
