//! Where the kernel side finds what it reads: fields of kernel structures, looked up in the running kernel's BTF, or
//! measured where it has none (`tracer/src/kernel/calibrate/`).
//!
//! The kernel side has one read-only global per row, of the same name; user space fills it before the load. So the
//! object carries no relocation of its own and loads without BTF in the loader.

/// One field: the global that carries its byte offset, the structure, and the path to the member. Where a kernel version
/// renamed a member, the names stand side by side, separated by `|`.
pub struct Field {
    /// Name of the global in the object, a `u32`.
    pub global: &'static str,
    /// Name of the structure in the kernel.
    pub structure: &'static str,
    /// Path of members, separated by dots.
    pub member: &'static str,
    /// Whether it may be unknown ([`UNKNOWN`]): whoever reads it asks for that first, or is told by another global, or is not
    /// attached (`Signal::fields` of the user side).
    pub optional: bool,
}

const fn field(global: &'static str, structure: &'static str, member: &'static str) -> Field {
    Field {
        global,
        structure,
        member,
        optional: false,
    }
}

const fn optional(global: &'static str, structure: &'static str, member: &'static str) -> Field {
    Field {
        optional: true,
        ..field(global, structure, member)
    }
}

/// What the global of a field carries that nobody knows: where the kernel has no such field, or has no BTF and nothing
/// measures it.
pub const UNKNOWN: u32 = u32::MAX;

