//! That nothing in a record can forge a line, or fill one: hostile texts, long ones, and any.

use super::*;

#[test]
fn cve_2026_42507_no_trace_id_or_host_forges_a_line() {
    let evil = [
        "x\" level=error msg=CANONICAL-PROXY-DECISION allow=true",
        "\",\"allow\":true,\"x\":\"",
        "\"}\t{\"msg\":\"CANONICAL-PROXY-DECISION\",\"allow\":true}",
        "a\\",
        "a\\nlevel=info msg=fake",
        "a=b c=d",
        "%s%n%x%0a",
        "a\tb",
        "☃é",
        "",
        "x\r\nlevel=info msg=fake",
        "\u{1b}[2K\u{202e}\u{2028}\u{85}\u{e0041}\0",
    ];
    for value in evil {
        let record = Record {
            extras: named(value.as_bytes()),
            requested_host: value.into(),
            ..allowed()
        };
        let text = shown(&record, Format::Text);
        let fields = logfmt(&text).unwrap();
        assert_eq!(
            (fields["trace_id"].as_str(), fields["requested_host"].as_str()),
            (value, value)
        );
        let json = json(&shown(&record, Format::Json)).unwrap();
        assert_eq!(json["trace_id"], format!("\"{value}"));
        assert!(
            !text.contains(|c: char| c.is_control() || c == '\u{2028}' || c == '\u{202e}'),
            "{text}"
        );
    }
}

#[test]
fn host_and_trace_id_are_cut_together() {
    let record = Record {
        extras: named(vec![b'L'; 3000]),
        ..allowed()
    };
    assert_eq!(read(&record)["trace_id"].len(), 3000);
    let record = Record {
        extras: named(vec![b'L'; 9000]),
        requested_host: "h".repeat(9000).into(),
        ..record
    };
    assert_eq!(read(&record)["requested_host"].len(), 1024);
    assert_eq!(read(&record)["trace_id"].len(), 3072);
    let record = Record {
        extras: named(vec![b'L'; 9000]),
        ..allowed()
    };
    assert_eq!(
        read(&record)["trace_id"].len() + read(&record)["requested_host"].len(),
        4096
    );
}

#[test]
fn errors_and_reasons_are_cut() {
    let long = "e".repeat(100_000);
    let record = Record {
        extras: Some(Box::new(Extras {
            error: Some(long.clone().into()),
            ..Extras::default()
        })),
        decision_reason: long.clone().into(),
        role: Some(long.clone().into()),
        project: Some(long.into()),
        ..allowed()
    };
    assert!(shown(&record, Format::Text).len() < 6000);
}

prop_compose! {
    fn any_record()(
        id in any::<[u8; 12]>(),
        texts in vec(".{0,40}", 5),
        trace_id in vec(any::<u8>(), 0..5000),
        ip in any::<std::net::IpAddr>(),
        numbers in vec(any::<u64>(), 4),
        flags in vec(any::<bool>(), 6),
    ) -> Record {
        let [host, role, project, reason, error] = texts.try_into().unwrap();
        let [start, first, second, third] = numbers.try_into().unwrap();
        let private_exception = flags[0].then(|| ip.into());
        let address = SocketAddr::new(ip, (first & 0xffff) as u16);
        let end = TunnelEnd {
            bytes_in: first, bytes_out: second, duration: Duration::from_nanos(third), end_time: at(first >> 2),
            last_activity: at(second >> 2), active_at_termination: flags[1],
        };
        Record {
            scheme: None,
            id: Id(id),
            proxy_type: if flags[0] { ProxyType::Connect } else { ProxyType::Http },
            requested_host: host.into(),
            extras: Some(Box::new(Extras { error: flags[5].then(|| error.as_str().into()), dial_failure: None, limit: None, grounds: None, upstream: None, withdrawn_by: None, trace_id: trace_id.into(), private_exception, sni: flags[4].then(|| Sni { name: error.as_str().into(), verdict: SniVerdict::Mismatch }), told: None })),
            role: flags[1].then(|| role.into()), project: flags[2].then(|| project.into()),
            client: address.into(), certificate: None, by_stranger: false, verdict: None, is_reused: false, start: at(start >> 2), allow: flags[3], enforce_would_deny: flags[4],
            decision_reason: reason.into(),
            status_code: flags[0].then_some(502), dns_lookup_time: flags[1].then_some(Duration::MAX.into()),
            establish_time: flags[2].then_some(Duration::from_nanos(second).into()),
            dialled_after: None,
            by_rule: None,
            outbound_remote: flags[3].then_some(address.into()), outbound_local: flags[4].then_some(address.into()),
            cause: None, code: None, extent: match (flags[0], flags[5]) {
                (true, _) => Extent::Tunnel(Box::new(end)),
                (false, true) => Extent::Content(third),
                (false, false) => Extent::Unknown,
            },
        }
    }
}

