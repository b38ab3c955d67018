//! What a peer has acknowledged, as the system counts it.

use mio::net::TcpStream;

/// So many more bytes of a count that wraps around.
pub(super) fn add(count: u32, bytes: usize) -> u32 {
    count.wrapping_add(u32::try_from(bytes & 0xFFFF_FFFF).unwrap_or(0))
}

/// Bytes that the socket has taken and the peer not acknowledged.
#[cfg(target_os = "linux")]
pub(super) fn unacked(socket: &TcpStream) -> Option<u32> {
    use rustix::ioctl::{Getter, ioctl};
    /// SIOCOUTQ, which has the number of TIOCOUTQ.
    const OUTPUT_QUEUE: rustix::ioctl::Opcode = 0x5411;
    #[expect(
        unsafe_code,
        reason = "no library offers it; without it readers of 4 to 16 KB/s were reset, for the kernel tells of room once a third of its buffer is free (measured)"
    )]
    // SAFETY: the request of that number writes one int, for which `Getter` has room.
    let waiting = unsafe { ioctl(socket, Getter::<OUTPUT_QUEUE, core::ffi::c_int>::new()) };
    waiting.ok().and_then(|bytes| u32::try_from(bytes).ok())
}

/// Other systems are not asked.
#[cfg(not(target_os = "linux"))]
pub(super) fn unacked(_: &TcpStream) -> Option<u32> {
    None
}
