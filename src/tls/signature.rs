//! Who signed a certificate or a revocation list (RFC 5280, 4.1.1 and 5.1.1), by the algorithms with which handshakes are
//! judged. Judges no time and no name.

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::SignatureVerificationAlgorithm;
use x509_parser::asn1_rs::Any;
use x509_parser::prelude::FromDer;

/// The algorithms that sign with SHA-1: sha1WithRSAEncryption, ecdsa-with-SHA1 (RFC 3279, 2.2).
const SHA1: [&[u8]; 2] = [
    &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5],
    &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1],
];

/// Is it signed with a key?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Signed {
    Yes,
    No,
    /// Nobody can tell: it or the key can't be read, or is of an algorithm that is not known.
    Unknown,
}

/// Is this, a certificate or a list in DER, signed with this key, a SubjectPublicKeyInfo?
pub(super) fn signed(der: &[u8], key: &[u8]) -> Signed {
    let (Some(parts), Some((key_algorithm, key))) = (parts(der), algorithm_and_bits(key)) else {
        return Signed::Unknown;
    };
    let is_of_key = |algorithm: &Algorithm| algorithm.public_key_alg_id().as_ref() == key_algorithm;
    if !is_supported(der) || !known().iter().any(is_of_key) {
        return Signed::Unknown;
    }
    let mut fitting = known()
        .iter()
        .filter(|algorithm| is_of_key(algorithm) && algorithm.signature_alg_id().as_ref() == parts.algorithm);
    match fitting.any(|algorithm| {
        algorithm
            .verify_signature(key, parts.message, parts.signature)
            .is_ok()
    }) {
        true => Signed::Yes,
        false => Signed::No,
    }
}

/// Is it signed with an algorithm that is known?
pub(super) fn is_supported(der: &[u8]) -> bool {
    let is_its =
        |algorithm: &Algorithm, parts: &Parts<'_>| algorithm.signature_alg_id().as_ref() == parts.algorithm;
    parts(der).is_some_and(|parts| known().iter().any(|algorithm| is_its(algorithm, &parts)))
}

type Algorithm = &'static dyn SignatureVerificationAlgorithm;

fn known() -> &'static [Algorithm] {
    aws_lc_rs::default_provider()
        .signature_verification_algorithms
        .all
}

/// Is it signed by way of SHA-1, which nobody should trust?
pub(super) fn is_by_sha1(der: &[u8]) -> bool {
    parts(der).is_some_and(|parts| SHA1.iter().any(|oid| parts.algorithm.starts_with(oid)))
}

/// The parts of what is signed.
struct Parts<'d> {
    message: &'d [u8],
    algorithm: &'d [u8],
    signature: &'d [u8],
}

fn parts(der: &[u8]) -> Option<Parts<'_>> {
    let (_, all) = Any::from_der(der).ok()?;
    let (rest, _) = Any::from_der(all.data).ok()?;
    let message = all.data.get(..all.data.len().checked_sub(rest.len())?)?;
    let (algorithm, signature) = two(rest)?;
    Some(Parts {
        message,
        algorithm,
        signature,
    })
}

fn algorithm_and_bits(key: &[u8]) -> Option<(&[u8], &[u8])> {
    two(Any::from_der(key).ok()?.1.data)
}

/// An algorithm, and a string of whole octets.
fn two(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (rest, algorithm) = Any::from_der(der).ok()?;
    let (_, bits) = Any::from_der(rest).ok()?;
    Some((algorithm.data, bits.data.strip_prefix(&[0])?))
}
