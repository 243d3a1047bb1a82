//! Entries of the array of counters that belong to no program.

/// Contacts counted under a program's overflow entry: the ring buffer, or a table of those that live, had no room, and then
/// the table of destinations had none.
pub const DESTINATIONS_FULL: u32 = 0;
/// Attempts counted, but whose outcome and bytes are unknown: the table of connections was full.
pub const CONNECTIONS_FULL: u32 = 1;
/// Attempts counted under no program: the table of programs was full.
pub const PROCESSES_FULL: u32 = 2;
/// Attempts that found no room even in the overflow table, and are in no count.
pub const OVERFLOW_FULL: u32 = 3;
/// Contacts that have ended and found no room in the ring buffer: counted, and nothing else is known of them.
pub const RING_FULL: u32 = 4;
/// Ends of connections that were never seen, found when their `struct sock` was used again.
pub const END_MISSED: u32 = 5;
/// Programs registered since the start.
pub const PROCESSES: u32 = 6;
/// Datagrams each counted as a contact of its own, whose outcome is unknown: the table of flows was full.
pub const FLOWS_FULL: u32 = 7;
/// Sockets whose end will not be seen: the table of sockets was full.
pub const SOCKETS_FULL: u32 = 8;
/// Listening sockets of which nobody knows whose they are: the table of listeners was full.
pub const LISTENERS_FULL: u32 = 9;
/// Calls of which neither a failure before the SYN nor the bytes of a datagram will be seen: the table of calls in
/// progress was full.
pub const CALLS_FULL: u32 = 10;
/// Datagrams whose bytes are not known: they left inside a packet that nobody can look into.
pub const PAYLOAD_HIDDEN: u32 = 11;
/// Translations that have been noted. No loss: a change says that there is something to read.
pub const TRANSLATIONS: u32 = 12;
/// Bytes that may have said a name and found no room in the ring buffer of names, in events.
pub const NAMES_FULL: u32 = 13;
/// Calls of the C library that ask for a name and returned, of which nobody knows when they began, or whose name or answer could not
/// be read.
pub const LOOKUPS_MISSED: u32 = 14;
/// Calls that asked for no name. No loss: the tracer makes one of its own to see whether calls are seen.
pub const LOOKUPS_NAMELESS: u32 = 15;
/// Calls that send a datagram and whose return was not seen, since more were under way than the kernel follows: their bytes are in no
/// count.
pub const RETURNS_MISSED: u32 = 16;
/// How many there are.
pub const COUNT: u32 = 17;
