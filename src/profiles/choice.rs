//! Which dialect a socket below `/ws/chat/` speaks: what its client asked for, by `?dialect=` or by
//! subprotocol, else what its path means, else what the operator set.
//!
//! Never: looks at a token.

use frontdesk_protocol::codec::Codec;

use crate::config::ChatSocket;
use crate::ws::speaker::Speaker;

/// What comes before the name of a dialect in the list of subprotocols.
const PREFIX: &str = "frontdesk.";
/// One dialect that can be asked for.
struct Offer {
    /// Its name in `?dialect=`.
    name: &'static str,
    /// Its name as a subprotocol.
    subprotocol: &'static str,
    speaker: Speaker,
}

const NATIVE: [Offer; 2] = [
    Offer {
        name: "native",
        subprotocol: "frontdesk.v1.json",
        speaker: Speaker::Native(Codec::Json),
    },
    Offer {
        name: "native.msgpack",
        subprotocol: "frontdesk.v1.msgpack",
        speaker: Speaker::Native(Codec::Msgpack),
    },
];

/// On `/ws/chat/{conversation_id}/`.
const OF_CONVERSATION: [Offer; 3] = [
    Offer {
        name: "union",
        subprotocol: "frontdesk.union",
        speaker: Speaker::Union,
    },
    Offer {
        name: "direct",
        subprotocol: "frontdesk.direct",
        speaker: Speaker::Direct,
    },
    Offer {
        name: "crm",
        subprotocol: "frontdesk.crm",
        speaker: Speaker::Crm,
    },
];

/// On `/ws/chat/`.
const OF_PERSON: [Offer; 1] = [Offer {
    name: "inbox",
    subprotocol: "frontdesk.inbox",
    speaker: Speaker::Inbox,
}];

/// What the segment of a path is, where a conversation is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Segment {
    /// A conversation, or nothing.
    Conversation,
    /// The company of somebody with an account.
    OwnCompany,
    /// A company, for a visitor of it.
    VisitedCompany,
}

/// What was chosen.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Who speaks.
    pub(crate) speaker: Speaker,
    /// The subprotocol that the client offered and that was chosen.
    pub(crate) subprotocol: Option<&'static str>,
}

/// The speaker of a socket on a conversation, or on a company; why there is none if the client
/// asked for another.
pub(crate) fn of_conversation(
    query: &str,
    offered: &str,
    setting: ChatSocket,
    segment: Segment,
) -> Result<Choice, String> {
    let unasked = match (segment, setting) {
        (Segment::OwnCompany, _) => Speaker::Helpdesk,
        (Segment::VisitedCompany, _) => Speaker::HelpdeskVisitor,
        (Segment::Conversation, ChatSocket::Union) => Speaker::Union,
        (Segment::Conversation, ChatSocket::Direct) => Speaker::Direct,
        (Segment::Conversation, ChatSocket::Crm) => Speaker::Crm,
    };
    choose(&OF_CONVERSATION, query, offered, unasked)
}

/// The speaker of a person's own socket.
pub(crate) fn of_person(query: &str, offered: &str) -> Result<Choice, String> {
    choose(&OF_PERSON, query, offered, Speaker::Inbox)
}

fn choose(
    offers: &[Offer],
    query: &str,
    offered: &str,
    unasked: Speaker,
) -> Result<Choice, String> {
    let all = || offers.iter().chain(&NATIVE);
    let in_protocols = |offer: &&Offer| {
        let mut names = offered.split(',').map(str::trim);
        names.any(|name| name == offer.subprotocol)
    };
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    if let Some((_, name)) = pairs.find(|(name, _)| *name == "dialect") {
        let Some(offer) = all().find(|offer| offer.name == name) else {
            let names: Vec<&str> = all().map(|offer| offer.name).collect();
            return Err(format!("unknown dialect; there are {}", names.join(", ")));
        };
        return Ok(Choice {
            speaker: offer.speaker,
            subprotocol: in_protocols(&offer).then_some(offer.subprotocol),
        });
    }
    let named = offered.split(',').map(str::trim);
    let offer = named
        .filter(|name| name.starts_with(PREFIX))
        .find_map(|name| all().find(|offer| offer.subprotocol == name));
    Ok(Choice {
        speaker: offer.map_or(unasked, |offer| offer.speaker),
        subprotocol: offer.map(|offer| offer.subprotocol),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(query: &str, offered: &str) -> (Speaker, Option<&'static str>) {
        let choice = of_conversation(query, offered, ChatSocket::Union, Segment::Conversation);
        let choice = choice.expect("a choice");
        (choice.speaker, choice.subprotocol)
    }

    #[test]
    fn what_the_client_says_goes_before_the_setting() {
        assert_eq!(chosen("token=a", ""), (Speaker::Union, None));
        assert_eq!(chosen("token=a&dialect=crm", ""), (Speaker::Crm, None));
        let direct = Some("frontdesk.direct");
        assert_eq!(
            chosen("", "frontdesk.token.a, frontdesk.direct"),
            (Speaker::Direct, direct)
        );
        assert_eq!(
            chosen("dialect=native.msgpack", "frontdesk.direct"),
            (Speaker::Native(Codec::Msgpack), None)
        );
        for (segment, speaker) in [
            (Segment::Conversation, Speaker::Crm),
            (Segment::OwnCompany, Speaker::Helpdesk),
            (Segment::VisitedCompany, Speaker::HelpdeskVisitor),
        ] {
            let set = of_conversation("", "unknown", ChatSocket::Crm, segment);
            assert_eq!(set.expect("a choice").speaker, speaker);
        }
        let own = of_person("", "").expect("a choice");
        assert_eq!(own.speaker, Speaker::Inbox);
    }

    #[test]
    fn a_dialect_that_is_not_there_is_refused_with_those_that_are() {
        let union = ChatSocket::Union;
        let why = of_conversation("dialect=inbox", "", union, Segment::Conversation);
        assert_eq!(
            why.expect_err("refused"),
            "unknown dialect; there are union, direct, crm, native, native.msgpack"
        );
        let why = of_person("dialect=crm", "").expect_err("refused");
        assert_eq!(
            why,
            "unknown dialect; there are inbox, native, native.msgpack"
        );
    }
}
