//! Each limit has a test that reaches it; this is the list.

use super::{assert_none, limits::limits, texts};
use std::collections::BTreeSet;

/// A limit, and the test that reaches it: its file, without `.rs`, and its name.
const REACHED: [(&str, &str, &str); 66] = [
    (
        "connections_max",
        "tests/it/sim/directed/strangers",
        "a_full_hub_says_so_before_the_upgrade_and_takes_events_all_the_same",
    ),
    ("strangers_max", "tests/it/wire/strangers", "a_thousand_sockets_without_a_token_keep_nobody_out"),
    (
        "user_connections_max",
        "tests/it/wire/quotas",
        "a_user_has_so_many_connections_over_all_threads_and_is_told_before_the_upgrade",
    ),
    (
        "user_connects_per_minute",
        "tests/it/wire/quotas",
        "whoever_connects_too_often_is_told_when_to_come_back_and_nobody_else_is",
    ),
    ("address_connections_max", "tests/it/wire/quotas", "an_address_behind_a_trusted_proxy_has_so_many_connections"),
    (
        "address_connects_per_minute",
        "tests/it/wire/quotas",
        "whoever_connects_too_often_is_told_when_to_come_back_and_nobody_else_is",
    ),
    ("internal_max", "tests/it/wire/internal", "who_has_not_published_for_longest_makes_room_inside"),
    ("head_bytes_max", "tests/it/wire/clients", "a_refusal_says_why_in_its_body_and_a_page_of_the_hub_can_read_it"),
    ("headers_max", "tests/it/wire/clients", "a_refusal_says_why_in_its_body_and_a_page_of_the_hub_can_read_it"),
    ("head_ms", "tests/it/sim/directed/deadlines", "a_connection_without_a_byte_is_ended_in_silence_after_head_ms"),
    ("idle_ms", "tests/it/sim/directed/deadlines", "a_connection_may_rest_for_idle_ms_between_requests"),
    ("body_bytes_max", "tests/it/wire/clients", "a_refusal_says_why_in_its_body_and_a_page_of_the_hub_can_read_it"),
    ("body_ms", "tests/it/sim/directed/deadlines", "half_a_body_is_answered_408_after_body_ms"),
    ("items_max", "src/api/publish/tests/mod", "items_are_counted_before_any_is_delivered"),
    (
        "event_bytes_max",
        "src/api/publish/tests/mod",
        "an_event_beyond_its_size_is_rejected_also_where_filling_makes_it_so",
    ),
    ("json_depth_max", "tests/it/wire/limits", "json_that_nests_too_deep_is_refused_of_publishers_and_of_clients"),
    ("errors_per_item_max", "tests/it/wire/limits", "of_an_item_as_many_errors_are_told_as_the_limit_says"),
    (
        "reply_bytes_max",
        "tests/it/wire/limits",
        "a_reply_that_would_be_too_long_lists_the_rest_of_its_items_without_their_errors",
    ),
    (
        "negotiated_max",
        "tests/it/wire/limits",
        "of_ids_whose_connections_are_over_as_many_are_remembered_as_negotiated_max_says",
    ),
    ("revocations_max", "tests/it/wire/revoked", "there_are_so_many_revocations_and_one_more_is_refused"),
    ("negotiated_ms", "tests/it/sim/directed/deadlines", "a_negotiated_token_is_good_for_negotiated_ms"),
    (
        "poll_ms",
        "tests/it/wire/transports",
        "a_poll_waits_for_poll_ms_and_a_client_that_polls_no_more_is_given_up_after_disconnect_ms",
    ),
    (
        "disconnect_ms",
        "tests/it/wire/transports",
        "a_poll_waits_for_poll_ms_and_a_client_that_polls_no_more_is_given_up_after_disconnect_ms",
    ),
    (
        "unacknowledged_bytes_max",
        "tests/it/wire/stateful",
        "who_lacks_what_is_kept_no_longer_is_refused_and_a_connection_that_lives_goes_on",
    ),
    ("handshake_ms", "tests/it/wire/protocol", "a_client_that_says_nothing_is_cancelled_in_time"),
    ("ping_every_ms", "tests/it/wire/protocol", "the_hub_pings_who_hears_nothing_and_gives_up_who_stops_pinging"),
    (
        "client_timeout_ms",
        "tests/it/sim/directed/deadlines",
        "a_client_that_has_pinged_is_given_up_after_thirty_seconds_of_silence",
    ),
    ("record_bytes_max", "tests/it/wire/protocol", "a_message_too_long_ends_the_connection_behind_the_good_ones"),
    ("record_ms", "tests/it/sim/directed/deadlines", "a_hub_message_without_an_end_has_its_time"),
    (
        "subscriptions_max",
        "tests/it/wire/protocol",
        "an_item_is_judged_by_form_event_entity_permission_and_limit_in_this_order",
    ),
    ("total_subscriptions_max", "tests/it/wire/memory", "all_subscriptions_together_have_a_bound_of_their_own"),
    (
        "outbox_soft_bytes",
        "tests/it/sim/directed/turns",
        "a_publisher_waits_for_many_readers_who_have_fallen_behind_until_they_have_read",
    ),
    (
        "outbox_hard_bytes",
        "tests/it/sim/directed/slow",
        "an_overrun_keeps_the_frame_begun_and_says_why_and_that_it_may_come_back",
    ),
    (
        "overrun_ms",
        "tests/it/sim/directed/turns",
        "a_publisher_waits_for_readers_who_take_nothing_no_longer_than_overrun_ms",
    ),
    (
        "backlog_bytes_max",
        "tests/it/sim/directed/slow",
        "the_largest_backlog_goes_when_all_pass_the_bound_of_the_process",
    ),
    (
        "memory_bytes_max",
        "tests/it/wire/memory",
        "of_backlogs_that_fill_the_memory_the_largest_goes_and_nobody_else_is_touched",
    ),
    ("pinned_bytes_max", "tests/it/sim/directed/memory", "beyond_the_bound_the_largest_backlog_goes"),
    ("write_stuck_ms", "tests/it/sim/directed/slow", "a_write_stuck_for_write_stuck_ms_is_reset"),
    ("kept_rows_max", "src/hub/kept/tests", "homes_share_the_bounds_and_the_one_with_more_than_its_share_gives_way"),
    (
        "kept_bytes_max",
        "tests/it/wire/limits",
        "beyond_kept_bytes_max_the_rows_written_longest_ago_go_and_the_newest_stay",
    ),
    ("keep_ms", "tests/it/wire/kept", "a_snapshot_says_where_there_may_be_more_and_by_default_tells_no_calls"),
    ("open_call_ms", "tests/it/wire/kept", "a_snapshot_says_where_there_may_be_more_and_by_default_tells_no_calls"),
    (
        "linger_ms",
        "tests/it/wire/kept",
        "a_leg_that_is_over_lingers_for_linger_ms_and_what_comes_late_opens_it_only_behind_that",
    ),
    ("history_bytes_max", "tests/it/wire/since", "a_hub_without_history_says_so"),
    ("history_ms", "tests/it/wire/limits", "what_is_older_than_history_ms_is_not_replayed_and_the_client_is_told_so"),
    ("replay_items_max", "tests/it/wire/since", "a_page_that_opens_may_look_back_for_a_while"),
    ("since_wait_ms", "tests/it/sim/directed/ahead", "a_subscribe_that_is_ahead_for_too_long_is_told_so"),
    (
        "dedupe_ms",
        "tests/it/sim/directed/again",
        "an_id_is_forgotten_when_its_time_is_over_and_beyond_the_bound_the_oldest_goes",
    ),
    (
        "dedupe_max",
        "tests/it/sim/directed/again",
        "an_id_is_forgotten_when_its_time_is_over_and_beyond_the_bound_the_oldest_goes",
    ),
    ("close_ms", "tests/it/sim/directed/rests", "a_peer_that_is_closed_and_goes_on_sending_is_not_read_for_long"),
    (
        "read_budget_bytes",
        "tests/it/wire/tls",
        "what_is_left_in_the_session_after_a_read_is_read_without_a_further_edge",
    ),
    (
        "turn_deliveries_max",
        "tests/it/sim/directed/turns",
        "a_large_request_goes_on_from_turn_to_turn_and_others_come_in_between",
    ),
    (
        "connection_deliveries_max",
        "tests/it/sim/directed/rests",
        "a_client_that_has_used_up_its_allowance_is_not_read_on_until_some_has_come_back",
    ),
    (
        "connection_deliveries_per_s",
        "tests/it/sim/directed/rests",
        "requests_of_a_stranger_are_answered_as_its_allowance_comes_back",
    ),
    ("rest_ms", "tests/it/sim/directed/rests", "a_client_that_would_rest_for_too_long_is_closed_with_a_word"),
    ("socket_send_bytes", "tests/it/wire/running", "a_member_that_does_not_read_is_let_go_and_the_others_miss_nothing"),
    ("drain_delay_ms", "tests/it/wire/supervised", "after_its_delay_the_drain_begins_by_itself"),
    ("drain_ms", "tests/it/wire/days", "a_drain_with_publishers_at_work_and_readers_that_are_stuck_ends_in_time"),
    ("drain_spread_ms", "tests/it/wire/operating", "a_hub_ends_in_time_though_nobody_reads_its_log"),
    (
        "accept_retry_ms",
        "tests/it/sim/directed/requests",
        "an_accept_that_failed_is_tried_again_by_time_since_no_edge_will_tell",
    ),
    (
        "mailbox_bytes_max",
        "tests/it/wire/limits",
        "publishers_wait_for_a_thread_whose_mailbox_is_full_and_nothing_is_lost_or_out_of_order",
    ),
    (
        "log_bytes_max",
        "tests/it/wire/operating",
        "a_reader_of_the_log_that_stalls_stops_nobody_and_is_told_what_it_missed",
    ),
    (
        "gap_spread_ms",
        "tests/it/wire/nodes/mod",
        "a_gap_closes_those_who_must_have_every_event_and_states_are_set_right",
    ),
    (
        "backplane_queue_bytes_max",
        "src/backplane/writer",
        "what_waits_for_the_engine_is_bounded_and_more_is_refused_at_once",
    ),
    (
        "backplane_repair_bytes_max",
        "src/backplane/writer",
        "what_is_kept_to_be_appended_again_is_bounded_and_the_first_goes_first",
    ),
    ("journal_stall_ms", "tests/it/sim/mod", "every_invariant_holds_whatever_the_seed"),
];

#[test]
fn each_limit_has_a_test_that_reaches_it() {
    let texts = texts();
    let has_test = |file: &str, test: &str| {
        let text = texts.iter().find(|text| text.path == format!("{file}.rs"));
        text.is_some_and(|text| {
            text.text.contains(&format!("#[test]\n    fn {test}("))
                || text.text.contains(&format!("#[test]\nfn {test}("))
        })
    };
    let named: BTreeSet<&str> = REACHED.iter().map(|(limit, ..)| *limit).collect();
    let known: BTreeSet<String> = limits().into_iter().map(|(name, _)| name).collect();
    let without = known.iter().filter(|name| !named.contains(name.as_str())).map(|name| format!("{name}: no test"));
    let unknown = named.iter().filter(|name| !known.contains(**name)).map(|name| format!("{name}: no limit"));
    let missing = REACHED.iter().filter(|(_, file, test)| !has_test(file, test));
    let missing = missing.map(|(limit, file, test)| format!("{limit}: no test {test} in {file}.rs"));
    assert_none(without.chain(unknown).chain(missing).collect(), "limits and the tests that reach them:");
}
