//! The operator's commands, a file each.

pub mod board;
pub mod doctor;
pub mod features;
pub mod health;
pub mod outbox;
pub mod practice;
pub mod report;
pub mod runs;
pub mod sample;
pub mod status;
pub mod watch;
mod words;

/// Prints lines to standard output.
fn print(lines: impl IntoIterator<Item = String>) {
    for line in lines {
        println!("{line}");
    }
}
