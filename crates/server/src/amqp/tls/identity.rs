//! Whom a client certificate stands for, in the words that RabbitMQ has for it: users and permissions are named so.

use std::{
    fmt::{self, Write as _},
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use x509_cert::{
    Certificate,
    attr::AttributeTypeAndValue,
    der::{Any, Decode as _, Encode as _, Tag, Tagged as _, asn1::BmpString},
    ext::pkix::{SubjectAltName, name::GeneralName},
    name::Name,
};

/// What of a client certificate names the user: RabbitMQ's `ssl_cert_login_from`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LoginFrom {
    /// All of its subject: `CN=client,O=Example`.
    #[default]
    DistinguishedName,
    /// The common name of the subject; several are joined with commas.
    CommonName,
    /// The first other name of a kind: RabbitMQ's `ssl_cert_login_san_type`.
    AlternativeName(AlternativeName),
}

/// Kinds of other names in certificates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AlternativeName {
    /// The name of a host.
    #[default]
    Dns,
    /// An address of somebody.
    Email,
    /// A URI.
    Uri,
    /// An address of a host.
    Ip,
    /// Text of a kind of its own, as a principal of Microsoft's.
    Other,
}

impl AlternativeName {
    const ALL: [(Self, &str); 5] = [
        (Self::Dns, "dns"),
        (Self::Email, "email"),
        (Self::Uri, "uri"),
        (Self::Ip, "ip"),
        (Self::Other, "other-name"),
    ];
}

impl fmt::Display for AlternativeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::ALL.iter().find(|(kind, _)| kind == self);
        f.write_str(found.map_or("", |(_, name)| name))
    }
}

impl FromStr for AlternativeName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text);
        found.map(|(kind, _)| *kind).ok_or(())
    }
}

/// The name of the user; `None` if it does not name one.
pub(super) fn user(certificate: &Certificate, from: LoginFrom) -> Option<String> {
    let subject = certificate.tbs_certificate().subject();
    let name = match from {
        LoginFrom::DistinguishedName => distinguished_name(subject),
        LoginFrom::CommonName => common_name(subject)?,
        LoginFrom::AlternativeName(kind) => alternative_name(certificate, kind)?,
    };
    (!name.is_empty()).then_some(name)
}

/// A name by RFC 4514: the last part first.
pub(super) fn distinguished_name(name: &Name) -> String {
    let mut out = String::new();
    let parts: Vec<_> = name.as_ref().iter().collect();
    for (at, part) in parts.iter().rev().enumerate() {
        if at > 0 {
            out.push(',');
        }
        for (at, attribute) in part.iter().enumerate() {
            if at > 0 {
                out.push('+');
            }
            write_attribute(&mut out, attribute);
        }
    }
    out
}

fn write_attribute(out: &mut String, attribute: &AttributeTypeAndValue) {
    let oid = attribute.oid.to_string();
    let known = KEYWORDS.iter().find(|(known, _)| *known == oid);
    out.push_str(known.map_or(&oid, |(_, keyword)| keyword));
    out.push('=');
    match text(&attribute.value) {
        Some(text) => escape(out, &text),
        // RFC 4514 §2.4, for what is no text.
        None => {
            out.push('#');
            for byte in attribute.value.to_der().unwrap_or_default() {
                let _infallible = write!(out, "{byte:02x}");
            }
        }
    }
}

const COMMON_NAME: &str = "2.5.4.3";

/// Attributes that RabbitMQ has a word for. `STREET` is in its list too, under a number that no certificate has.
const KEYWORDS: [(&str, &str); 16] = [
    (COMMON_NAME, "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "SERIALNUMBER"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "TITLE"),
    ("2.5.4.42", "GIVENNAME"),
    ("2.5.4.43", "INITIALS"),
    ("2.5.4.44", "GENERATIONQUALIFIER"),
    ("2.5.4.65", "PSEUDONYM"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "EMAILADDRESS"),
];

/// RFC 4514 §2.4, and as RabbitMQ does it: everything but printable ASCII as hexadecimal bytes, and the tilde too.
fn escape(out: &mut String, text: &[u8]) {
    let last = text.len().saturating_sub(1);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b' ' if at == 0 || at == last => out.push_str("\\ "),
            b'#' if at == 0 => out.push_str("\\#"),
            b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\' => {
                out.push('\\');
                out.push(char::from(*byte));
            }
            0x20..0x7e => out.push(char::from(*byte)),
            _ => {
                let _infallible = write!(out, "\\{byte:02X}");
            }
        }
    }
}

/// The text of a value, in UTF-8 if the certificate keeps to its word.
fn text(value: &Any) -> Option<Vec<u8>> {
    let bytes = value.value();
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString => {
            Some(bytes.to_vec())
        }
        // Everybody takes it for Latin 1.
        Tag::TeletexString => {
            let text: String = bytes.iter().copied().map(char::from).collect();
            Some(text.into_bytes())
        }
        Tag::BmpString => {
            let text = value.decode_as::<BmpString>().ok()?;
            Some(text.to_string().into_bytes())
        }
        _ => None,
    }
}

fn common_name(subject: &Name) -> Option<String> {
    let names: Option<Vec<String>> = subject
        .iter()
        .filter(|attribute| attribute.oid.to_string() == COMMON_NAME)
        .map(|attribute| String::from_utf8(text(&attribute.value)?).ok())
        .collect();
    names.map(|names| names.join(","))
}

fn alternative_name(certificate: &Certificate, kind: AlternativeName) -> Option<String> {
    let names = certificate
        .tbs_certificate()
        .get_extension::<SubjectAltName>();
    let (_, SubjectAltName(names)) = names.ok()??;
    names.iter().find_map(|name| match (kind, name) {
        (AlternativeName::Dns, GeneralName::DnsName(name))
        | (AlternativeName::Email, GeneralName::Rfc822Name(name))
        | (AlternativeName::Uri, GeneralName::UniformResourceIdentifier(name)) => {
            Some(name.to_string())
        }
        (AlternativeName::Ip, GeneralName::IpAddress(address)) => ip(address.as_bytes()),
        (AlternativeName::Other, GeneralName::OtherName(name)) => {
            String::from_utf8(text(&name.value)?).ok()
        }
        _ => None,
    })
}

fn ip(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|bytes| Ipv4Addr::from(bytes).to_string());
    let v6 = || <[u8; 16]>::try_from(bytes).map(|bytes| Ipv6Addr::from(bytes).to_string());
    v4.or_else(|_| v6()).ok()
}

/// A certificate in DER.
pub(super) fn parse(certificate: &[u8]) -> Option<Certificate> {
    Certificate::from_der(certificate).ok()
}

#[cfg(test)]
mod tests;
