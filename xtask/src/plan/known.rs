//! The table of what fails, and of what cannot be run, on which machine, and why.
//!
//! A test that stands here is run like any other. Where it does not fail, or is not skipped, as it says here, the run fails:
//! the table never says less than is true, nor more. Only what happens by chance, `often`, need not happen.

use super::HERE;

/// A test that fails on some machines since the tracer is wrong there; or one that is skipped, for what they lack.
pub struct Row {
    pub machines: &'static [&'static str],
    pub test: &'static str,
    pub why: &'static str,
    /// What a failure has to say to be this one.
    pub says: &'static str,
    /// Whether it comes out like that every time. What a kernel skips, it skips by chance.
    pub always: bool,
}

impl Row {
    pub fn is_of(&self, machine: &str, test: &str) -> bool {
        self.machines.contains(&machine) && self.test == test
    }
}

const fn row(test: &'static str, machines: &'static [&'static str], why: &'static str) -> Row {
    Row {
        machines,
        test,
        why,
        says: "",
        always: true,
    }
}

/// For what happens often and not every time; any other failure of the test is one.
const fn often(
    test: &'static str,
    machines: &'static [&'static str],
    says: &'static str,
    why: &'static str,
) -> Row {
    Row {
        machines,
        test,
        why,
        says,
        always: false,
    }
}

const NOT_RUN: &str = "a probe that the kernel skips is made up for by nothing";
const PAST: &str = "what a sockmap sends past TCP is in no count: a limit, which the contact says";

/// Where the tracer is wrong.
pub const KNOWN: &[Row] = &[
    often(
        "translated::what_is_led_elsewhere_counts_for_whom_the_call_named",
        &["x86-7"],
        " with tracing: [\"tracer_connections_established_total ",
        NOT_RUN,
    ),
    often(
        "associations::associations_are_counted_to_the_contact_and_to_the_byte_at_both_ends",
        &["x86-6.12"],
        "; the kernel ran no hook ",
        NOT_RUN,
    ),
    // The public cases, where they lie beside this repository (`xtask/src/cases.rs`).
    row("cases::11-sockmap-redirect", &[HERE], PAST),
];

const NO_SCTP: &str = "no SCTP";
const NO_VRF: &str = "no VRF";
const NO_ESP: &str = "no ESP";
const NO_KPROBES: &str = "no kprobes";
const NO_MPTCP: &str = "no MPTCP";
const NO_TYPES: &[&str] = &["x86-6.1-no-btf"];
const WITHOUT_TYPES: &str = "what it needs is in structures that are not measured";
const BEFORE_6_3: &[&str] = &[
    "x86-5.10",
    "x86-6.1",
    "x86-6.1-no-btf",
    "arm-5.10",
    "arm-6.1",
];

