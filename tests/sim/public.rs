//! The test's own rule of what is public: IANA's registries in another form than the code under test has them.

use std::net::{IpAddr, SocketAddr};

use crate::plan::{OWN_ADDRESS, OWN_PORT};

/// May this be dialled? By the first bits of what is not public, IANA's registries in another form.
pub(crate) fn may_be_dialled(at: SocketAddr) -> Result<(), String> {
    let wrong = |why: &str| Err(format!("{at} is dialled: {why}"));
    if at.port() == OWN_PORT && OWN_ADDRESS.parse() == Ok(at.ip()) {
        return wrong("our own listener");
    }
    match at.ip() {
        IpAddr::V4(ip) => {
            let bits = u32::from(ip);
            let [a, b, c, d] = ip.octets();
            let internal = matches!(
                (a, b, c, d),
                (0 | 10 | 127 | 224..=255, ..)
                    | (100, 64..=127, ..)
                    | (169, 254, ..)
                    | (172, 16..=31, ..)
                    | (192, 168, ..)
                    | (192, 0, 2, _)
                    | (192, 88, 99, _)
                    | (198, 18..=19, ..)
                    | (198, 51, 100, _)
                    | (203, 0, 113, _)
                    | (168, 63, 129, 16)
            );
            let protocol = bits >> 8 == 0xc0_0000 && d != 9 && d != 10;
            if internal || protocol {
                wrong("not public")
            } else {
                Ok(())
            }
        }
        IpAddr::V6(ip) => {
            let bits = u128::from(ip);
            let top = bits >> 112;
            let isatap = matches!(bits >> 32 & 0xffff_ffff, 0x0000_5efe | 0x0200_5efe);
            if ip.to_ipv4_mapped().is_some() {
                return wrong("not unmapped");
            }
            // Global unicast is 2000::/3; what is special in it is below.
            let global = top >> 13 == 1;
            let special = matches!(top, 0x2002 | 0x3ff0..=0x3fff) && top != 0x3ff1
                || matches!(bits >> 96, 0x2001_0000 | 0x2001_0002 | 0x2001_0db8)
                || bits >> 100 == 0x200_1001;
            if !global || special || isatap {
                wrong("not public")
            } else {
                Ok(())
            }
        }
    }
}
