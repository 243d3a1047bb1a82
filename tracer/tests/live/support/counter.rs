//! A program of BPF that counts how often it runs on top of a process, and does nothing else.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use super::bpf::{self, Attributes, BPF_PROG_LOAD, words};

// include/uapi/linux/bpf.h
const BPF_MAP_CREATE: libc::c_long = 0;
const BPF_MAP_LOOKUP_ELEM: libc::c_long = 1;
const BPF_RAW_TRACEPOINT_OPEN: libc::c_long = 17;
const BPF_MAP_TYPE_ARRAY: u32 = 2;
const BPF_PROG_TYPE_RAW_TRACEPOINT: u32 = 17;

/// Runs at tracepoints for as long as the value lives.
pub struct Counter {
    map: OwnedFd,
    _links: Vec<OwnedFd>,
}

impl Counter {
    /// Counts the runs at some raw tracepoints (4.17) while a thread of the process is current.
    pub fn of_process(process: u32, tracepoints: &[&str]) -> io::Result<Self> {
        bpf::allow_locked_memory();
        let mut attributes = Attributes::default();
        // Kind, size of a key, of a value, entries.
        attributes[..4].copy_from_slice(&[BPF_MAP_TYPE_ARRAY, 4, 8, 1]);
        let map = bpf::open(BPF_MAP_CREATE, &mut attributes)?;
        let program = load(&instructions(process, map.as_raw_fd()))?;
        let mut links = Vec::new();
        for name in tracepoints {
            let name = std::ffi::CString::new(*name)?;
            let mut attributes = Attributes::default();
            attributes[..2].copy_from_slice(&words(name.as_ptr() as u64));
            attributes[2] = program.as_raw_fd().cast_unsigned();
            links.push(bpf::open(BPF_RAW_TRACEPOINT_OPEN, &mut attributes)?);
        }
        Ok(Self { map, _links: links })
    }

    pub fn count(&self) -> u64 {
        let (key, mut value) = (0_u32, 0_u64);
        let mut attributes = Attributes::default();
        attributes[0] = self.map.as_raw_fd().cast_unsigned();
        attributes[2..4].copy_from_slice(&words((&raw const key) as u64));
        attributes[4..6].copy_from_slice(&words((&raw mut value) as u64));
        bpf::call(BPF_MAP_LOOKUP_ELEM, &mut attributes).expect("read a counter");
        value
    }
}

/// `if (current_pid_tgid() >> 32 == process) atomic_add(map[0], 1)`.
fn instructions(process: u32, map: i32) -> [u64; 15] {
    let instruction = |code: u8, registers: u8, offset: i16, value: i32| {
        u64::from(code)
            | u64::from(registers) << 8
            | u64::from(offset.cast_unsigned()) << 16
            | u64::from(value.cast_unsigned()) << 32
    };
    [
        instruction(0x85, 0, 0, 14), // r0 = bpf_get_current_pid_tgid()
        instruction(0x77, 0, 0, 32), // r0 >>= 32
        instruction(0x55, 0, 10, process.cast_signed()), // if r0 != process goto end
        instruction(0x62, 0x0a, -4, 0), // *(u32 *)(r10 - 4) = 0
        instruction(0xbf, 0xa2, 0, 0), // r2 = r10
        instruction(0x07, 0x02, 0, -4), // r2 += -4
        instruction(0x18, 0x11, 0, map), // r1 = the map
        0,                           // its second half
        instruction(0x85, 0, 0, 1),  // r0 = bpf_map_lookup_elem(r1, r2)
        instruction(0x15, 0, 3, 0),  // if r0 == 0 goto end
        instruction(0xb7, 0x01, 0, 1), // r1 = 1
        instruction(0xdb, 0x10, 0, 0), // lock *(u64 *)r0 += r1
        instruction(0xb7, 0, 0, 0),  // r0 = 0
        instruction(0xb7, 0, 0, 0),  // end: r0 = 0
        instruction(0x95, 0, 0, 0),  // exit
    ]
}

fn load(instructions: &[u64]) -> io::Result<OwnedFd> {
    let licence = c"GPL";
    let mut attributes = Attributes::default();
    attributes[0] = BPF_PROG_TYPE_RAW_TRACEPOINT;
    attributes[1] = instructions.len() as u32;
    attributes[2..4].copy_from_slice(&words(instructions.as_ptr() as u64));
    attributes[4..6].copy_from_slice(&words(licence.as_ptr() as u64));
    bpf::open(BPF_PROG_LOAD, &mut attributes)
}
