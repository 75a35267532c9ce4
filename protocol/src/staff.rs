//! The people who work with an installation: accounts with a password, what may be asked of those
//! who keep them, and what happens to them. Visitors and the host's own users are no accounts.
//!
//! Commands and events are serialisable: they travel between nodes and stand in journals. A
//! password is here only as its hash, which no `Debug` shows.
//! Never: hashes or checks a password, or looks at a clock.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::command::Role;
use crate::ids::{AccountNo, CompanyId, PersonId, RoomId, Seq, Timestamp};

/// The hash of a password as text, with its parameters and salt (PHC format).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(Arc<str>);

impl PasswordHash {
    /// Takes a hash as it was made.
    pub fn new(text: &str) -> Self {
        Self(Arc::from(text))
    }

    /// The text, for whoever checks a password against it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// Whether an agent takes conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Availability {
    /// Takes them.
    Available,
    /// Is here and takes none.
    Busy,
    /// Is not here.
    #[default]
    Offline,
}

impl Availability {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Availability::Available => "AVAILABLE",
            Availability::Busy => "BUSY",
            Availability::Offline => "OFFLINE",
        }
    }

    /// Reads it in any case.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Availability::Available,
            Availability::Busy,
            Availability::Offline,
        ]
        .into_iter()
        .find(|availability| availability.as_str().eq_ignore_ascii_case(text))
    }
}

/// What is known of somebody who has an account; absent fields are empty texts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaffCard {
    /// Full name. Somebody may log in with it where nobody else has it.
    pub name: Arc<str>,
    /// E-mail address as it was written. The whole installation has each once.
    pub email: Arc<str>,
    /// Telephone number.
    #[serde(default)]
    pub phone: Arc<str>,
    /// What they are good at.
    #[serde(default)]
    pub specialization: Arc<str>,
}

/// Changes of a [`StaffCard`]; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaffCardChange {
    /// A new full name.
    pub name: Option<Arc<str>>,
    /// A new telephone number.
    pub phone: Option<Arc<str>>,
    /// What else they are good at.
    pub specialization: Option<Arc<str>>,
}

/// An account as it stands after an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its number in the installation.
    pub no: AccountNo,
    /// What its owner may do.
    pub role: Role,
    /// Who its owner is.
    pub card: StaffCard,
    /// Their password's hash.
    pub password: PasswordHash,
    /// The password was made by somebody else: it opens nothing but its own change.
    pub is_first_login: bool,
    /// Whether an agent takes conversations.
    pub availability: Availability,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its owner did something last.
    pub active_at: Timestamp,
    /// Tokens made before this are void.
    pub valid_from: Timestamp,
    /// It was taken away; its number is not given again.
    #[serde(default)]
    pub is_removed: bool,
}

/// A login that is renewed with refresh tokens, each of which counts once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Family {
    /// What it is called.
    pub name: Uuid,
    /// The one refresh token that counts.
    pub token: Uuid,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When somebody logged in.
    pub opened_at: Timestamp,
}

/// What may be asked of a company's staff. Accounts are named by number; whoever decides checks who
/// asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StaffCommand {
    /// Gives the staff its company's number and the plan's limit. Only whoever keeps the companies
    /// sends this; a repeat with the same number changes the limit alone.
    Found {
        /// The company's number in the installation: the high part of its accounts' numbers.
        company_no: u64,
        /// Agents there may be.
        agent_count_max: Option<u32>,
    },
    /// Makes an account. Its e-mail address is reserved already.
    AddAccount {
        /// What its owner may do.
        role: Role,
        /// Who it is.
        card: StaffCard,
        /// The hash of a password that somebody else made.
        password: PasswordHash,
        /// Whether the password must be changed first.
        is_first_login: bool,
        /// Names the reservation of the e-mail address.
        reservation: Uuid,
    },
    /// Changes what is known of somebody.
    ChangeAccount {
        /// Whom.
        account: AccountNo,
        /// What changes.
        change: StaffCardChange,
    },
    /// Changes what somebody may do.
    SetRole {
        /// Whom.
        account: AccountNo,
        /// To what.
        role: Role,
    },
    /// Takes an account away.
    RemoveAccount {
        /// Which.
        account: AccountNo,
    },
    /// Takes an account away whose e-mail address somebody else got: its reservation had ended.
    /// Only the index of login names sends this.
    Disown {
        /// Which.
        account: AccountNo,
    },
    /// Replaces a password.
    SetPassword {
        /// Whose.
        account: AccountNo,
        /// The new one.
        password: PasswordHash,
        /// Whether it must be changed first.
        is_first_login: bool,
        /// The account's `valid_from` when its owner's older password was checked; absent where
        /// somebody else replaces it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        as_of: Option<Timestamp>,
    },
    /// Says whether an agent takes conversations.
    SetAvailability {
        /// Who.
        account: AccountNo,
        /// What now.
        availability: Availability,
    },
    /// Somebody logged in.
    OpenFamily {
        /// Who.
        account: AccountNo,
        /// What the login is called.
        family: Uuid,
        /// Its first refresh token.
        token: Uuid,
        /// When that ends.
        expires_at: Timestamp,
        /// The account's `valid_from` when the password was checked.
        as_of: Timestamp,
    },
    /// Takes a refresh token for another. One that was taken before closes the login: two have it.
    Rotate {
        /// Whose.
        account: AccountNo,
        /// Which login.
        family: Uuid,
        /// The token that was brought.
        token: Uuid,
        /// The next one.
        next: Uuid,
        /// When that ends.
        expires_at: Timestamp,
    },
    /// Somebody logged out.
    CloseFamily {
        /// Who.
        account: AccountNo,
        /// Which login.
        family: Uuid,
    },
    /// Has the chats of an account that serves visitors no more wait for others: what the staff
    /// owes itself, taken up by the node and not by an entity.
    LeaveDesk {
        /// Whose.
        account: AccountNo,
    },
    /// Notes something else that was done, in the audit log. Only the company itself sends this,
    /// in order; a repeat changes nothing.
    NoteAct {
        /// The company's own number for it, counted from 1.
        act_no: u64,
        /// When.
        at: Timestamp,
        /// Who did it.
        by: PersonId,
        /// What.
        act: Arc<str>,
        /// To what.
        subject: Arc<str>,
    },
    /// Notes what an administrator did to a chat. Only a room of the company sends this, in order;
    /// a repeat changes nothing.
    NoteChatAct {
        /// The event in the room.
        seq: Seq,
        /// When.
        at: Timestamp,
        /// Who did it.
        by: PersonId,
        /// What.
        act: Arc<str>,
        /// Who got the chat.
        account: Option<AccountNo>,
        /// Which chat.
        subject: Arc<str>,
    },
}

