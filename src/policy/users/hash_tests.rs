//! Hashes that other programs made, and what is no hash.

use proptest::prelude::*;

use super::*;

const PASSWORD: &[u8] = b"s3cret: p%ss";

/// What bcrypt, crypt(3), openssl and argon2 make of [`PASSWORD`].
const HASHES: [&str; 14] = [
    "$2b$04$Zc9v9PBeCo5gSOEKGMO2UOdrw1rTWJu894ve380B20MLd4RZZRH02",
    "$2b$10$j0LZAp48ocMQ1wNZeUWbB.4ihYpo1sTymLIAslG3c/9Fg2kUrZQ5q",
    "$2a$04$t3SEkJYB8Fy8JTUSf9wAdutgHUk1BwJIX/L8RLG371woks3w.D/ym",
    "$2y$04$abcdefghijklmnopqrstuudbPfYXO5c/JYfey5rtIeAPylnBxElNu",
    "$2b$05$abcdefghijklmnopqrstuufE8jA3gMEKVjlpUF.yiaAVKFN8ut8J.",
    "$5$saltsalt$cZWIyy.ZRgVqs4yd0ajZfzMAT2y6ajSCs.ICbM2aR27",
    "$5$rounds=4321$abc$4Yjs6U/31UKy9negcHH3ZjRd7fbaRILv1K7aB59FxKC",
    "$6$saltsalt$Q5FgWmvjiqkxPuRvntdoH0l/EjktvId902mW.Tgs2TQHDBbtiVUkDwHr9KSXJoe3g/wixMM7/utr10IXAnPzE/",
    "$6$rounds=1000$saltsalt$o4.PCFaq7Qr4d3FIO/88rw.U3yokAuUA3kJ0mlPDkzp4gNoIYJP62sK/oWOsXEm3WE6vwOR0HZRkwbBjSgmYm1",
    "$argon2id$v=19$m=64,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$duSCB3tXEON31LDCBisRWS6NJcdjzOJXlS3vcW9A+Do",
    "$argon2i$v=19$m=64,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$WLGL6nYSxl4Z6tKCayOAbhXGN3dWiq2RKA+QRb3LTRY",
    "$argon2id$v=19$m=256,t=3,p=4$MDEyMzQ1Njc4OWFiY2RlZg$3pKFUOhzJvcarg6bS11kSQM8vlupfammFJOO1QmfWL4",
    "$argon2id$v=16$m=64,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$jmi8dCkXhn2zVHXAcPDvKmLeZ7KQEYCNcsEOpvpVTuM",
    // Without a number it is the first version.
    "$argon2i$m=64,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$jhp79shu2+XFGlvea25JBKSHYUHI4NhzhJcXU9uTSvM",
];

fn is_of(text: &str, password: &[u8]) -> bool {
    Hash::parse(text).unwrap().is_of(password).unwrap()
}

#[test]
fn hashes_that_other_programs_made() {
    for text in HASHES {
        assert!(is_of(text, PASSWORD), "{text}");
        for wrong in [&b"s3cret: p%s"[..], b"s3cret: p%sss", b"S3cret: p%ss", b""] {
            assert!(!is_of(text, wrong), "{text}");
        }
        assert!(!format!("{:?}", Hash::parse(text)).contains(text));
    }
    let umlauts = "$2b$04$Mh/k/a/cQltf7Vd2L0YgKedeFTIo0kaJcYPldfn2VjCINuMLiw.f6";
    assert!(is_of(umlauts, "grün€".as_bytes()));
}

/// Bcrypt looks at no more: the 73rd byte would be anything.
#[test]
fn passwords_above_72_bytes_are_wrong_for_bcrypt() {
    let text = "$2b$04$yiZk.Ugz2x4ACFWBU0Ir7uOUtqgQ.HgbbG./pmvp9OmVYYzqwLsJ.";
    assert!(is_of(text, &[b'x'; 72]));
    assert!(!is_of(text, &[b'x'; 71]) && !is_of(text, &[b'x'; 73]) && !is_of(text, &[b'x'; 500]));
}

#[track_caller]
fn refused(text: &str) -> &'static str {
    let Err(why) = Hash::parse(text) else {
        panic!("{text} is accepted");
    };
    assert!(text.len() < 4 || !why.contains(text));
    why
}

