//! What the operating system says of this process, under the names that every Prometheus client uses for it. Read when
//! the metrics are asked for.

use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// `process_…`; says nothing where there is no `/proc`.
#[derive(Debug)]
pub(super) struct Process;

/// What `/proc/self` says.
struct Now {
    cpu_seconds: f64,
    threads: i64,
    resident_bytes: i64,
    virtual_bytes: i64,
    /// Seconds since 1970.
    started: f64,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        if let Some(now) = Now::read() {
            let mut gauge = |name: &str, help: &str, value: f64| {
                let metric = ConstGauge::new(value);
                metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
            };
            gauge("process_resident_memory_bytes", "Resident memory", now.resident_bytes as f64)?;
            gauge("process_virtual_memory_bytes", "Virtual memory", now.virtual_bytes as f64)?;
            gauge("process_threads", "Threads", now.threads as f64)?;
            gauge("process_start_time_seconds", "When the process began, since 1970", now.started)?;
            let cpu = ConstCounter::new(now.cpu_seconds);
            let help = "User and system time";
            cpu.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, cpu.metric_type())?)?;
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            let open = ConstGauge::new(open.count() as f64);
            let help = "Open files and sockets";
            open.encode(encoder.encode_descriptor("process_open_fds", help, None, open.metric_type())?)?;
        }
        Ok(())
    }
}

impl Now {
    fn read() -> Option<Self> {
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The name in brackets may hold anything; the third field follows it (proc_pid_stat(5)).
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        let booted = fs::read_to_string("/proc/stat").ok()?;
        let booted =
            booted.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse::<f64>().ok()?;
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) / ticks,
            threads: field(20)? as i64,
            virtual_bytes: field(23)? as i64,
            resident_bytes: field(24)? as i64 * i64::try_from(rustix::param::page_size()).ok()?,
            started: booted + field(22)? / ticks,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_of_this_very_process() {
        let now = Now::read().unwrap();
        assert!((1 << 20..1 << 40).contains(&now.resident_bytes) && now.resident_bytes < now.virtual_bytes);
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!(now.threads >= 1 && now.started < since + 1.0 && now.started > since - 7.0 * 86_400.0);
    }
}
