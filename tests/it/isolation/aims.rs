//! Who tries, what they may know, and how their requests are filled with what is not theirs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::world::{Attacker, Kind, Proof, THEIRS_KEY, World, of_host, word};

/// What the parts of Ada's chat are.
const OF_ADA: &[&str] = &[
    word::ADA_SAID,
    word::ADA_NAME,
    word::ADA_PHONE,
    word::ADA_MAIL,
    word::ADA_ROAD,
    word::REASON,
    word::NOTES,
    word::ANN_SAID,
    word::ANN,
    word::ANN_PHONE,
];
/// What people of a company may see: each other's names, what is offered to them.
const OF_HOST: &[&str] = &[word::COMPANY, word::HAL, word::IDA, word::PROMPT];
const OF_TALK: &[&str] = &[word::HAL_SAID, word::IDA_SAID, word::TITLE];
/// Everything that stands in the first company only.
const ALL: &[&str] = &[
    word::COMPANY,
    word::FILE,
    word::CAPTION,
    word::CONTACT,
    word::PLAN,
    word::ADMIN,
    word::ANN,
    word::ANN_PHONE,
    word::BOB,
    word::ADA_SAID,
    word::ADA_NAME,
    word::ADA_PHONE,
    word::ADA_MAIL,
    word::ADA_ROAD,
    word::REASON,
    word::NOTES,
    word::ANN_SAID,
    word::EVE_SAID,
    word::HAL,
    word::IDA,
    word::HAL_SAID,
    word::IDA_SAID,
    word::TITLE,
    word::PROMPT,
    word::ORIGIN,
    word::KEY_ID,
    word::KEY,
    word::VISITOR_SECRET,
    word::KEPT,
    word::KEPT_SAYS,
];

fn is(name: &'static str, kind: Kind, proof: Proof, knows: &[&str]) -> Attacker {
    let knows = knows.iter().copied().map(str::to_owned).collect();
    Attacker {
        name,
        kind,
        proof,
        knows,
    }
}

impl World {
    /// Every word, and every name of something, that not everybody may see.
    pub(crate) fn canaries(&self) -> Vec<String> {
        let ours = &self.ours;
        let names = [&ours.ada.id, &ours.eve.id, &ours.talk.room, &ours.chat_room];
        let tokens = [&ours.ada.token, &ours.eve.token, &ours.ann.token, &ours.hal];
        let words = ALL.iter().copied().map(str::to_owned);
        words
            .chain(names.into_iter().chain(tokens).cloned())
            .collect()
    }

    /// Everybody who tries, with every proof that they have; accounts have logged in for it.
    pub(crate) async fn attackers(&self) -> Vec<Attacker> {
        let mut all = self.outside().await;
        all.extend(self.inside().await);
        all
    }

    /// Whoever is not of the first company.
    async fn outside(&self) -> Vec<Attacker> {
        let theirs = &self.theirs;
        let forged = of_host(THEIRS_KEY, &self.ours.id, "hal", "admin");
        let renamed = of_host((word::KEY_ID, THEIRS_KEY.1), &self.ours.id, "hal", "admin");
        let admin = self.fresh(&theirs.admin).await;
        let agent = self.fresh(&theirs.ann).await;
        let visitor = || theirs.ada.token.clone();
        let none = &[][..];
        vec![
            is("admin", Kind::Admin, Proof::Bearer(admin.clone()), none),
            is(
                "admin, cookie",
                Kind::Admin,
                Proof::AgentCookie(admin),
                none,
            ),
            is("agent", Kind::Agent, Proof::Bearer(agent.clone()), none),
            is(
                "agent, cookie",
                Kind::Agent,
                Proof::AgentCookie(agent),
                none,
            ),
            is("visitor", Kind::Visitor, Proof::Bearer(visitor()), none),
            is(
                "visitor, query",
                Kind::Visitor,
                Proof::Query(visitor()),
                none,
            ),
            is(
                "visitor, field",
                Kind::Visitor,
                Proof::Field(visitor()),
                none,
            ),
            is(
                "visitor, cookie",
                Kind::Visitor,
                Proof::VisitorCookie(visitor()),
                none,
            ),
            is(
                "person",
                Kind::Host,
                Proof::Bearer(theirs.hal.clone()),
                none,
            ),
            is(
                "person, query",
                Kind::Host,
                Proof::Query(theirs.hal.clone()),
                none,
            ),
            is(
                "host",
                Kind::HostAdmin,
                Proof::Bearer(theirs.boss.clone()),
                none,
            ),
            is("host for us", Kind::Forged, Proof::Bearer(forged), none),
            is(
                "host, our key's name",
                Kind::Forged,
                Proof::Bearer(renamed),
                none,
            ),
            is("nobody", Kind::Nobody, Proof::Nothing, none),
        ]
    }

