//! The facts, each a function over a kind of store, and the list that runs them on every kind.

mod appends;
mod directory;
mod erasing;
mod readers;
mod reads;
mod reopening;

macro_rules! on_every_store {
    ($($file:ident: $($fact:ident)*;)*) => {
        mod memory { $($(
            #[test] fn $fact() { super::$file::$fact(crate::support::Kind::Memory); }
        )*)* }
        mod sled { $($(
            #[test] fn $fact() { super::$file::$fact(crate::support::Kind::Sled); }
        )*)* }
        mod fjall { $($(
            #[test] fn $fact() { super::$file::$fact(crate::support::Kind::Fjall); }
        )*)* }
    };
}

on_every_store! {
    appends:
        an_append_is_answered_with_its_pos_and_moves_the_tail
        an_append_without_a_fence_is_refused
        an_append_with_an_old_epoch_is_refused
        an_append_with_an_epoch_that_never_fenced_is_refused
        an_append_at_a_wrong_pos_is_answered_with_the_tail
        a_refused_append_changes_nothing_and_fails_no_neighbour
        a_fence_with_an_old_epoch_is_refused
        a_fence_answers_behind_older_appends
        of_racing_epochs_only_the_highest_appends_on
        a_release_by_an_old_epoch_does_nothing
        a_released_entity_can_be_fenced_again_at_its_tail
        many_entities_append_at_once;
    reads:
        records_are_paged_both_ways
        a_page_ends_at_its_bytes_but_holds_a_record
        records_longer_than_a_value_come_back_whole
        a_scan_stays_in_its_entity_and_company
        a_seq_is_found_at_the_first_record_that_reaches_it
        a_cid_is_answered_to_its_person_in_its_entity
        a_snapshot_replaces_the_one_before_whatever_their_lengths
        a_snapshot_beyond_the_tail_is_ignored
        pending_marks_come_and_go_with_records_and_settling;
    directory:
        rows_are_read_in_order_and_in_reverse
        rows_of_any_length_are_replaced_and_removed
        rows_written_with_a_record_are_there_with_it
        rows_stay_in_their_company
        companies_are_created_once_and_listed_in_order
        expired_cids_are_swept_and_young_ones_stay;
    erasing:
        what_stands_before_an_erasing_record_goes
        commands_may_be_remembered_without_their_records
        what_is_owed_for_is_erased_once_it_is_settled
        what_was_not_erased_yet_is_erased_after_opening
        readers_never_fail_while_records_are_erased;
    readers:
        readers_see_whole_writes_only;
    reopening:
        everything_is_there_after_reopening
        an_unclean_end_keeps_what_was_acknowledged
        the_boot_is_counted
        the_salt_stays_unless_a_buffered_store_ended_unclean
        a_closed_store_answers_unknown_and_still_reads;
}
