//! All options, as other rooms and this one's files see them: the table, and the row of a name that came from outside.
//! The shape of a row is in `row`, the rows themselves are in `table`.

pub use super::row::{ENVIRONMENT_PREFIX, Group, OptionRow, Places};
pub use super::table::GROUPS;
pub use super::table::operation::TRANSPORT_MAX_IDLE_CONNS;
pub use super::values::Kind;

/// Every option, in the table's order.
pub fn options() -> impl Iterator<Item = &'static OptionRow> {
    GROUPS.iter().flat_map(|group| group.rows)
}

/// The option that the code calls `name` (see [`OptionRow::name`]).
pub fn option(name: &str) -> Option<&'static OptionRow> {
    options().find(|row| row.name() == name)
}
