//! Which bit of an `inet_sock` says that a program writes the IP header itself? The one that follows the option.

use anyhow::bail;

use super::{
    Offsets,
    objects::{Objects, SOCK_BYTES},
    peek::Peek,
    search::Places,
};

/// The byte is the field, and the bit in it the mask: the kernel side reads a word there.
pub fn measure(peek: &Peek, objects: &Objects, offsets: &mut Offsets) -> anyhow::Result<()> {
    let mut places = Places::default();
    let mut mask = 0;
    for value in [1, 0, 1, 0] {
        let before = peek.bytes(objects.raw.sock, SOCK_BYTES)?;
        objects
            .raw
            .socket
            .set(libc::IPPROTO_IP, libc::IP_HDRINCL, value)?;
        let after = peek.bytes(objects.raw.sock, SOCK_BYTES)?;
        places.change::<1>("INET_FLAGS", &before, &after, |before, after| {
            (before ^ after).is_power_of_two() && (after > before) == (value == 1)
        });
        if let [at] = places.left("INET_FLAGS")[..] {
            let at = at as usize;
            mask = u32::from(before[at] ^ after[at]);
        }
    }
    let at = places.only("INET_FLAGS")?;
    if !mask.is_power_of_two() {
        bail!("INET_FLAGS: no bit follows the option IP_HDRINCL");
    }
    offsets.put("INET_FLAGS", at);
    offsets.put("HEADER_INCLUDED", mask);
    Ok(())
}
