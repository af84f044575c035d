use rcgen::{
    CertificateParams, DistinguishedName, DnType, DnValue, KeyPair, SanType,
    string::{BmpString, TeletexString},
};

use super::*;

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.map(byte).collect()
}

/// What `rabbit_cert_info:subject/1` of RabbitMQ 3.10.8 says to names that OpenSSL wrote.
#[test]
fn subjects_are_written_as_rabbitmq_writes_them() {
    let check = |der: &str, expected: &str| {
        let name = Name::from_der(&unhex(der)).unwrap();
        assert_eq!(distinguished_name(&name), expected);
    };
    check(
        "3036310b300906035504061302415431163014060355040a0c0d4578616d706c652c20496e632e310f300d06035504030c06636c69656e74",
        r"CN=client,O=Example\, Inc.,C=AT",
    );
    // Parts with several attributes.
    check(
        "306331133011060a0992268993f22c64011916036f726731173015060a0992268993f22c64011916076578616d706c65\
         31143008060355040b0c01613008060355040b0c01623111300f060a0992268993f22c6401010c0178310a300806035504030c016a",
        "CN=j,UID=x,OU=a+OU=b,DC=example,DC=org",
    );
    // Everything that has to be escaped.
    check(
        "305c3112301006035504030c09206c656164696e6723310e300c060355040a0c05236861736831123010060355040b0c\
         09747261696c696e67203111300f06035504070c082271223c3e3b3d5c310f300d06035504080c067e74696c6465",
        r#"ST=\7Etilde,L=\"q\"\<\>\;=\\,OU=trailing\ ,O=\#hash,CN=\ leading#"#,
    );
    check(
        "3081883113301106035504030c0a4ac3bc7267656e20cebb311a301806092a864886f70d010901160b6140622e6578616d706c65\
         310a30080603550405130137310b3009060355040c0c024472310a3008060355042a0c0147310a300806035504040c0153\
         310a3008060355042b0c0149310c300a060355042c0c03494949310a300806035504410c0150",
        r"PSEUDONYM=P,GENERATIONQUALIFIER=III,INITIALS=I,SN=S,GIVENNAME=G,TITLE=Dr,SERIALNUMBER=7,EMAILADDRESS=a@b.example,CN=J\C3\BCrgen \CE\BB",
    );
    check(
        "30413114301206035504090c0b4d61696e20537472656574310d300b06035504110c0431303130310c300a06035504030c036f6e65\
         310c300a06035504030c0374776f",
        "CN=two,CN=one,2.5.4.17=1010,2.5.4.9=Main Street",
    );
    check(
        "302c310a3008060355040f0c01783112301006092a864886f70d0109020c03696135310a300806035504030c0120",
        r"CN=\ ,1.2.840.113549.1.9.2=ia5,2.5.4.15=x",
    );
    check("3000", "");
    // No text at all: an integer.
    check("300c310a30080603550403020101", "CN=#020101");
}

fn certificate(names: &[(DnType, DnValue)], others: Vec<SanType>) -> Certificate {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    for (kind, value) in names {
        params.distinguished_name.push(kind.clone(), value.clone());
    }
    params.subject_alt_names = others;
    let signed = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    parse(signed.der()).unwrap()
}

#[test]
fn other_encodings_of_text_are_understood() {
    let check = |value: DnValue, plain: &str, escaped: &str| {
        let certificate = certificate(&[(DnType::CommonName, value)], Vec::new());
        let found = user(&certificate, LoginFrom::CommonName);
        assert_eq!(found.as_deref(), Some(plain));
        let found = user(&certificate, LoginFrom::DistinguishedName);
        assert_eq!(found.as_deref(), Some(escaped));
    };
    let bmp = BmpString::try_from("λ, ü").unwrap();
    check(DnValue::BmpString(bmp), "λ, ü", r"CN=\CE\BB\, \C3\BC");
    let teletex = TeletexString::try_from("T61").unwrap();
    check(DnValue::TeletexString(teletex), "T61", "CN=T61");
}

#[test]
fn a_certificate_names_its_user_in_one_of_three_ways() {
    let full = certificate(
        &[
            (DnType::OrganizationName, "Example".into()),
            (DnType::CommonName, "client".into()),
        ],
        vec![
            SanType::Rfc822Name("a@b.example".try_into().unwrap()),
            SanType::DnsName("one.example".try_into().unwrap()),
            SanType::DnsName("two.example".try_into().unwrap()),
            SanType::IpAddress("192.0.2.1".parse().unwrap()),
            SanType::IpAddress("2001:db8::1".parse().unwrap()),
            SanType::URI("spiffe://example/x".try_into().unwrap()),
            SanType::OtherName((vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 3], "ada@corp".into())),
        ],
    );
    let bare = certificate(&[(DnType::OrganizationName, "Example".into())], Vec::new());
    let nobody = certificate(&[], Vec::new());
    let check = |from, expected: [Option<&str>; 3]| {
        let found = [&full, &bare, &nobody].map(|certificate| user(certificate, from));
        assert_eq!(found.each_ref().map(Option::as_deref), expected, "{from:?}");
    };
    check(
        LoginFrom::DistinguishedName,
        [Some("CN=client,O=Example"), Some("O=Example"), None],
    );
    check(LoginFrom::CommonName, [Some("client"), None, None]);
    for (kind, expected) in [
        ("dns", "one.example"),
        ("email", "a@b.example"),
        ("uri", "spiffe://example/x"),
        ("ip", "192.0.2.1"),
        ("other-name", "ada@corp"),
    ] {
        let from = kind.parse().unwrap();
        assert_eq!(AlternativeName::to_string(&from), kind);
        check(
            LoginFrom::AlternativeName(from),
            [Some(expected), None, None],
        );
    }
    assert_eq!("name".parse::<AlternativeName>(), Err(()));
}
