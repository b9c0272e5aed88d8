//! What this machine has, and how much of it jobs may use.

use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// A job is given at least this many processor threads before a second one is taken beside it.
const THREADS_PER_JOB: usize = 8;
/// A job is given at least this much memory before a second one is taken beside it.
const MEMORY_PER_JOB: u64 = 4 << 30;
/// The share of the memory, in percent, that jobs may use by default: the machine has an owner, too.
const DEFAULT_MEMORY_PERCENT: u64 = 70;

/// The machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Processor threads that this process may use.
    pub cpus: usize,
    /// Memory in bytes, or the container's limit if that is lower.
    pub memory: u64,
    /// Name of the processor.
    pub processor: String,
    /// Name of the host.
    pub host: String,
}

impl Machine {
    /// Looks at the machine on which this runs.
    pub fn detect() -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let what = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = System::new_with_specifics(what).ok();
        let memory = system.as_ref().map_or(0, |system| {
            let limit = system.cgroup_limits().map_or(u64::MAX, |limits| limits.total_memory);
            system.total_memory().min(limit)
        });
        // A platform that does not tell is taken for a small one.
        let memory = if memory == 0 { 2 << 30 } else { memory };
        let processor =
            system.as_ref().and_then(|system| system.cpus().first()).map(|cpu| cpu.brand().trim().to_owned());
        let processor = processor.unwrap_or_default();
        Self { cpus, memory, processor, host: System::host_name().unwrap_or_default() }
    }

    /// Changes when a benchmark that was measured earlier says nothing any more: another processor, another share of
    /// it, or another version of the program.
    pub fn fingerprint(&self, capacity: &Capacity) -> String {
        let Self { cpus, memory, processor, .. } = self;
        let gib = memory >> 30;
        let (version, arch) = (env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
        format!("{version} {arch} {processor:?} cpus={cpus} gib={gib} threads={}", capacity.threads)
    }

    /// A name for the device that the API takes: the host's, reduced to what is allowed.
    pub fn device_name(&self) -> String {
        let name: String = self
            .host
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' })
            .take(zkpool_api::MAX_DEVICE_NAME)
            .collect();
        if name.is_empty() { "device".to_owned() } else { name }
    }
}

/// What jobs may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Jobs at once.
    pub jobs: usize,
    /// Processor threads of each job.
    pub threads: usize,
    /// Memory of all jobs together, in bytes.
    pub memory: u64,
}

impl Capacity {
    /// Fits the machine; what the owner has set wins.
    pub fn fit(machine: &Machine, jobs: Option<usize>, threads: Option<usize>, memory: Option<u64>) -> Self {
        let memory = memory.unwrap_or(machine.memory / 100 * DEFAULT_MEMORY_PERCENT);
        let by_memory = usize::try_from(memory / MEMORY_PER_JOB).unwrap_or(usize::MAX);
        let jobs = jobs.unwrap_or((machine.cpus / threads.unwrap_or(THREADS_PER_JOB).max(1)).min(by_memory)).max(1);
        let threads = threads.unwrap_or(machine.cpus / jobs).max(1);
        Self { jobs, threads, memory }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(cpus: usize, gib: u64) -> Machine {
        Machine { cpus, memory: gib << 30, processor: "P".into(), host: "h".into() }
    }

    #[test]
    fn this_machine_has_something() {
        let machine = Machine::detect();
        assert!(machine.cpus > 0 && machine.memory > 0, "{machine:?}");
    }

    #[test]
    fn concurrency_fits_processors_and_memory() {
        let jobs = |cpus, gib| Capacity::fit(&machine(cpus, gib), None, None, None).jobs;
        assert_eq!(jobs(2, 4), 1);
        assert_eq!(jobs(8, 16), 1);
        assert_eq!(jobs(32, 128), 4);
        assert_eq!(jobs(32, 8), 1, "memory bounds it");
        let threads = |cpus, gib| Capacity::fit(&machine(cpus, gib), None, None, None).threads;
        assert_eq!((threads(2, 4), threads(32, 128)), (2, 8));
    }

    #[test]
    fn what_the_owner_sets_wins() {
        let set = Capacity::fit(&machine(4, 8), Some(3), Some(2), Some(5));
        assert_eq!(set, Capacity { jobs: 3, threads: 2, memory: 5 });
        assert_eq!(Capacity::fit(&machine(4, 8), Some(0), Some(0), None).jobs, 1);
    }

    #[test]
    fn a_fingerprint_covers_what_a_benchmark_depends_on() {
        let capacity = Capacity { jobs: 1, threads: 2, memory: 1 };
        let base = machine(2, 8).fingerprint(&capacity);
        assert_ne!(base, machine(4, 8).fingerprint(&capacity));
        assert_ne!(base, machine(2, 8).fingerprint(&Capacity { threads: 1, ..capacity }));
        assert_ne!(base, Machine { processor: "Q".into(), ..machine(2, 8) }.fingerprint(&capacity));
    }

    #[test]
    fn a_device_name_is_one_that_the_api_takes() {
        let name = |host: &str| Machine { host: host.into(), ..machine(1, 1) }.device_name();
        assert_eq!(name("Ann's laptop"), "Ann-s-laptop");
        assert_eq!(name(""), "device");
        assert_eq!(name(&"x".repeat(200)).len(), zkpool_api::MAX_DEVICE_NAME);
    }
}
