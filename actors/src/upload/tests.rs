//! Uploads: each step after the one before it, whoever asks and however often; any order of
//! everything that can be asked.

use std::sync::Arc;

use frontdesk_protocol::command::{Card, Role};
use frontdesk_protocol::upload::Kinds;
use frontdesk_protocol::{ErrorCode, UploadId};
use proptest::prelude::*;

use super::*;
use crate::tests::desk::Desk;
use crate::tests::{company_of, person as person_id};

const TERMS: UploadTerms = UploadTerms {
    size_max: 1_000,
    expires_at: Timestamp(9_000_000),
    kinds: Kinds::Harmless,
};

fn entity() -> EntityId {
    EntityId::upload(company_of("TES001"), UploadId::from_bits([7; 16]))
}

fn somebody(name: &str) -> Caller {
    Caller::Person(Arc::new(Principal {
        company: company_of("TES001"),
        person: person_id(name),
        role: Role::Visitor,
        card: Card::default(),
    }))
}

fn node() -> Caller {
    Caller::Entity(entity())
}

fn own_company() -> Caller {
    Caller::Entity(EntityId::company(company_of("TES001")))
}

fn wish(size: Option<u64>) -> UploadWish {
    UploadWish {
        name: "photo.png".into(),
        mime: "image/png".into(),
        size,
        sha256: Some([2; 32]),
        ..UploadWish::default()
    }
}

fn facts(size: u64) -> FileFacts {
    FileFacts {
        size,
        blake3: [1; 32],
        sha256: Some([2; 32]),
    }
}

fn kind() -> FileKind {
    FileKind {
        mime: "image/png".into(),
        pixels: Some((4, 3)),
        has_thumbnail: true,
        stored_size: 90,
        is_rewritten: false,
        is_packed: false,
    }
}

fn reserve(size: Option<u64>) -> UploadCommand {
    UploadCommand::Reserve {
        wish: wish(size),
        terms: TERMS,
    }
}

fn seal(size: u64) -> UploadCommand {
    UploadCommand::Seal { facts: facts(size) }
}

fn failed(why: UploadFailure) -> UploadEnd {
    UploadEnd::Failed(why)
}

fn end(end: UploadEnd) -> UploadCommand {
    UploadCommand::End { end }
}

struct Upload(Desk<UploadState>);

impl Upload {
    fn begun(size: Option<u64>) -> Self {
        let mut upload = Self(Desk::new(entity()));
        upload.done(&somebody("ann"), reserve(size));
        upload
    }

    fn ask(&mut self, caller: &Caller, command: UploadCommand) -> Result<Answer, ErrorCode> {
        let answered = self.0.one(caller, Command::Upload(command));
        answered.map_err(|rejection| rejection.code)
    }

    fn done(&mut self, caller: &Caller, command: UploadCommand) {
        assert_eq!(
            self.ask(caller, command.clone()),
            Ok(Answer::Done),
            "{command:?}"
        );
    }

    fn refused(&mut self, caller: &Caller, command: UploadCommand, code: ErrorCode) {
        let before = self.0.history.len();
        assert_eq!(self.ask(caller, command.clone()), Err(code), "{command:?}");
        assert_eq!(self.0.history.len(), before);
    }

    fn stage(&self) -> UploadStage {
        self.0.state.stage
    }
}

#[test]
fn an_upload_goes_its_way_and_each_step_may_be_said_twice() {
    let mut upload = Upload::begun(None);
    for (caller, command, stage) in [
        (somebody("ann"), reserve(None), UploadStage::Receiving),
        (
            somebody("ann"),
            UploadCommand::DeclareSize { size: 90 },
            UploadStage::Receiving,
        ),
        (node(), seal(90), UploadStage::Sealed),
        (
            node(),
            UploadCommand::Pass { kind: kind() },
            UploadStage::Passed,
        ),
        (node(), UploadCommand::Publish, UploadStage::Published),
        (
            own_company(),
            UploadCommand::Finish {
                file_no: FileNo(4),
                seq: None,
            },
            UploadStage::Finished {
                file_no: FileNo(4),
                seq: None,
            },
        ),
    ] {
        upload.done(&caller, command.clone());
        assert_eq!(upload.stage(), stage);
        let before = upload.0.history.len();
        upload.done(&caller, command);
        assert_eq!(upload.0.history.len(), before, "nothing happens twice");
    }
    // Late repeats of earlier steps change nothing either.
    upload.done(&node(), UploadCommand::Publish);
    assert_eq!(
        upload.stage(),
        UploadStage::Finished {
            file_no: FileNo(4),
            seq: None,
        }
    );
    upload.refused(
        &somebody("ann"),
        end(UploadEnd::Cancelled),
        ErrorCode::WrongStage,
    );
}

