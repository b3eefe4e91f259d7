//! How texts are spelled, whatever they are about: digits, tokens, single lines, lists of names, the words of a
//! system error, names that look alike; and parts of them. Functions over slices and strings that name no other room; what a text means is
//! its owner's matter.

pub(crate) mod controls;
pub(crate) mod digits;
pub(crate) mod errno;
pub(crate) mod json;
pub(crate) mod listing;
pub(crate) mod nearest;
pub(crate) mod one_line;
pub(crate) mod slices;
pub(crate) mod token;