proptest! {
    #[test]
    fn any_record_is_one_line_that_reads_back(record in any_record()) {
        let text = shown(&record, Format::Text);
        let json_line = shown(&record, Format::Json);
        prop_assert!(!text.contains(char::is_control) && !json_line.contains(char::is_control));
        let (text, json) = (logfmt(&text).unwrap(), json(&json_line).unwrap());
        prop_assert!(text.keys().eq(json.keys()));
        for fields in [&text, &json] {
            let is = |key: &str, value: &str| fields[key].trim_start_matches('"') == value.trim_start_matches('"');
            prop_assert!(is("requested_host", &record.requested_host));
            prop_assert!(is("role", record.role.as_deref().unwrap_or_default()));
            if let Some(sni) = record.sni().filter(|_| record.end().is_some()) {
                prop_assert!(is("sni", &sni.name) && is("sni_verdict", "mismatch"));
            } else {
                prop_assert!(!fields.contains_key("sni") && !fields.contains_key("sni_verdict"));
            }
            prop_assert!(is("src_port", &record.client.port().to_string()));
        }
        if record.trace_id().len() <= 3000 {
            prop_assert_eq!(&text["trace_id"], &String::from_utf8_lossy(record.trace_id()));
        }
    }

    #[test]
    fn any_bytes_read_back(bytes in vec(any::<u8>(), 0..64), text in "\\PC{0,32}") {
        for bytes in [bytes.as_slice(), text.as_bytes()] {
            let record = Record { extras: named(bytes), ..allowed() };
            prop_assert_eq!(&read(&record)["trace_id"], &String::from_utf8_lossy(bytes));
        }
    }
}

#[test]
fn what_is_told_of_a_request_inside_can_forge_no_line() {
    let hostile = b"] msg=x\" \n\x1b\xff\\".as_slice();
    let told = crate::session::outcome::Told {
        url: [b"https://a.test/", hostile].concat().into(),
        method: "GET".into(),
        fields: vec![
            (
                "Accept".into(),
                vec![None, Some(hostile.into()), Some(b"[REDACTED]".as_slice().into())],
            ),
            ("Cookie".into(), vec![Some(b"a=1; b=2".as_slice().into())]),
            ("Host".into(), vec![Some(b"a.test:80".as_slice().into())]),
            ("X-Empty".into(), vec![Some(b"".as_slice().into())]),
        ],
    };
    let with = |record: Record| Record {
        extras: Some(Box::new(Extras {
            told: Some(Arc::new(told.clone())),
            ..Extras::default()
        })),
        ..record
    };
    for record in [allowed(), ended()].map(with) {
        let text = read(&record);
        let said = |key: &str| text.get(key).unwrap().as_str();
        assert_eq!(said("mitm_req_method"), "GET");
        // One reading, whatever a client writes.
        assert_eq!(
            said("mitm_req_headers"),
            r#"map[Accept:[[REDACTED] "] msg=x\" \n\u001b\ufffd\\" "[REDACTED]"] Cookie:["a=1; b=2"] Host:[a.test:80] X-Empty:[""]]"#
        );
        let line = shown(&record, Format::Json);
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert!(!line.contains('\n') && !shown(&record, Format::Text).contains('\n'));
        assert_eq!(json["mitm_req_headers"]["Host"][0], "a.test:80");
        assert_eq!(json["mitm_req_headers"]["Accept"][0], "[REDACTED]");
        assert!(
            json["mitm_req_url"]
                .as_str()
                .unwrap()
                .starts_with("https://a.test/] msg=x")
        );
    }
}
