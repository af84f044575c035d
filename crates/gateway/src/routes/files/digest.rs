//! `Content-Digest` (RFC 9530): a dictionary of structured fields (RFC 8941) whose values are byte sequences.

use trefoil_server::files::Sha256;

use crate::routes::base64;

/// Why a `Content-Digest` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DigestError {
    /// It is no dictionary of byte sequences.
    #[error("the content-digest is not of the form sha-256=:<base64>:")]
    Syntax,
    /// A SHA-256 of another length.
    #[error("the sha-256 of the content-digest has {0} bytes, not 32")]
    Length(usize),
}

/// The SHA-256 that `header` announces, if it names one. Other algorithms are passed over, as the standard has it.
///
/// # Errors
/// The header is malformed: a sender that wants its content checked must not be left believing that it was.
pub(crate) fn announced(header: &str) -> Result<Option<Sha256>, DigestError> {
    let mut found = None;
    for member in header.split(',') {
        // Base 64 has neither comma nor semicolon, so neither is inside a value.
        let (member, _parameters) = member.split_once(';').unwrap_or((member, ""));
        let (key, value) = member.trim().split_once('=').ok_or(DigestError::Syntax)?;
        let text = value
            .strip_prefix(':')
            .and_then(|value| value.strip_suffix(':'))
            .ok_or(DigestError::Syntax)?;
        let bytes = base64::decode(text).ok_or(DigestError::Syntax)?;
        if key == "sha-256" {
            let bytes: [u8; 32] = bytes
                .try_into()
                .map_err(|bytes: Vec<u8>| DigestError::Length(bytes.len()))?;
            // Of a key that comes twice the last one counts (RFC 8941 §3.2).
            found = Some(Sha256::from_bytes(bytes));
        }
    }
    Ok(found)
}

/// The header of a content with this hash.
pub(crate) fn of(sha256: &Sha256) -> String {
    format!("sha-256=:{}:", base64::encode(sha256.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::{DigestError, Sha256, announced, of};

    #[test]
    fn the_standard_s_example() {
        // RFC 9530 appendix B.1: `{"hello": "world"}` and a line feed.
        let sha256 = Sha256::of(b"{\"hello\": \"world\"}\n");
        let header = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
        assert_eq!(of(&sha256), header);
        assert_eq!(announced(header), Ok(Some(sha256)));
    }

    #[test]
    fn other_algorithms_are_passed_over() {
        let sha256 = Sha256::of(b"");
        let both = format!("md5=:AAAA:, {};x=1", of(&sha256));
        assert_eq!(announced(&both), Ok(Some(sha256)));
        assert_eq!(announced("sha-512=:AAAA:"), Ok(None));
    }

    #[test]
    fn malformed_is_an_error() {
        for bad in [
            "",
            "sha-256",
            "sha-256=abc",
            "sha-256=:ab",
            "sha-256=:!!!!:",
            "sha-512=:AAAA:,",
        ] {
            assert_eq!(announced(bad), Err(DigestError::Syntax), "{bad:?}");
        }
        assert_eq!(announced("sha-256=:AAAA:"), Err(DigestError::Length(3)));
    }
}
