//! stub
pub mod outcome;
