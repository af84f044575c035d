//! `Content-Disposition` of a download: names of any script, and none that breaks out of the header (RFC 6266, RFC 8187).

use std::fmt::Write as _;

/// The header for a file called `name`; a name that cannot be one of a file is shown as `instead`.
pub(crate) fn attachment(name: &str, instead: &str) -> String {
    // Directories are not for the sender to choose, and `..` would be one.
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name = match last.trim() {
        "" | "." | ".." => instead,
        _ => last,
    };
    let is_plain = |c: char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\' | '%');
    let fallback: String = name
        .chars()
        .map(|c| if is_plain(c) { c } else { '_' })
        .collect();
    let mut header = format!("attachment; filename=\"{fallback}\"");
    if !name.chars().all(is_plain) {
        header.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            if is_attr_char(byte) {
                header.push(char::from(byte));
            } else {
                let _ = write!(header, "%{byte:02X}");
            }
        }
    }
    header
}

/// `attr-char` of RFC 8187: what needs no encoding.
fn is_attr_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    fn attachment(name: &str) -> String {
        super::attachment(name, "ab12")
    }

    #[test]
    fn plain_names_are_quoted() {
        assert_eq!(attachment("mesh.stl"), "attachment; filename=\"mesh.stl\"");
        assert_eq!(
            attachment("a b;c.txt"),
            "attachment; filename=\"a b;c.txt\""
        );
    }

    #[test]
    fn other_names_come_in_both_forms() {
        assert_eq!(
            attachment("Zürich €.txt"),
            "attachment; filename=\"Z_rich _.txt\"; filename*=UTF-8''Z%C3%BCrich%20%E2%82%AC.txt"
        );
        assert_eq!(
            attachment("100%.csv"),
            "attachment; filename=\"100_.csv\"; filename*=UTF-8''100%25.csv"
        );
        assert_eq!(
            attachment("a\"\r\nX: y"),
            "attachment; filename=\"a___X: y\"; filename*=UTF-8''a%22%0D%0AX%3A%20y"
        );
    }

    #[test]
    fn a_name_is_no_path() {
        assert_eq!(
            attachment("../../etc/passwd"),
            "attachment; filename=\"passwd\""
        );
        assert_eq!(
            attachment("C:\\temp\\x.bin"),
            "attachment; filename=\"x.bin\""
        );
        for nothing in ["a/..", "", ".", " ", "a/"] {
            assert_eq!(attachment(nothing), "attachment; filename=\"ab12\"");
        }
    }
}