#[test]
fn a_company_that_says_again_what_was_forgotten_is_not_refused() {
    let finish = UploadCommand::Finish {
        file_no: FileNo(4),
        seq: None,
    };
    let mut upload = Upload::begun(Some(90));
    upload.done(&node(), seal(90));
    upload.done(&node(), UploadCommand::Pass { kind: kind() });
    upload.done(&node(), UploadCommand::Publish);
    upload.done(&own_company(), finish.clone());
    upload.done(&own_company(), UploadCommand::Forget);
    let mut erased = Upload(Desk::new(entity()));
    for upload in [&mut upload, &mut erased] {
        let (stage, before) = (upload.stage(), upload.0.history.len());
        upload.done(&own_company(), finish.clone());
        assert_eq!((upload.stage(), upload.0.history.len()), (stage, before));
    }
}

#[test]
fn nobody_but_its_owner_finds_it() {
    let mut upload = Upload(Desk::new(entity()));
    upload.refused(&node(), seal(90), ErrorCode::NotFound);
    upload.done(&somebody("ann"), reserve(Some(90)));
    let bob = somebody("bob");
    upload.refused(&bob, end(UploadEnd::Cancelled), ErrorCode::NotFound);
    upload.refused(
        &bob,
        UploadCommand::DeclareSize { size: 90 },
        ErrorCode::NotFound,
    );
    upload.refused(&bob, reserve(Some(90)), ErrorCode::CidReused);
    for command in [
        seal(90),
        UploadCommand::Pass { kind: kind() },
        UploadCommand::Publish,
        UploadCommand::Finish {
            file_no: FileNo(1),
            seq: None,
        },
        end(failed(UploadFailure::Infected)),
        end(UploadEnd::Expired),
    ] {
        upload.refused(&somebody("ann"), command, ErrorCode::Forbidden);
    }
    upload.refused(
        &node(),
        UploadCommand::Finish {
            file_no: FileNo(1),
            seq: None,
        },
        ErrorCode::Forbidden,
    );
    assert_eq!(upload.stage(), UploadStage::Receiving);
}

#[test]
fn what_is_wished_must_fit() {
    let mut upload = Upload(Desk::new(entity()));
    let ann = somebody("ann");
    upload.refused(&ann, reserve(Some(1_001)), ErrorCode::FileTooLarge);
    for change in [
        |wish: &mut UploadWish| wish.name = "".into(),
        |wish: &mut UploadWish| wish.name = "x".repeat(FILE_NAME_CHARS_MAX + 1).into(),
        |wish: &mut UploadWish| wish.mime = "x".repeat(2 * FILE_TYPE_BYTES_MAX + 2).into(),
        |wish: &mut UploadWish| wish.caption = "x".repeat(TEXT_CHARS_MAX + 1).into(),
    ] {
        let mut wish = wish(None);
        change(&mut wish);
        let reserve = UploadCommand::Reserve { wish, terms: TERMS };
        upload.refused(&ann, reserve, ErrorCode::BadField);
    }
    upload.done(&ann, reserve(None));
    let declare = |size| UploadCommand::DeclareSize { size };
    upload.refused(&ann, declare(1_001), ErrorCode::FileTooLarge);
    upload.done(&ann, declare(1_000));
    upload.refused(&ann, declare(999), ErrorCode::BadField);
}

#[test]
fn what_came_must_be_what_was_said() {
    let other = FileFacts {
        sha256: Some([3; 32]),
        ..facts(90)
    };
    for (said, came, why) in [
        (Some(90), facts(91), UploadFailure::TooLarge),
        (None, facts(1_001), UploadFailure::TooLarge),
        (Some(90), facts(89), UploadFailure::Lost),
        (Some(90), other, UploadFailure::WrongDigest),
        (Some(0), facts(0), UploadFailure::Empty),
        (None, facts(0), UploadFailure::Empty),
    ] {
        let mut upload = Upload::begun(said);
        let seal = UploadCommand::Seal {
            facts: came.clone(),
        };
        upload.done(&node(), seal);
        assert_eq!(upload.stage(), UploadStage::Ended(failed(why)), "{came:?}");
        upload.refused(&node(), UploadCommand::Publish, ErrorCode::WrongStage);
    }
}

