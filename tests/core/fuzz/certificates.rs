//! Randomly damaged certificate files: each is refused with a reason, or taken, with a warning.

use std::fs;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use canvas_studio::client::Network;

use super::fuzz;

/// Authorities and certificates of servers of many kinds, without their keys.
const CERTIFICATES: &str = include_str!("certificates.pem");
const BEGIN: &str = "-----BEGIN CERTIFICATE-----\n";
const END: &str = "-----END CERTIFICATE-----\n";
/// The longest message, in bytes. A stranger may have written the names in it.
const LONGEST: usize = 8000;

/// What means something in DER, and in PEM.
const TELLING_IN_DER: &[&[u8]] = &[
    b"\x30\x80",
    b"\x30\x82\xff\xff",
    b"\x30\x84\xff\xff\xff\xff",
    b"\x02\x01\x00",
    b"\x05\x00",
    b"\x01\x01\xff",
    b"\x01\x01\x00",
    b"\x03\x02\x01\x06",
    b"\x06\x03\x55\x1d\x13",
    b"\x06\x03\x55\x1d\x0f",
    b"\x06\x03\x55\x1d\x25",
    b"\x06\x03\x55\x1d\x11",
    b"\x06\x03\x55\x1d\x1e",
    b"\x00",
    b"\xff",
    b"\xa0\x03\x02\x01\x02",
    b"\x17\x0d200101000000Z",
    b"\x18\x0f99991231235959Z",
    b"\x18\x0f00000101000000Z",
    b"\x0c\x04\x1b[2J",
    b"\x87\x04\x7f\x00\x00\x01",
];
const TELLING_IN_PEM: &[&[u8]] = &[
    b"-----BEGIN CERTIFICATE-----",
    b"-----END CERTIFICATE-----",
    b"-----BEGIN PRIVATE KEY-----",
    b"-----",
    b"\n",
    b"\r",
    b"=",
    b"==",
    b"A",
    b"\x00",
    b"\xff",
    b"\xef\xbb\xbf",
    b"-----BEGIN TRUSTED CERTIFICATE-----",
    b"-----BEGIN X509 CRL-----",
    b"Proc-Type: 4,ENCRYPTED\n",
];

#[test]
fn fuzz_a_file_of_certificates_is_refused_clearly_or_taken() {
    let certificates = certificates();
    let folder = Folder::new();
    let file = folder.0.join("ca.pem");
    fuzz(800, |chance| {
        let mut content = Vec::new();
        for _ in 0..=chance.below(4) {
            let mut der = certificates[chance.below(certificates.len())].clone();
            if !chance.once_in(4) {
                chance.mutate(&mut der, TELLING_IN_DER);
            }
            content.extend(pem(&der).bytes());
            if chance.once_in(20) {
                // As Windows exports it, which is not what is asked for.
                content = der;
            }
        }
        if chance.once_in(3) {
            chance.mutate(&mut content, TELLING_IN_PEM);
        }
        fs::write(&file, &content).unwrap();
        let path = if chance.once_in(4) { folder.0.clone() } else { file.clone() };
        let said = match Network::new(None, Some(path)) {
            Ok(network) => network.warning().unwrap_or_default(),
            Err(refused) => {
                assert_eq!(refused.argument, "ca_bundle");
                refused.expected
            }
        };
        assert!(said.len() < LONGEST, "{} bytes: {said:.300}", said.len());
        assert!(!said.contains(|character: char| character.is_control()), "{said:?}");
    });
}

#[test]
fn every_certificate_of_the_corpus_is_read() {
    let folder = Folder::new();
    let file = folder.0.join("ca.pem");
    let certificates = certificates();
    assert!(certificates.len() >= 10, "{}", certificates.len());
    for der in certificates {
        fs::write(&file, pem(&der)).unwrap();
        let said = match Network::new(None, Some(file.clone())) {
            Ok(network) => network.warning().unwrap_or_default(),
            Err(refused) => refused.expected,
        };
        assert!(!said.contains("cannot be read") && !said.contains("not whole"), "{said}");
    }
}

fn certificates() -> Vec<Vec<u8>> {
    let texts = CERTIFICATES.split(BEGIN).skip(1).map(|rest| rest.split(END).next().unwrap().replace('\n', ""));
    texts.map(|text| STANDARD.decode(text).unwrap()).collect()
}

fn pem(der: &[u8]) -> String {
    format!("{BEGIN}{}\n{END}", STANDARD.encode(der))
}

/// A folder that is removed again.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!(
            "canvas-studio-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}