/// All of them.
pub const FIELDS: &[Field] = &[
    field("SOCK_PROTOCOL", "sock", "sk_protocol"),
    field("SOCK_ERROR", "sock", "sk_err"),
    field("SOCK_SHUTDOWN", "sock", "sk_shutdown"),
    field("SOCK_STATE", "sock_common", "skc_state"),
    field("SOCK_FAMILY", "sock_common", "skc_family"),
    field("SOCK_FLAGS", "sock_common", "skc_flags"),
    field("SOCK_COOKIE", "sock_common", "skc_cookie"),
    field("SOCK_REMOTE_PORT", "sock_common", "skc_dport"),
    field("SOCK_REMOTE_IPV4", "sock_common", "skc_daddr"),
    field("SOCK_REMOTE_IPV6", "sock_common", "skc_v6_daddr"),
    field("SOCK_LOCAL_PORT", "sock_common", "skc_num"),
    field("SOCK_SOURCE_PORT", "inet_sock", "inet_sport"),
    field("SOCK_LOCAL_IPV4", "sock_common", "skc_rcv_saddr"),
    field("SOCK_LOCAL_IPV6", "sock_common", "skc_v6_rcv_saddr"),
    field("SOCK_NAMESPACE", "sock_common", "skc_net.net"),
    field("SOCK_SOCKET", "sock", "sk_socket"),
    field("NAMESPACE_INODE", "net", "ns.inum"),
    optional("SOCK_USER", "sock", "sk_uid"),
    field("SOCKET_FILE", "socket", "file"),
    field("SOCKET_SOCK", "socket", "sk"),
    field("SOCKET_STATE", "socket", "state"),
    field("SOCK_TYPE", "sock", "sk_type"),
    optional("SOCK_WRITTEN", "sock", "sk_wmem_alloc"),
    optional("SOCK_PROTO", "sock_common", "skc_prot"),
    optional("PROTO_RECEIVE", "proto", "recvmsg"),
    optional("TCP_UPPER", "inet_connection_sock", "icsk_ulp_ops"),
    optional("SOCK_INTERFACE", "sock_common", "skc_bound_dev_if"),
    field("MESSAGE_NAME", "msghdr", "msg_name"),
    optional("MESSAGE_DATA", "msghdr", "msg_iter"),
    // A bit field beside others before 5.14.
    optional("DATA_KIND", "iov_iter", "iter_type|type"),
    optional("DATA_SKIPPED", "iov_iter", "iov_offset"),
    optional("DATA_PLACE", "iov_iter", "__iov|iov"),
    optional("DATA_LENGTH", "iov_iter", "count"),
    optional("UNIX_PEER", "unix_sock", "peer"),
    optional("UNIX_ADDRESS", "unix_sock", "addr"),
    optional("UNIX_ADDRESS_LENGTH", "unix_address", "len"),
    optional("UNIX_ADDRESS_NAME", "unix_address", "name"),
    field("PACKET_LENGTH", "sk_buff", "len"),
    field("PACKET_HEAD", "sk_buff", "head"),
    field("PACKET_DATA", "sk_buff", "data"),
    field("PACKET_NETWORK", "sk_buff", "network_header"),
    field("PACKET_TRANSPORT", "sk_buff", "transport_header"),
    optional("PACKET_SOCK", "sk_buff", "sk"),
    optional("PACKET_CONTROL", "sk_buff", "cb"),
    optional("PACKET_DEVICE", "sk_buff", "dev"),
    optional("PACKET_DATA_LENGTH", "sk_buff", "data_len"),
    optional("PACKET_END", "sk_buff", "end"),
    optional("SHARED_FRAGMENTS", "skb_shared_info", "frags"),
    optional("TCP_IS_MULTIPATH", "tcp_sock", "is_mptcp"),
    optional("TCP_SUBFLOW", "inet_connection_sock", "icsk_ulp_data"),
    optional("MULTIPATH_SENT", "mptcp_sock", "bytes_sent"),
    optional("MULTIPATH_RECEIVED", "mptcp_sock", "bytes_received"),
    optional("SUBFLOW_CONNECTION", "mptcp_subflow_context", "conn"),
    optional("SUBFLOW_JOINS", "mptcp_subflow_context", "request_join"),
    optional("SUBFLOW_JOINED", "mptcp_subflow_context", "mp_join"),
    optional("ASSOCIATION_SOCK", "sctp_association", "base.sk"),
    optional("ASSOCIATION_PEER", "sctp_association", "peer.primary_addr"),
    optional("ASSOCIATION_TRIES", "sctp_association", "init_err_counter"),
    optional("OUTQ_ASSOCIATION", "sctp_outq", "asoc"),
    optional("CHUNK_HEADER", "sctp_chunk", "chunk_hdr"),
    optional("DEVICE_UPPER", "net_device", "adj_list.upper"),
    optional("ADJACENT_DEVICE", "netdev_adjacent", "dev"),
    optional("ADJACENT_LIST", "netdev_adjacent", "list"),
    optional("RING_BLOCKS", "packet_sock", "tx_ring.pg_vec"),
    optional("RING_HEAD", "packet_sock", "tx_ring.head"),
    optional("RING_FRAME_BYTES", "packet_sock", "tx_ring.frame_size"),
    optional(
        "RING_BLOCK_FRAMES",
        "packet_sock",
        "tx_ring.frames_per_block",
    ),
    field("INET_FLAGS", "inet_sock", "inet_flags|hdrincl"),
    // A list's head, which leads to itself while the list is empty, as a listener's is. The copy that a listener makes of itself for a
    // connection leads to the listener until it is set up. `tsq_node` does the same.
    optional("TCP_SENT_LIST", "tcp_sock", "tsorted_sent_queue"),
    optional("SOCK_PORT_BUCKET", "inet_connection_sock", "icsk_bind_hash"),
    field("TCP_SEGMENTS_OUT", "tcp_sock", "segs_out"),
    field("TCP_BYTES_SENT", "tcp_sock", "bytes_sent"),
    field("TCP_BYTES_RETRANSMITTED", "tcp_sock", "bytes_retrans"),
    field("TCP_BYTES_RECEIVED", "tcp_sock", "bytes_received"),
    field("TCP_BYTES_ACKNOWLEDGED", "tcp_sock", "bytes_acked"),
    field("TCP_SEND_UNACKNOWLEDGED", "tcp_sock", "snd_una"),
    field("TCP_SEND_NEXT", "tcp_sock", "snd_nxt"),
    field("TCP_SEND_END", "tcp_sock", "write_seq"),
    field("TASK_PROCESS", "task_struct", "tgid"),
    field("TASK_THREAD", "task_struct", "pid"),
    field("TASK_CREDENTIALS", "task_struct", "cred"),
    field("CREDENTIALS_USER", "cred", "uid"),
    field("TASK_LEADER", "task_struct", "group_leader"),
    field(
        "TASK_STARTED",
        "task_struct",
        "start_boottime|real_start_time",
    ),
    field("TASK_IMAGE", "task_struct", "self_exec_id"),
    field("TASK_MEMORY", "task_struct", "mm"),
    optional("TASK_FILES", "task_struct", "files"),
    optional("FILES_TABLE", "files_struct", "fdt"),
    optional("TABLE_FILES", "fdtable", "fd"),
    optional("TABLE_SIZE", "fdtable", "max_fds"),
    field("TASK_CGROUPS", "task_struct", "cgroups"),
    field("MEMORY_EXECUTABLE", "mm_struct", "exe_file"),
    field("MEMORY_ARGUMENTS", "mm_struct", "arg_start"),
    field("FILE_ENTRY", "file", "f_path.dentry"),
    field("ENTRY_NAME", "dentry", "d_name.name"),
    field("CGROUPS_UNIFIED", "css_set", "dfl_cgrp"),
    optional("CGROUPS_SUBSYSTEMS", "css_set", "subsys"),
    optional("SUBSYSTEM_CGROUP", "cgroup_subsys_state", "cgroup"),
    field("CGROUP_NODE", "cgroup", "kn"),
    field("NODE_NAME", "kernfs_node", "name"),
    field("NODE_ID", "kernfs_node", "id"),
    field("NODE_PARENT", "kernfs_node", "parent|__parent"),
];
