//! Which commands are between entities, and the node's own.
//!
//! Never: says who may ask the others; the rules do.

use frontdesk_protocol::command::{CompanyCommand, RoomCommand};
use frontdesk_protocol::companies::CompaniesCommand;
use frontdesk_protocol::staff::{NameCommand, StaffCommand};
use frontdesk_protocol::upload::{UploadCommand, UploadEnd};

use super::Command;

/// Whether a command can be asked by a client at all; the rest is between entities.
pub(crate) fn is_internal(command: &Command) -> bool {
    matches!(
        command,
        Command::Room(
            RoomCommand::CreateRoom { .. }
                | RoomCommand::TakeTurn { .. }
                | RoomCommand::PostAnswer { .. }
                | RoomCommand::Release { .. }
                | RoomCommand::ForgetForm { .. }
                | RoomCommand::Forget { .. }
                | RoomCommand::PostFile { .. }
        ) | Command::Company(
            CompanyCommand::KeepFile { .. }
                | CompanyCommand::PlaceFile { .. }
                | CompanyCommand::DropFile { .. }
                | CompanyCommand::ClearFile { .. }
                | CompanyCommand::EraseFile { .. }
                | CompanyCommand::ForgetFiles { .. },
        ) | Command::Staff(
            StaffCommand::Found { .. }
                | StaffCommand::NoteAct { .. }
                | StaffCommand::NoteChatAct { .. }
                | StaffCommand::Disown { .. }
                | StaffCommand::LeaveDesk { .. },
        ) | Command::Companies(CompaniesCommand::NoteOrigins { .. })
            | Command::Name(NameCommand::Confirm { .. } | NameCommand::Release { .. })
            | Command::Upload(
                UploadCommand::Seal { .. }
                    | UploadCommand::Pass { .. }
                    | UploadCommand::Publish
                    | UploadCommand::Finish { .. }
                    | UploadCommand::Forget
                    | UploadCommand::Inspect
                    | UploadCommand::Store
                    | UploadCommand::Settle
                    | UploadCommand::End {
                        end: UploadEnd::Failed(_) | UploadEnd::Expired,
                    },
            )
    )
}
