//! Patient Finder: `features.md` §7. All patients of a practice in memory, one row each, found by filters.
//!
//! [`table`] computes the rows once for each set of accepted tables; [`filter`], [`search`] and [`order`] say which are
//! asked for and how they come; [`page`] turns pages over commits. Sync Patient reads families again: [`fetch`] brings
//! their rows, [`overlay`] keeps them beside the tables until a nightly commit has them, [`view`] lays them over the table.

pub mod bulk;
pub mod fetch;
pub mod field;
pub mod filter;
pub mod needs;
pub mod order;
pub mod overlay;
pub mod page;
pub mod row;
pub mod search;
pub mod shown;
pub mod table;
pub mod view;
