//! ACLs: any text is read or refused in one line, and an ACL that was read judges a host and not its spelling.

use smokescreen::net::Target;
use smokescreen::policy::acl::{Acl, Action};
use smokescreen::policy::auth::Password;
use smokescreen::policy::ranges::Ranges;
use smokescreen::policy::{Ask, Asker, Code, Credentials, Network, Policy, PolicyParts, Role};

/// Words of the text that are asked for as hosts.
const WORDS_MAX: usize = 24;

pub(crate) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let acl = match Acl::parse(text, &[]) {
        Ok(acl) => acl,
        Err(error) => {
            let line = error.to_string();
            assert!(
                !line.is_empty() && !line.chars().any(char::is_control),
                "{line:?}"
            );
            assert!(
                Acl::parse(text, &[Action::Open]).is_err(),
                "a stricter reading takes more"
            );
            return;
        }
    };
    let policy = Policy::new(PolicyParts {
        acl: Some(acl),
        ranges: Ranges::new(Vec::new(), Vec::new(), false, Vec::new()),
        password: Password::new("secret"),
        allow_missing_role: true,
        network: Network::Any,
    });
    let asker = Asker {
        address: Some([192, 0, 2, 1].into()),
        certificate: None,
    };
    let roles = [
        policy
            .authenticate(Credentials::Given(b"Basic dTpzZWNyZXQ="), None, &asker)
            .expect("the password"),
        policy
            .authenticate(Credentials::Absent, None, &asker)
            .expect("allowed"),
    ];
    for word in words(text) {
        for role in &roles {
            the_spelling_does_not_matter(&policy, role, word);
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let apart = |c: char| c.is_whitespace() || "\"',[]{}:#&*!|>".contains(c);
    let words = text.split(apart).map(|word| word.trim_start_matches('.'));
    words.filter(|word| !word.is_empty()).take(WORDS_MAX)
}

fn the_spelling_does_not_matter(policy: &Policy, role: &Role, word: &str) {
    let Some(plain) = answer(policy, role, word) else {
        return;
    };
    let dotted = format!("{word}.");
    for spelling in [word.to_ascii_uppercase(), word.to_ascii_lowercase(), dotted] {
        if let Some(other) = answer(policy, role, &spelling) {
            assert_eq!(plain, other, "{word} and {spelling}");
        }
    }
}

/// Is this host let out, and why? `None` where it is no host.
fn answer(policy: &Policy, role: &Role, host: &str) -> Option<(bool, String)> {
    let target = Target::parse(host.as_bytes(), Some(80)).ok()?;
    let ask = Ask {
        scheme: None,
        external_proxy: None,
        is_inside: false,
    };
    let explained = policy.explain(role, target.clone(), ask, None, &|_| false);
    Some(match policy.decide(role, target, ask) {
        Ok(allowed) => {
            assert!(
                explained.code.is_none_or(Code::is_of_addresses),
                "the ACL lets {host} out: {explained:?}"
            );
            (true, allowed.decision().reason.to_string())
        }
        Err(denial) => {
            let denied = policy.explained(denial, role, ask);
            assert_eq!(explained.code, Some(denied.code), "{host}");
            assert_eq!(explained.grounds, *denied.grounds, "{host}");
            (false, denied.decision.reason.to_string())
        }
    })
}