/// Where a machine lacks something.
pub const SKIPPED: &[Row] = &[
    row(
        "associations::associations_are_counted_to_the_contact_and_to_the_byte_at_both_ends",
        &[HERE],
        NO_SCTP,
    ),
    row(
        "associations::associations_that_one_to_one_sockets_accept_are_counted_at_both_ends",
        &[HERE],
        NO_SCTP,
    ),
    row(
        "associations::at_the_control_group_associations_are_counted_to_the_contact_and_to_the_byte_of_their_packets",
        &[HERE],
        NO_SCTP,
    ),
    row(
        "associations::at_the_control_group_an_association_is_of_the_one_to_many_socket_that_accepts_it",
        &[HERE],
        NO_SCTP,
    ),
    row(
        "associations::at_the_control_group_an_association_is_of_the_one_to_one_socket_that_accepts_it",
        &[HERE],
        NO_SCTP,
    ),
    row(
        "associations::at_the_control_group_an_association_that_is_peeled_off_stays_one_contact",
        &[HERE],
        NO_SCTP,
    ),
    row(
        "associations::at_the_control_group_one_to_one_sockets_leave_their_table_at_their_end",
        &[HERE],
        NO_SCTP,
    ),
    row(
        "beside::where_kprobes_serve_an_owner_who_comes_later_finds_every_hook_free",
        &[HERE],
        NO_KPROBES,
    ),
    row(
        "calibration::every_measured_field_stands_where_the_kernels_types_say",
        &["x86-6.1-no-btf"],
        "no types to compare with; all that is needed is measured",
    ),
    row(
        "programs::every_program_loads_and_is_half_as_long_as_the_verifier_allows_or_shorter",
        &["x86-5.10", "arm-5.10"],
        "it does not tell what the verifier looked at",
    ),
    row(
        "older::a_scrape_asks_for_the_older_sockets_and_for_no_others_of_their_namespace",
        BEFORE_6_3,
        "no trace of what is received",
    ),
    row(
        "named::each_contact_has_the_name_that_its_app_said_or_asked_for",
        NO_TYPES,
        WITHOUT_TYPES,
    ),
    row(
        "naming::a_full_ring_of_names_costs_names_alone_and_says_how_many",
        NO_TYPES,
        WITHOUT_TYPES,
    ),
    row(
        "naming::a_name_has_its_company_and_what_is_folded_keeps_it",
        NO_TYPES,
        WITHOUT_TYPES,
    ),
    row(
        "naming::by_address_names_are_in_the_api_alone",
        NO_TYPES,
        WITHOUT_TYPES,
    ),
    row(
        "naming::contacts_that_were_shown_under_a_name_stay_there_though_their_ends_found_no_room",
        NO_TYPES,
        WITHOUT_TYPES,
    ),
    row(
        "naming::payload_that_says_no_name_is_nowhere_in_the_tracers_memory",
        NO_TYPES,
        WITHOUT_TYPES,
    ),
    row(
        "frames::frames_of_every_kind_are_counted_with_the_destination_they_carry",
        NO_TYPES,
        WITHOUT_TYPES,
    ),
    row(
        "frames::a_frame_that_passes_two_devices_is_counted_once",
        NO_TYPES,
        WITHOUT_TYPES,
    ),
    row(
        "multipath::subflows_are_no_further_contacts_and_their_bytes_are_the_contacts",
        NO_TYPES,
        WITHOUT_TYPES,
    ),
    row(
        "carried::what_ipsec_encrypts_counts_for_whom_the_call_named",
        &[HERE],
        NO_ESP,
    ),
    row(
        "bound::what_is_bound_to_an_interface_says_to_which",
        NO_TYPES,
        WITHOUT_TYPES,
    ),
    row(
        "bound::what_is_bound_to_a_vrf_says_to_which",
        NO_TYPES,
        WITHOUT_TYPES,
    ),
    row(
        "bound::what_is_bound_to_a_vrf_says_to_which",
        &[HERE],
        NO_VRF,
    ),
    row(
        "scope::one_link_local_address_on_two_interfaces_is_two_machines",
        NO_TYPES,
        WITHOUT_TYPES,
    ),
    row(
        "past::a_contact_whose_payload_goes_past_tcp_says_so_live_and_ended",
        NO_TYPES,
        WITHOUT_TYPES,
    ),
    row(
        "associations::associations_are_counted_to_the_contact_and_to_the_byte_at_both_ends",
        NO_TYPES,
        WITHOUT_TYPES,
    ),
    row(
        "associations::associations_that_one_to_one_sockets_accept_are_counted_at_both_ends",
        NO_TYPES,
        WITHOUT_TYPES,
    ),
    row(
        "multipath::subflows_are_no_further_contacts_and_their_bytes_are_the_contacts",
        &["x86-5.10", "arm-5.10"],
        NO_MPTCP,
    ),
];

/// Whether a test fails on a machine, for all that is known.
pub fn is_known(machine: &str, test: &str) -> bool {
    KNOWN.iter().any(|row| row.is_of(machine, test))
}