#[test]
fn what_ended_stays_so() {
    for how in [
        UploadEnd::Cancelled,
        UploadEnd::Expired,
        failed(UploadFailure::Infected),
    ] {
        let mut upload = Upload::begun(Some(90));
        let by = match how {
            UploadEnd::Cancelled => somebody("ann"),
            _ => node(),
        };
        upload.done(&by, end(how));
        upload.done(&by, end(how));
        assert_eq!(upload.stage(), UploadStage::Ended(how));
        upload.refused(&node(), seal(90), ErrorCode::WrongStage);
        upload.refused(
            &node(),
            end(failed(UploadFailure::Lost)),
            ErrorCode::WrongStage,
        );
    }
}

fn any_command() -> impl Strategy<Value = (Caller, UploadCommand)> {
    let size = prop_oneof![Just(None), Just(Some(90)), Just(Some(0))];
    let by_node = prop_oneof![
        (80..92_u64).prop_map(seal),
        Just(UploadCommand::Pass { kind: kind() }),
        Just(UploadCommand::Publish),
        Just(end(UploadEnd::Expired)),
        Just(end(failed(UploadFailure::Infected))),
    ];
    let people = prop_oneof![Just("ann"), Just("bob")];
    prop_oneof![
        2 => (people, size).prop_map(|(name, size)| (somebody(name), reserve(size))),
        1 => (80..92_u64).prop_map(|size| (somebody("ann"), UploadCommand::DeclareSize { size })),
        1 => Just((somebody("ann"), end(UploadEnd::Cancelled))),
        6 => by_node.prop_map(|command| (node(), command)),
        2 => (1..3_u64).prop_map(|file_no| (own_company(), UploadCommand::Finish {
            file_no: FileNo(file_no),
            seq: None,
        })),
    ]
}

/// Stores that were written before files could be packed hold neither field.
#[test]
fn files_of_older_stores_are_not_packed() {
    let lacks = |bytes: &[u8]| !bytes.windows(9).any(|word| word == b"is_packed");
    let passed = UploadEvent::Passed { kind: kind() };
    let bytes = rmp_serde::to_vec_named(&passed).expect("encodes");
    assert!(lacks(&bytes));
    let read: UploadEvent = rmp_serde::from_slice(&bytes).expect("read without the field");
    assert_eq!(read, passed);
    let mut state = UploadState::default();
    for is_packed in [false, true] {
        let kind = FileKind {
            is_packed,
            ..kind()
        };
        state.begun = Some(Begun {
            at: Timestamp(1),
            owner: crate::room::author_of(&crate::tests::principal("ann")),
            wish: wish(Some(100)),
            terms: TERMS,
        });
        state.facts = Some(facts(100));
        state.kind = Some(kind);
        let file = state.file(&entity(), Timestamp(2)).expect("a file");
        assert_eq!(file.is_packed, is_packed);
        let bytes = rmp_serde::to_vec_named(&file).expect("encodes");
        assert_eq!(lacks(&bytes), !is_packed);
        let read: StoredFile = rmp_serde::from_slice(&bytes).expect("read");
        assert_eq!(read, file);
    }
}

proptest! {
    /// Stages only rise, and there is at most one end or one number, whatever is asked.
    #[test]
    fn an_upload_moves_one_way(
        commands in proptest::collection::vec(any_command(), 1..40)
    ) {
        let mut upload = Upload(Desk::new(entity()));
        let mut last = upload.stage();
        for (caller, command) in commands {
            let _ = upload.ask(&caller, command);
            let now = upload.stage();
            prop_assert!(now.order() >= last.order(), "{last:?} then {now:?}");
            prop_assert!(last.order() < 5 || now == last, "{last:?} then {now:?}");
            last = now;
        }
        let ends = upload.0.history.iter().filter(|event| {
            matches!(event, UploadEvent::Finished { .. } | UploadEvent::Ended { .. })
        });
        prop_assert!(ends.count() <= 1);
    }
}
