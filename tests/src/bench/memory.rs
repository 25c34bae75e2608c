//! The memory that processes hold, as the kernel counts it.

/// The most memory that a process has held since it began or [`forget_peak`] was called, in MiB.
///
/// # Panics
/// When the process is gone.
pub fn peak_mb(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse().expect("a number");
    kilobytes / 1024.0
}

/// Lets the peak begin anew at what the process holds now.
///
/// # Panics
/// When the kernel does not allow it.
pub fn forget_peak(pid: u32) {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("the peak begins anew");
}
