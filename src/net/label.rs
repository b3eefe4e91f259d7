//! Single labels of host names, as text. What a whole name may look like is `net/host`'s matter.

/// Longest label (RFC 1035, section 2.3.4), in bytes.
const LABEL_BYTES_MAX: usize = 63;

/// Is this a label of a host name (RFC 952 and RFC 1123, section 2.1), in letters of either case, and `_` beside?
pub(crate) fn is_label(label: &str) -> bool {
    (1..=LABEL_BYTES_MAX).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Could inet_aton(3), which getaddrinfo asks first, take a host that ends in this label for an address? An empty one
/// counts as one.
pub(crate) fn is_number(label: &str) -> bool {
    label.starts_with("0x") || label.starts_with("0X") || label.bytes().all(|b| b.is_ascii_digit())
}