    /// People of the first company, for what is not theirs.
    async fn inside(&self) -> Vec<Attacker> {
        let ours = &self.ours;
        let (ann, bob) = (self.fresh(&ours.ann).await, self.fresh(&ours.bob).await);
        let eve = || ours.eve.token.clone();
        let of_ann = [OF_HOST, OF_ADA, &[&ours.ada.id, &ours.chat_room]].concat();
        let of_bob = &[OF_HOST, &[word::BOB]].concat()[..];
        let of_eve = &[word::COMPANY, word::EVE_SAID, &ours.eve.id, &ours.eve.token];
        let of_hal = [OF_HOST, OF_TALK, &[&ours.talk.room]].concat();
        vec![
            is("Bob", Kind::Bob, Proof::Bearer(bob.clone()), of_bob),
            is("Bob, cookie", Kind::Bob, Proof::AgentCookie(bob), of_bob),
            is("Ann", Kind::Ann, Proof::Bearer(ann), &of_ann),
            is("Eve", Kind::Eve, Proof::Bearer(eve()), of_eve),
            is("Eve, query", Kind::Eve, Proof::Query(eve()), of_eve),
            is("Eve, field", Kind::Eve, Proof::Field(eve()), of_eve),
            is(
                "Eve, cookie",
                Kind::Eve,
                Proof::VisitorCookie(eve()),
                of_eve,
            ),
            is("Sam", Kind::Sam, Proof::Bearer(ours.sam.clone()), OF_HOST),
            is("Hal", Kind::Hal, Proof::Bearer(ours.hal.clone()), &of_hal),
        ]
    }

    /// Puts names of the first company's into a path or a frame; `<own>` is the attacker's.
    pub(crate) fn aimed(&self, text: &str, attacker: &Attacker) -> String {
        let ours = &self.ours;
        let own = match attacker.kind {
            Kind::Bob | Kind::Ann | Kind::Eve | Kind::Sam | Kind::Hal => &self.ours.id,
            _ => &self.theirs.id,
        };
        let own_chat = match attacker.kind {
            Kind::Eve => &self.ours.eve.id,
            _ => &self.theirs.ada.id,
        };
        let message = (ours.talk.number << 20) + 1;
        [
            ("<company>", ours.id.clone()),
            ("<own>", own.clone()),
            ("<own chat>", own_chat.clone()),
            ("<admin>", ours.admin.no.to_string()),
            ("<ann>", ours.ann.no.to_string()),
            ("<bob>", ours.bob.no.to_string()),
            ("<chat>", ours.ada.id.clone()),
            ("<handoff>", ours.handoff.to_string()),
            ("<profile>", ours.profile.to_string()),
            ("<room>", ours.talk.room.clone()),
            ("<room64>", STANDARD.encode(&ours.talk.room)),
            ("<upload>", ours.upload.clone()),
            ("<number>", ours.talk.number.to_string()),
            ("<message>", message.to_string()),
            ("<idas>", (message + 1).to_string()),
            ("<title>", word::TITLE.to_owned()),
            ("<hal>", "hal".to_owned()),
            ("<chat room>", ours.chat_room.clone()),
            ("<hal token>", ours.hal.clone()),
            ("<file>", ours.file.to_string()),
            ("<own link>", self.theirs.file_query.clone()),
            ("<me>", "me".to_owned()),
            ("<ann mail>", self.mail(word::ANN)),
        ]
        .iter()
        .fold(text.to_owned(), |text, (name, value)| {
            text.replace(name, value)
        })
    }

    /// The address of an account of the first company's.
    pub(crate) fn mail(&self, name: &str) -> String {
        format!("{name}@{}.example", word::COMPANY).to_lowercase()
    }

    /// What stands in a text that this attacker may not know, and did not say before.
    pub(crate) fn leak(&self, attacker: &Attacker, said: &str, heard: &str) -> Option<String> {
        let heard = heard.to_lowercase();
        let said = said.to_lowercase();
        let is_leaked = |word: &String| {
            let low = word.to_lowercase();
            heard.contains(&low) && !said.contains(&low) && !attacker.knows.contains(word)
        };
        self.canaries().into_iter().find(is_leaked)
    }
}
