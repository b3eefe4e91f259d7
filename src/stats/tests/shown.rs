//! The pages for people and programs: refusals, tunnels, and how the proxy stands.

use super::*;

#[test]
fn refusals_are_the_latest_with_the_newest_first_and_bounded() {
    let mut stats = stats(false);
    for n in 0..500_u32 {
        let mut record = record(Some("authed"));
        record.requested_host = match n {
            499 => "</script>\"\u{1b}é".into(),
            _ => format!("{n}.{}", "x".repeat(1000)).into(),
        };
        stats.absorb(&refused(record, denied(Code::NoRule)));
    }
    for bytes_max in [1, 1000, 1 << 30] {
        let text = page(&stats, Page::Refusals, bytes_max);
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('{')).collect();
        assert_eq!(rows.len(), refusals::KEPT_MAX);
        assert!(text.starts_with("[\n{") && text.ends_with("}\n]\n"), "{text}");
        assert!(rows[..199].iter().all(|row| row.ends_with("},")));
        assert_eq!(
            rows[0],
            r#"{"time":"1970-01-01T00:00:00Z","id":"00000000000000000000","code":"no-rule","host":"\u003c/script\u003e\"\u001b\u00e9","role":"authed","client":"10.0.0.8:40001","rule":"acl.yaml:3","hint":"a hint"},"#
        );
        assert!(rows[1].contains("\"498.xxx") && rows[1].len() < 600);
        assert!(rows[199].contains("\"300.xxx"));
    }
    assert_eq!(page(&super::tests::stats(false), Page::Refusals, 9), "[\n]\n");
}

#[test]
fn a_list_of_tunnels_is_one_list_in_whatever_parts() {
    let mut record = allowed(Some("authed"));
    record.requested_host = "</b>\"&:443".into();
    let now = Instant::now();
    let tunnel = Tunnel {
        record: &record,
        touched: now,
        bytes_in: 5,
        bytes_out: 6,
    };
    let mut out = Vec::new();
    let (mut list, position) = Part::new(&mut out, 1).list(0);
    tunnel.write(Page::Tunnels, now, &mut list);
    assert!(list.is_full() && position == 0);
    let next = list.next(9);
    let (mut list, position) = Part::new(&mut out, 1).list(next);
    assert_eq!(position, 9);
    tunnel.write(Page::Connections, now, &mut list);
    list.end();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "[\n{\"id\":\"00000000000000000000\",\"role\":\"authed\",\"host\":\"\\u003c/b\\u003e\\\"\\u0026:443\",\
         \"client\":\"10.0.0.8:40001\",\"created\":\"1970-01-01T00:00:00.043000000Z\",\"seconds_idle\":0.000,\
         \"bytes_in\":5,\"bytes_out\":6},\n{\"role\":\"authed\",\"rhost\":\"\\u003c/b\\u003e\\\"\\u0026:443\",\
         \"raddr\":\"93.184.215.14:443\",\"created\":\"1970-01-01T00:00:00.043000000Z\",\"bytesIn\":5,\"bytesOut\":6,\
         \"secondsSinceLastActivity\":0.000,\"proxyType\":\"http\"}\n]\n"
    );
}

#[test]
fn how_the_proxy_stands_is_json_and_the_names_are_each_one() {
    let state = page(&stats(false), Page::State, 1);
    assert!(
        state.starts_with("{\"version\":\"") && state.ends_with("\"head at most\":\"128 KiB\"}}\n"),
        "{state}"
    );
    assert!(
        state.contains("\"state\":\"serving\",\"uptime_s\":61,"),
        "{state}"
    );
    let names: BTreeSet<_> = FAMILIES.iter().map(Family::prometheus_name).collect();
    assert_eq!(names.len(), FAMILIES.len());
    assert!(
        FAMILIES
            .iter()
            .all(|family| family.kind != Kind::Timing || family.labels.is_empty())
    );
}
