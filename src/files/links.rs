//! Links to files: an address that whoever has it may fetch, for a while, in one way.
//!
//! ```text
//! /media/TES001/12/photo.png?as=inline&expires=1790000000&key=1&signature=…
//! ```
//! The name is for people and is not looked at; `of=thumbnail` asks for the small picture.
//!
//! Invariants: the signature covers company, file, variant, disposition, end and the key's name, so
//! none of them can be changed; a link that does not end says so, and counts only while its company
//! wants such links.
//!
//! Never: looks whether there is such a file.

use std::fmt::Write as _;

use frontdesk_protocol::settings::CompanySettings;
use frontdesk_protocol::{CompanyId, FileNo, Timestamp};

use super::names::Disposition;
use crate::auth::own::LinkKey;
use crate::config;

/// Which key signs: another one would be another number, and both would be known for a while.
const KEY_ID: &str = "1";
/// The end of a link that does not end.
const NEVER: u64 = 0;
/// Ends of links that are told to profiles' clients are whole hours, seconds: who asks again for a
/// list that has not changed is told the same links, and keeps what is cached.
const PROFILE_STEP_S: u64 = 3_600;
/// Longest query that is read, bytes: ours have 150, and clients may add their own.
const QUERY_BYTES_MAX: usize = 1_024;

/// What of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// The file.
    Original,
    /// A small picture of it.
    Thumbnail,
}

/// For whom a link is, which says how long it is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// A native client, which asks again.
    Native,
    /// A client of a profile, which keeps it.
    Profile,
}

/// What a link is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Linked<'a> {
    pub(crate) company: &'a CompanyId,
    pub(crate) no: FileNo,
    /// As it is shown.
    pub(crate) name: &'a str,
    pub(crate) variant: Variant,
    pub(crate) disposition: Disposition,
}

/// What a link that was checked allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) company: CompanyId,
    pub(crate) no: FileNo,
    pub(crate) variant: Variant,
    pub(crate) disposition: Disposition,
    /// When it ends; `None` for one that does not.
    pub(crate) expires_at: Option<Timestamp>,
}

/// Why a link allows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkRefusal {
    /// It is none of ours, or not as we made it.
    Wrong,
    /// It was good.
    Expired,
}

/// Makes and checks links.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    key: LinkKey,
    native_ttl_s: u64,
    profile_ttl_s: u64,
}

impl Links {
    pub(crate) fn new(key: LinkKey, files: &config::Files) -> Self {
        Self {
            key,
            native_ttl_s: files.link_ttl_s,
            profile_ttl_s: files.profile_link_ttl_s,
        }
    }

    /// A link, as path and query.
    pub(crate) fn path(
        &self,
        to: &Linked<'_>,
        life: Life,
        settings: &CompanySettings,
        now: Timestamp,
    ) -> String {
        let now_s = now.0 / 1_000;
        let expires_s = match life {
            Life::Native => now_s + self.native_ttl_s,
            Life::Profile if settings.are_links_permanent => NEVER,
            Life::Profile => (now_s + self.profile_ttl_s).next_multiple_of(PROFILE_STEP_S),
        };
        let text = signed_text(to.company, to.no, to.variant, to.disposition, expires_s);
        let signature = self.key.sign(&text);
        let (company, no, name) = (to.company, to.no.0, escaped(to.name));
        let shown = disposition_text(to.disposition);
        let of = match to.variant {
            Variant::Original => "",
            Variant::Thumbnail => "&of=thumbnail",
        };
        format!(
            "/media/{company}/{no}/{name}?as={shown}&expires={expires_s}&key={KEY_ID}{of}\
             &signature={signature}"
        )
    }

    /// What the parts of an address allow at a time.
    pub(crate) fn check(
        &self,
        company: &str,
        no: &str,
        query: &str,
        now: Timestamp,
    ) -> Result<Claim, LinkRefusal> {
        use LinkRefusal::{Expired, Wrong};
        let asked = Asked::read(query).ok_or(Wrong)?;
        let company = CompanyId::new(company).map_err(|_| Wrong)?;
        let no = FileNo(no.parse().map_err(|_| Wrong)?);
        let (variant, disposition) = (asked.variant, asked.disposition);
        let text = signed_text(&company, no, variant, disposition, asked.expires_s);
        if !self.key.is_signed(&text, asked.signature) {
            return Err(Wrong);
        }
        let expires_at = Timestamp(asked.expires_s.saturating_mul(1_000));
        let expires_at = (asked.expires_s != NEVER).then_some(expires_at);
        if expires_at.is_some_and(|end| end <= now) {
            return Err(Expired);
        }
        Ok(Claim {
            company,
            no,
            variant,
            disposition,
            expires_at,
        })
    }
}

/// The query of a link, which others may have added to.
struct Asked<'a> {
    variant: Variant,
    disposition: Disposition,
    expires_s: u64,
    signature: &'a str,
}

impl<'a> Asked<'a> {
    fn read(query: &'a str) -> Option<Self> {
        if query.len() > QUERY_BYTES_MAX {
            return None;
        }
        let (mut shown, mut of, mut expires, mut key, mut signature) =
            (None, None, None, None, None);
        for part in query.split('&') {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let place = match name {
                "as" => &mut shown,
                "of" => &mut of,
                "expires" => &mut expires,
                "key" => &mut key,
                "signature" => &mut signature,
                _ => continue,
            };
            // Of two that differ, somebody on the way may have believed the other.
            if place.replace(value).is_some() {
                return None;
            }
        }
        let variant = match of {
            None => Variant::Original,
            Some("thumbnail") => Variant::Thumbnail,
            Some(_) => return None,
        };
        let disposition = match shown? {
            "inline" => Disposition::Inline,
            "attachment" => Disposition::Attachment,
            _ => return None,
        };
        let expires_s = expires?.parse().ok()?;
        let signature = signature.filter(|_| key == Some(KEY_ID))?;
        Some(Self {
            variant,
            disposition,
            expires_s,
            signature,
        })
    }
}