#[test]
fn what_is_no_hash_of_an_accepted_kind() {
    for text in [
        "",
        "plain",
        "$",
        "$$",
        "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
        "{SSHA}abc",
        "$apr1$saltsalt$Q17bmANhIA7pctgRGqF/S0",
        "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/",
        "rEK1ecacw.7.c",
        "$2$04$abcdefghijklmnopqrstuudbPfYXO5c/JYfey5rtIeAPylnBxElNu",
        "$2x$04$abcdefghijklmnopqrstuudbPfYXO5c/JYfey5rtIeAPylnBxElNu",
        "$argon2d$v=19$m=64,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$uigcRspZaGCiquE2yk05S3v/Dnn9QDAocqxvOIg/Yrk",
        "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7",
        "x$5$saltsalt$cZWIyy.ZRgVqs4yd0ajZfzMAT2y6ajSCs.ICbM2aR27",
        "*",
        "!",
    ] {
        assert!(refused(text).starts_with("accepted are bcrypt"), "{text}");
    }
}

#[test]
fn what_costs_too_much_or_too_little() {
    let bcrypt = |cost: &str| format!("$2b${cost}$abcdefghijklmnopqrstuufE8jA3gMEKVjlpUF.yiaAVKFN8ut8J.");
    for (cost, words) in [
        ("15", "4 to 14"),
        ("31", "4 to 14"),
        ("03", "4 to 14"),
        ("00", "4 to 14"),
        ("+5", "malformed"),
        ("5x", "malformed"),
    ] {
        assert!(refused(&bcrypt(cost)).contains(words), "{cost}");
    }
    assert!(Hash::parse(&bcrypt("14")).is_ok());
    let sha = |rounds: &str| format!("$5$rounds={rounds}$abc$4Yjs6U/31UKy9negcHH3ZjRd7fbaRILv1K7aB59FxKC");
    for rounds in [
        "999",
        "1000001",
        "0",
        "",
        "-1000",
        "+1000",
        "1e4",
        "99999999999999999999",
    ] {
        assert!(refused(&sha(rounds)).contains("1000 to 1000000"), "{rounds}");
    }
    assert!(Hash::parse(&sha("1000000")).is_ok());
    let argon2 = |params: &str| {
        format!("$argon2id$v=19${params}$MDEyMzQ1Njc4OWFiY2RlZg$duSCB3tXEON31LDCBisRWS6NJcdjzOJXlS3vcW9A+Do")
    };
    for (params, words) in [
        ("m=65537,t=2,p=1", "64 MiB"),
        ("m=4294967295,t=2,p=1", "64 MiB"),
        ("m=64,t=11,p=1", "10 passes"),
        ("m=64,t=0,p=1", "malformed"),
        ("m=64,t=2,p=9", "malformed"),
        ("m=64,t=2", "malformed"),
        ("m=64,t=2,p=1,data=AAAA", "other parameters"),
        ("m=64,t=2,p=1,keyid=AAAA", "other parameters"),
    ] {
        assert!(refused(&argon2(params)).contains(words), "{params}");
    }
    assert!(Hash::parse(&argon2("m=65536,t=10,p=1")).is_ok());
}

#[test]
fn hashes_that_were_cut_or_have_something_behind_them() {
    for text in HASHES {
        let is_argon2 = text.starts_with("$argon2");
        for end in 0..text.len() {
            // Argon2's result may have any length from ten bytes on.
            let cut = &text[..end];
            let last = cut.rsplit('$').next().unwrap_or_default();
            assert!(
                is_argon2 && last.len() >= 14 || Hash::parse(cut).is_err(),
                "{cut}"
            );
        }
        for more in [" ", "$", ":", "=", "x", "é", "\0"] {
            let longer = format!("{text}{more}");
            assert!(
                is_argon2 && more == "x" || Hash::parse(&longer).is_err(),
                "{longer:?}"
            );
        }
    }
    // The last letter stands for bits that there are not.
    let text = HASHES[5].strip_suffix('7').unwrap().to_owned() + "z";
    assert!(refused(&text).contains("malformed"));
}

proptest! {
    /// Nothing that stands in a file ends in a panic, be it nearly a hash.
    #[test]
    fn no_text_ends_in_a_panic(nth in 0..HASHES.len(), at in 0_usize..120, more in ".{0,4}", any in "[$=,.a-z0-9]{0,40}") {
        let letters = HASHES[nth].chars();
        let near: String = letters.clone().take(at).chain(more.chars()).chain(letters.skip(at + 1)).collect();
        for text in [&*near, &*any, &*format!("${any}"), &*format!("$argon2id${any}"), &*format!("$6${any}")] {
            if let Ok(hash) = Hash::parse(text) {
                prop_assert_eq!(hash.text(), text);
            }
        }
    }
}
