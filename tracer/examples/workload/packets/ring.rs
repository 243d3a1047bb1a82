//! The transmit ring: memory that is shared with the kernel, which sends what stands in it.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};

use super::send_to;
use crate::socket;

/// Frames of the ring, all in one block.
const FRAMES: usize = 32;
/// Room for one frame with the kernel's header before it.
const ROOM: usize = 2048;
/// Where a frame begins: `TPACKET2_HDRLEN - sizeof(struct sockaddr_ll)`.
const START: usize = 32;

pub struct Ring(*mut u8);

impl Ring {
    pub fn new(socket: &OwnedFd) -> Result<Self> {
        let (level, version) = (libc::SOL_PACKET, libc::tpacket_versions::TPACKET_V2);
        socket::set(socket, level, libc::PACKET_VERSION, &version)?;
        let shape = libc::tpacket_req {
            tp_block_size: (FRAMES * ROOM) as libc::c_uint,
            tp_block_nr: 1,
            tp_frame_size: ROOM as libc::c_uint,
            tp_frame_nr: FRAMES as libc::c_uint,
        };
        socket::set(socket, level, libc::PACKET_TX_RING, &shape)?;
        let (access, how) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        let (nowhere, descriptor) = (std::ptr::null_mut(), socket.as_raw_fd());
        // SAFETY: a new mapping, wherever the kernel has room.
        let start = unsafe { libc::mmap(nowhere, FRAMES * ROOM, access, how, descriptor, 0) };
        ensure!(
            start != libc::MAP_FAILED,
            "map the ring: {}",
            std::io::Error::last_os_error()
        );
        Ok(Self(start.cast()))
    }

    /// A ring full at a time.
    pub fn send(
        self,
        socket: &OwnedFd,
        to: &libc::sockaddr_ll,
        frame: &[u8],
        times: u64,
    ) -> Result<()> {
        ensure!(frame.len() <= ROOM - START, "a frame is too long");
        // The kernel goes on where it stopped.
        let (mut place, mut left) = (0, times);
        while left > 0 {
            let now = left.min(FRAMES as u64) as usize;
            for offset in 0..now {
                self.write((place + offset) % FRAMES, frame)?;
            }
            // Without bytes of its own, and back when all have left.
            let sent = send_to(socket, to, &[]).context("send the ring")?;
            ensure!(
                sent == (now * frame.len()) as u64,
                "{sent} bytes of a ring left"
            );
            place = (place + now) % FRAMES;
            left -= now as u64;
        }
        Ok(())
    }

    fn write(&self, place: usize, frame: &[u8]) -> Result<()> {
        // SAFETY: the place is one of the ring's.
        let start = unsafe { self.0.add(place * ROOM) };
        #[expect(
            clippy::cast_ptr_alignment,
            reason = "every frame begins at a multiple of its room in a page-aligned mapping"
        )]
        let header = start.cast::<libc::tpacket2_hdr>();
        // SAFETY: the kernel changes the status only by whole, aligned words.
        let status = unsafe { AtomicU32::from_ptr(&raw mut (*header).tp_status) };
        // A driver may still have the frame that was here before: its last user gives the place back.
        let mut patience = 1_000_000;
        while status.load(Ordering::Acquire) != libc::TP_STATUS_AVAILABLE {
            ensure!(patience > 0, "a frame never left the ring");
            patience -= 1;
            std::thread::yield_now();
        }
        // SAFETY: the place is free and this program's, and the frame fits in.
        unsafe {
            (*header).tp_len = frame.len() as u32;
            (*header).tp_snaplen = frame.len() as u32;
            start.add(START).copy_from(frame.as_ptr(), frame.len());
        }
        status.store(libc::TP_STATUS_SEND_REQUEST, Ordering::Release);
        Ok(())
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping is this ring's, and nothing points into it any more.
        unsafe { libc::munmap(self.0.cast(), FRAMES * ROOM) };
    }
}
