//! What the kernel says of a process and of TCP, read from `/proc`.

use std::fs;

/// Clock ticks a second in `/proc/PID/stat`: fixed for user space on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time of a process so far, its own and the kernel's for it, in microseconds.
pub fn cpu_us(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and brackets; the fields after its last bracket do not.
    let (_name, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let own_ticks: f64 = fields.next()?.parse().ok()?;
    let kernel_ticks: f64 = fields.next()?.parse().ok()?;
    Some((own_ticks + kernel_ticks) * 1e6 / TICKS_PER_SECOND)
}

/// Resident memory of a process, in bytes.
pub fn rss_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// Counters of the whole network namespace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TcpCounters {
    /// Connection requests that were sent again.
    pub syn_retries: u64,
    /// Connections refused because the accept queue was full.
    pub listen_overflows: u64,
    /// Connection requests dropped by listening sockets for any reason.
    pub listen_drops: u64,
}

impl TcpCounters {
    /// Now.
    pub fn read() -> Self {
        let netstat = fs::read_to_string("/proc/net/netstat").unwrap_or_default();
        Self::parse(&netstat)
    }

    /// What was added since.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            syn_retries: self.syn_retries.saturating_sub(before.syn_retries),
            listen_overflows: self
                .listen_overflows
                .saturating_sub(before.listen_overflows),
            listen_drops: self.listen_drops.saturating_sub(before.listen_drops),
        }
    }

    fn parse(netstat: &str) -> Self {
        let mut lines = netstat.lines().filter(|line| line.starts_with("TcpExt:"));
        let names = lines.next().unwrap_or_default().split(' ');
        let values = lines.next().unwrap_or_default().split(' ');
        let mut counters = Self::default();
        for (name, value) in names.zip(values).skip(1) {
            let value = value.parse().unwrap_or(0);
            match name {
                "TCPSynRetrans" => counters.syn_retries = value,
                "ListenOverflows" => counters.listen_overflows = value,
                "ListenDrops" => counters.listen_drops = value,
                _ => {}
            }
        }
        counters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_memory_and_time_are_read() {
        let pid = std::process::id();
        assert!(rss_bytes(pid).is_some_and(|bytes| bytes > 100_000));
        assert!(cpu_us(pid).is_some());
        assert_eq!(rss_bytes(0), None);
    }

    #[test]
    fn counters_are_found_by_their_names() {
        let netstat = "TcpExt: A ListenDrops TCPSynRetrans\nTcpExt: 1 2 3\nIpExt: B\nIpExt: 9\n";
        let counters = TcpCounters::parse(netstat);
        assert_eq!((counters.listen_drops, counters.syn_retries), (2, 3));
        let later = TcpCounters::parse("TcpExt: ListenDrops\nTcpExt: 7\n");
        assert_eq!(later.since(counters).listen_drops, 5);
    }
}
