//! The table of the live tests: on which machines each runs in the short run, and on which in the long one.

use super::{HERE, Scope};

pub struct Test {
    /// Its module in `tracer/tests/live/`, and its own name.
    pub name: &'static str,
    /// Machines of the short run.
    pub short: &'static [&'static str],
    pub long: Long,
}

/// Machines of the long run.
pub enum Long {
    Everywhere,
    /// What the kernel has no part in: how processes are named in user space, HTTP, Prometheus; and what takes an emulated
    /// machine too long: loads of hundreds of thousands.
    On(&'static [&'static str]),
}

impl Test {
    pub fn runs(&self, machine: &str, scope: Scope) -> bool {
        match (scope, &self.long) {
            (Scope::Short, _) => self.short.contains(&machine),
            (Scope::Long, Long::Everywhere) => true,
            (Scope::Long, Long::On(machines)) => machines.contains(&machine),
        }
    }
}

const fn row(name: &'static str, short: &'static [&'static str], long: Long) -> Test {
    Test { name, short, long }
}

const EVERYWHERE: &[&str] = &[
    HERE,
    "x86-5.10",
    "x86-6.1",
    "x86-6.1-no-btf",
    "x86-6.12",
    "x86-7",
    "arm-5.10",
    "arm-6.1",
    "arm-6.12-16k",
];
const ONLY_HERE: &[&str] = &[HERE];
/// For the long run alone.
const NOWHERE: &[&str] = &[];

/// The first is the one that finds most of what is wrong.
pub const TESTS: &[Test] = &[
    row(
        "exact::a_workload_of_every_kind_is_counted_to_the_contact_and_to_the_byte",
        EVERYWHERE,
        Long::Everywhere,
    ),
    row(
        "android::uid_and_process_name_tell_the_package_and_a_new_list_is_noticed",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "apps::an_executable_is_an_app_and_its_user_is_named",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "apps::a_process_that_lives_a_millisecond_has_its_name",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "apps::a_fork_is_the_app_a_thread_has_no_name_and_an_exec_is_another_app",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "apps::programs_that_get_the_same_process_number_are_told_apart",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "apps::the_numbers_of_another_process_namespace_do_not_matter",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "apps::sockets_at_the_same_place_in_memory_are_told_apart",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "apps::a_hostile_name_is_kept_as_far_as_there_is_room_and_the_answer_stays_whole",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "apps::a_program_whose_file_is_removed_or_replaced_while_it_runs_keeps_its_name",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "apps::a_service_a_desktop_app_or_a_container_is_known_by_its_control_group",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "apps::a_container_has_the_name_that_docker_gave_it",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "apps::a_process_moved_to_another_control_group_is_another_app_from_then_on",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "apps::on_a_hybrid_machine_a_container_is_named_whatever_the_unified_hierarchy_says",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "apps::on_a_hybrid_machine_a_desktop_app_is_named_by_the_unified_hierarchy",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "associations::associations_are_counted_to_the_contact_and_to_the_byte_at_both_ends",
        &[HERE, "x86-5.10", "x86-6.12"],
        Long::Everywhere,
    ),
    row(
        "associations::associations_that_one_to_one_sockets_accept_are_counted_at_both_ends",
        NOWHERE,
        Long::Everywhere,
    ),
    row(
        "associations::at_the_control_group_associations_are_counted_to_the_contact_and_to_the_byte_of_their_packets",
        &["x86-5.10", "x86-6.12"],
        Long::Everywhere,
    ),
    row(
        "associations::at_the_control_group_an_association_is_of_the_one_to_many_socket_that_accepts_it",
        NOWHERE,
        Long::Everywhere,
    ),
    row(
        "associations::at_the_control_group_an_association_is_of_the_one_to_one_socket_that_accepts_it",
        NOWHERE,
        Long::Everywhere,
    ),
    row(
        "associations::at_the_control_group_one_to_one_sockets_leave_their_table_at_their_end",
        &["x86-6.12"],
        Long::Everywhere,
    ),
    row(
        "attempts::a_connect_without_a_syn_is_a_failed_contact_at_the_control_group",
        &[HERE, "x86-5.10"],
        Long::Everywhere,
    ),
    row(
        "attempts::a_connect_without_a_syn_is_a_failed_contact_with_kprobes",
        &["x86-6.1"],
        Long::Everywhere,
    ),
    row(
        "beside::an_exclusive_owner_of_every_hook_keeps_them_and_can_come_and_go",
        &[HERE, "x86-6.1"],
        Long::Everywhere,
    ),
    row(
        "beside::where_kprobes_serve_an_owner_who_comes_later_finds_every_hook_free",
        &[HERE, "x86-6.1"],
        Long::Everywhere,
    ),
    row(
        "busy::four_programs_that_connect_at_the_same_time_have_each_connection_once",
        &["x86-7"],
        Long::Everywhere,
    ),
    row(
        "busy::with_busy_loops_on_every_processor_each_connect_is_its_callers",
        &[HERE, "x86-6.1"],
        Long::Everywhere,
    ),
    row(
        "busy::with_busy_loops_on_every_processor_each_of_a_million_connects_is_its_callers",
        NOWHERE,
        Long::On(&[HERE, "x86-6.1"]),
    ),
    row(
        "calibration::every_measured_field_stands_where_the_kernels_types_say",
        EVERYWHERE,
        Long::Everywhere,
    ),
    row(
        "churn::under_churn_no_counter_falls_and_each_contact_is_in_one_state",
        ONLY_HERE,
        Long::Everywhere,
    ),
    row(
        "churn::what_churn_made_is_exact_at_rest",
        ONLY_HERE,
        Long::Everywhere,
    ),
    row(
        "contacts::each_is_shown_once_while_it_lives_and_after_it_has_ended",
        &[HERE, "x86-6.1", "x86-7", "arm-5.10"],
        Long::Everywhere,
    ),
    row(
        "datagram::datagrams_of_every_kind_are_counted_to_the_contact_and_to_the_byte",
        &[HERE, "x86-5.10", "x86-6.1-no-btf", "arm-6.12-16k"],
        Long::Everywhere,
    ),
    row(
        "datagram::what_a_raw_socket_receives_is_its_makers_where_it_neither_binds_nor_sends",
        &[HERE, "arm-5.10"],
        Long::Everywhere,
    ),
    row(
        "datagram::a_contact_over_datagrams_is_open_until_its_socket_closes",
        &[HERE],
        Long::Everywhere,
    ),
    row(
        "datagram::a_flood_to_a_million_remotes_is_bounded_and_its_totals_are_exact",
        NOWHERE,
        Long::Everywhere,
    ),
    row(
        "fast_path::a_flow_that_lasts_is_counted_to_the_byte_in_its_slot",
        ONLY_HERE,
        Long::Everywhere,
    ),
    row(
        "fast_path::one_over_ipv6_is_counted_to_the_byte_in_its_slot",
        &[HERE, "x86-6.1-no-btf"],
        Long::Everywhere,
    ),
    row(
        "frames::frames_of_every_kind_are_counted_with_the_destination_they_carry",
        &[HERE, "x86-6.12"],
        Long::Everywhere,
    ),
    row(
        "frames::a_frame_that_passes_two_devices_is_counted_once",
        ONLY_HERE,
        Long::Everywhere,
    ),
    row(
        "hidden::what_programs_see_is_not_hidden_and_what_they_do_not_see_is",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "multipath::subflows_are_no_further_contacts_and_their_bytes_are_the_contacts",
        &[HERE, "x86-6.12"],
        Long::Everywhere,
    ),
    row(
        "namespaces::the_same_addresses_and_ports_in_two_namespaces_are_told_apart",
        ONLY_HERE,
        Long::Everywhere,
    ),
    row(
        "nested::changes_that_the_kernel_skips_a_program_for_are_seen_by_another",
        ONLY_HERE,
        Long::Everywhere,
    ),
    row(
        "older::sockets_older_than_the_tracer_are_open_and_their_bytes_from_then_on_count",
        ONLY_HERE,
        Long::Everywhere,
    ),
    row(
        "older::sockets_that_end_while_it_starts_are_no_loss",
        ONLY_HERE,
        Long::Everywhere,
    ),
    row(
        "older::what_an_older_listener_accepts_while_the_tracer_starts_is_its",
        ONLY_HERE,
        Long::Everywhere,
    ),
    row(
        "older::what_an_older_socket_of_datagrams_receives_while_the_tracer_starts_is_its",
        ONLY_HERE,
        Long::Everywhere,
    ),
    row(
        "overload::two_threads_as_fast_as_they_can_lose_nothing",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "overload::two_threads_as_fast_as_they_can_for_thirty_seconds_lose_nothing",
        NOWHERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "overload::a_ring_buffer_too_small_costs_details_and_no_count",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "overload::a_table_of_destinations_too_small_folds_and_keeps_each_apps_total",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "overload::a_table_of_connections_too_small_costs_outcomes_and_no_attempt",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "overload::a_table_of_programs_too_small_leaves_the_machines_total_exact",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "overload::a_reader_stopped_for_ten_seconds_loses_details_that_it_counts_and_no_count",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "overload::a_hundred_thousand_processes_are_counted_named_and_forgotten",
        NOWHERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "overload::an_app_that_contacts_a_million_addresses_takes_a_bounded_place",
        NOWHERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "programs::every_program_loads_and_is_half_as_long_as_the_verifier_allows_or_shorter",
        ONLY_HERE,
        Long::Everywhere,
    ),
    row(
        "programs::each_hook_has_one_series",
        ONLY_HERE,
        Long::Everywhere,
    ),
    row(
        "programs::with_another_tracer_on_the_same_hooks_both_count_all_and_say_what_was_not_run",
        ONLY_HERE,
        Long::Everywhere,
    ),
    row(
        "prometheus::a_minute_of_scrapes_gives_increases_equal_to_the_truth",
        NOWHERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "prometheus::promtool_has_nothing_to_say_about_a_live_scrape",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "refusals::without_rights_it_says_which_are_missing",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "refusals::a_taken_port_is_said_before_the_kernel_is_touched",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "refusals::an_unreadable_list_of_packages_is_said",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "refusals::a_kernel_without_type_information_is_measured_and_the_doctor_says_so",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "refusals::a_kernel_that_cannot_be_measured_is_said_with_the_reason",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "refusals::the_doctor_says_that_the_main_job_can_run_here",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "service::a_killed_tracer_leaves_nothing_and_a_new_one_counts_from_zero",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "service::a_signal_ends_it_within_a_second_with_everything_detached",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "service::who_asks_while_it_starts_is_nobodys_contact_before_it_can_be_somebodys",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "service::two_tracers_side_by_side_count_the_same",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "service::bytes_of_open_connections_are_shown_while_they_are_open",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "service::a_scrape_is_the_contact_of_who_scrapes_and_the_tracer_contacts_nobody",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "service::every_hook_is_shown_as_attached_and_the_probes_answer",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "silence::after_two_minutes_of_silence_a_contact_is_over_and_the_next_datagram_begins_another",
        NOWHERE,
        Long::Everywhere,
    ),
    row(
        "sockets::data_in_the_syn_is_counted_at_both_ends_and_so_is_the_request_for_the_cookie",
        ONLY_HERE,
        Long::Everywhere,
    ),
    row(
        "sockets::a_socket_handed_to_another_process_counts_for_who_makes_the_contact",
        ONLY_HERE,
        Long::Everywhere,
    ),
    row(
        "sockets::a_socket_used_from_another_network_namespace_counts_once_and_for_the_same_app",
        ONLY_HERE,
        Long::Everywhere,
    ),
    row(
        "sockets::what_an_inherited_socket_accepts_counts_for_who_listened",
        &[HERE, "x86-6.1"],
        Long::Everywhere,
    ),
    row(
        "sources::datagrams_from_a_hundred_thousand_addresses_take_a_bounded_place",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "sources::datagrams_from_a_hundred_thousand_sockets_take_a_bounded_place",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "sources::a_server_older_than_the_tracer_is_forgotten_when_it_has_ended",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "sources::connections_from_a_hundred_thousand_addresses_take_a_bounded_place",
        ONLY_HERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "sources::contacts_from_a_million_addresses_take_a_bounded_place",
        NOWHERE,
        Long::On(ONLY_HERE),
    ),
    row(
        "traffic::traffic_of_every_shape_is_counted_to_the_contact_and_to_the_byte",
        ONLY_HERE,
        Long::Everywhere,
    ),
    row(
        "traps::bytes_that_a_full_queue_refused_are_counted_when_they_leave_and_not_before",
        ONLY_HERE,
        Long::Everywhere,
    ),
    row(
        "traps::a_refused_syn_that_carried_data_is_a_failed_attempt",
        ONLY_HERE,
        Long::Everywhere,
    ),
    row(
        "zygote::a_contact_is_its_apps_however_android_makes_it",
        &[HERE, "arm-6.1"],
        Long::Everywhere,
    ),
];