/// What was done to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// It was made.
    Added,
    /// What is known of its owner changed.
    Changed,
    /// What its owner may do changed.
    RoleSet,
    /// It was taken away.
    Removed,
    /// Its password was replaced by somebody else.
    PasswordReset,
    /// Its owner chose a password.
    PasswordChosen,
    /// Its owner said whether they take conversations.
    AvailabilitySet,
}

impl Act {
    /// The name on the wire and in the audit log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Act::Added => "account_added",
            Act::Changed => "account_changed",
            Act::RoleSet => "role_set",
            Act::Removed => "account_removed",
            Act::PasswordReset => "password_reset",
            Act::PasswordChosen => "password_chosen",
            Act::AvailabilitySet => "availability_set",
        }
    }

    /// Whether tokens from before are void.
    pub const fn revokes(self) -> bool {
        matches!(
            self,
            Act::RoleSet | Act::Removed | Act::PasswordReset | Act::PasswordChosen
        )
    }

    /// Whether it stands in the audit log.
    pub const fn is_audited(self) -> bool {
        !matches!(self, Act::AvailabilitySet)
    }
}

/// What happened in a company's staff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StaffEvent {
    /// The staff got its company's number, or another limit.
    Founded {
        /// The number.
        company_no: u64,
        /// Agents there may be.
        agent_count_max: Option<u32>,
    },
    /// Something was done to an account, which now is this.
    AccountSet {
        /// When.
        at: Timestamp,
        /// Who did it.
        by: PersonId,
        /// What.
        act: Act,
        /// The account as it stands.
        account: Account,
        /// Names the reservation of its e-mail address, when the account is new.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reservation: Option<Uuid>,
        /// Its number in the audit log, if it stands there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        audit: Option<u64>,
    },
    /// Something was done in the company that stands in the audit log.
    ActNoted {
        /// The company's own number for it.
        act_no: u64,
        /// When.
        at: Timestamp,
        /// Who did it.
        by: PersonId,
        /// What.
        act: Arc<str>,
        /// To what.
        subject: Arc<str>,
        /// Its number in the audit log.
        audit: u64,
    },
    /// An administrator did something to a chat that stands in the audit log.
    ChatActNoted {
        /// The chat's room.
        room: RoomId,
        /// The event in it.
        seq: Seq,
        /// When.
        at: Timestamp,
        /// Who did it.
        by: PersonId,
        /// What.
        act: Arc<str>,
        /// Who got the chat.
        account: Option<AccountNo>,
        /// Which chat.
        subject: Arc<str>,
        /// Its number in the audit log.
        audit: u64,
    },
    /// Somebody logged in or out, or took a refresh token for another.
    FamiliesSet {
        /// When.
        at: Timestamp,
        /// Whose logins.
        account: AccountNo,
        /// All that there are now, the oldest first.
        families: Vec<Family>,
        /// Those that ended.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        ended: Vec<Uuid>,
        /// A refresh token came a second time: somebody else has it too.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_reuse: bool,
    },
}

/// What may be asked of the index of login names. A name is an e-mail address in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NameCommand {
    /// Keeps a name for an account that is about to be made, for
    /// [`crate::limits::NAME_RESERVED_MS`].
    Reserve {
        /// Which.
        name: Arc<str>,
        /// Names the reservation.
        reservation: Uuid,
    },
    /// No account was made: the reservation ends, if it is still there.
    Cancel {
        /// Which.
        name: Arc<str>,
        /// The reservation.
        reservation: Uuid,
    },
    /// The account was made. Only its staff sends this.
    Confirm {
        /// Which.
        name: Arc<str>,
        /// The reservation.
        reservation: Uuid,
        /// Whose it is now.
        account: AccountNo,
    },
    /// The account was taken away. Only its staff sends this.
    Release {
        /// Which.
        name: Arc<str>,
        /// Whose it was.
        account: AccountNo,
    },
}

/// Who has a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NameHolder {
    /// Nobody yet: it is kept for an account that is about to be made.
    Reserved {
        /// Names the reservation.
        reservation: Uuid,
        /// When it ends.
        until: Timestamp,
    },
    /// An account.
    Taken {
        /// Of this company.
        company: CompanyId,
        /// Which.
        account: AccountNo,
    },
}

/// What happened to a login name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameEvent {
    /// The name.
    pub name: Arc<str>,
    /// Who has it now; `None` for nobody.
    pub holder: Option<NameHolder>,
    /// An account that was made for this name and cannot have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disowned: Option<(CompanyId, AccountNo)>,
}