fn disposition_text(disposition: Disposition) -> &'static str {
    match disposition {
        Disposition::Inline => "inline",
        Disposition::Attachment => "attachment",
    }
}

/// What is signed: parts that hold no line's end, each on a line.
fn signed_text(
    company: &CompanyId,
    no: FileNo,
    variant: Variant,
    disposition: Disposition,
    expires_s: u64,
) -> String {
    let variant = match variant {
        Variant::Original => "original",
        Variant::Thumbnail => "thumbnail",
    };
    let (no, shown) = (no.0, disposition_text(disposition));
    format!("{company}\n{no}\n{variant}\n{shown}\n{expires_s}\n{KEY_ID}")
}

/// A name as a part of a path.
fn escaped(name: &str) -> String {
    let mut path = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => path.push(char::from(byte)),
            false => write!(path, "%{byte:02X}").expect("a string takes all"),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::own::OwnKeys;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn links() -> Links {
        let keys = OwnKeys::from_bytes(&[7; 32], 5);
        Links::new(keys.links(), &config::Files::default())
    }

    fn company() -> CompanyId {
        CompanyId::new("TES001").expect("valid")
    }

    fn link(life: Life, settings: &CompanySettings) -> String {
        let company = company();
        let linked = Linked {
            company: &company,
            no: FileNo(12),
            name: "a/b ü?.png",
            variant: Variant::Original,
            disposition: Disposition::Inline,
        };
        links().path(&linked, life, settings, NOW)
    }

    fn checked(link: &str, now: Timestamp) -> Result<Claim, LinkRefusal> {
        let (path, query) = link.split_once('?').unwrap_or((link, ""));
        let parts: Vec<&str> = path.split('/').collect();
        assert_eq!((parts[1], parts.len()), ("media", 5), "{link}");
        links().check(parts[2], parts[3], query, now)
    }

    fn later(seconds: u64) -> Timestamp {
        Timestamp(NOW.0 + seconds * 1_000)
    }

    #[test]
    fn a_link_allows_what_it_was_made_for_until_its_end() {
        let link = link(Life::Native, &CompanySettings::default());
        let claim = checked(&link, NOW).expect("good");
        assert_eq!((claim.company, claim.no), (company(), FileNo(12)));
        assert_eq!(claim.variant, Variant::Original);
        assert_eq!(claim.disposition, Disposition::Inline);
        assert_eq!(claim.expires_at, Some(later(600)));
        assert!(checked(&link, later(599)).is_ok());
        assert_eq!(checked(&link, later(600)), Err(LinkRefusal::Expired));
        // The name is for people.
        assert!(link.contains("/a%2Fb%20%C3%BC%3F.png?"), "{link}");
        assert!(checked(&link.replace("b%20", "c"), NOW).is_ok());
        assert!(checked(&format!("{link}&mine=1"), NOW).is_ok());
    }

    #[test]
    fn whatever_is_changed_of_a_link_makes_it_wrong() {
        let link = link(Life::Native, &CompanySettings::default());
        for (part, other) in [
            ("TES001", "TES002"),
            ("/12/", "/13/"),
            ("as=inline", "as=attachment"),
            ("as=inline", "as=inline&of=thumbnail"),
            ("as=inline", "as=inline&of="),
            ("as=inline&", ""),
            ("expires=1800000600", "expires=1800000601"),
            ("expires=1800000600", "expires=0"),
            (
                "expires=1800000600",
                "expires=1800000600&expires=1900000000",
            ),
            ("key=1", "key=2"),
            ("key=1&", ""),
            ("signature=", "signature=x"),
        ] {
            let changed = link.replacen(part, other, 1);
            assert_ne!(changed, link, "{part}");
            assert_eq!(checked(&changed, NOW), Err(LinkRefusal::Wrong), "{changed}");
        }
        let cut = &link[..link.len() - 1];
        assert_eq!(checked(cut, NOW), Err(LinkRefusal::Wrong));
        let long = format!("{link}&mine={}", "x".repeat(QUERY_BYTES_MAX));
        assert_eq!(checked(&long, NOW), Err(LinkRefusal::Wrong));
        let other = OwnKeys::from_bytes(&[8; 32], 5);
        let other = Links::new(other.links(), &config::Files::default());
        let query = link.split_once('?').expect("a query").1;
        let foreign = other.check("TES001", "12", query, NOW);
        assert_eq!(foreign, Err(LinkRefusal::Wrong));
    }

    #[test]
    fn links_of_profiles_end_on_the_hour_or_never() {
        let mut settings = CompanySettings::default();
        let claim = checked(&link(Life::Profile, &settings), NOW).expect("good");
        let end = claim.expires_at.expect("an end");
        assert!(end >= later(86_400) && end < later(86_400 + PROFILE_STEP_S));
        assert_eq!(end.0 % (PROFILE_STEP_S * 1_000), 0);
        settings.are_links_permanent = true;
        let claim = checked(&link(Life::Profile, &settings), later(1 << 40));
        assert_eq!(claim.expect("good").expires_at, None);
        let native = checked(&link(Life::Native, &settings), NOW).expect("good");
        assert!(native.expires_at.is_some());
    }
}
