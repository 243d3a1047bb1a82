//! Whether the running kernel lets a program ask what other programs of its cgroup have answered.

use super::trial;

const BPF_PROG_TYPE_CGROUP_SOCK_ADDR: u32 = 18;
const BPF_CGROUP_INET4_CONNECT: u32 = 10;

/// `call bpf_get_retval; r0 = 1; exit` (include/uapi/linux/bpf.h: the helper has number 186).
const ASK: [u64; 3] = [0x0000_00ba_0000_0085, 0x0000_0001_0000_00b7, 0x95];

/// `bpf_get_retval` for programs that watch `connect(2)`; since 5.18. A small program that asks is loaded, and dropped.
pub fn tells_answers_of_others() -> bool {
    let loaded = trial::load(
        BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
        BPF_CGROUP_INET4_CONNECT,
        &ASK,
    );
    // Where no program can be loaded at all, loading the object says why.
    loaded.map_or_else(|error| error.raw_os_error() != Some(libc::EINVAL), |_| true)
}
