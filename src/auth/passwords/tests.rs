//! What a hash is, what a password may be, and who is refused.

use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

use super::*;

fn chosen(text: &str) -> Password {
    Password::chosen(text.to_owned()).expect("can be chosen")
}

fn typed(text: &str) -> Password {
    Password::typed(text.to_owned())
}

#[tokio::test]
async fn a_password_makes_its_own_hash_and_no_other_does() {
    let passwords = Passwords::new(1, 4).unwrap();
    let hash = passwords.hash(chosen("correct horse")).await.unwrap();
    let kept = PasswordHash::parse(&hash.to_text()).unwrap();
    assert_eq!(kept, hash);
    let verify = |text: &'static str| passwords.verify(typed(text), Some(&kept));
    assert_eq!(verify("correct horse").await, Ok(true));
    assert_eq!(verify("correct horsE").await, Ok(false));
    assert_eq!(verify("").await, Ok(false));
    let again = passwords.hash(chosen("correct horse")).await.unwrap();
    assert_ne!(again.to_text(), hash.to_text(), "each hash has its salt");
}

#[tokio::test]
async fn a_password_is_the_same_however_its_letters_are_put_together() {
    let passwords = Passwords::new(1, 4).unwrap();
    let (composed, apart) = (
        "pässwörd für Zoë",
        "pa\u{308}sswo\u{308}rd fu\u{308}r Zoe\u{308}",
    );
    for (chose, types) in [(composed, apart), (apart, composed)] {
        let hash = passwords.hash(chosen(chose)).await.unwrap();
        assert_eq!(passwords.verify(typed(types), Some(&hash)).await, Ok(true));
    }
    // The longest one, in the longest way to type it.
    let hangul = "각".repeat(128);
    let jamo = "\u{1100}\u{1161}\u{11a8}".repeat(128);
    let hash = passwords.hash(chosen(&jamo)).await.unwrap();
    for types in [&hangul, &jamo] {
        assert_eq!(passwords.verify(typed(types), Some(&hash)).await, Ok(true));
    }
    let letters = "a\u{308}".repeat(7);
    let short = Password::chosen(letters).err();
    assert_eq!(
        short,
        Some(BadPassword::TooShort),
        "seven letters are seven"
    );
}

#[tokio::test]
async fn an_unknown_name_is_hashed_like_a_known_one_and_is_never_right() {
    let passwords = Passwords::new(1, 4).unwrap();
    let known = passwords.hash(chosen("correct horse")).await.unwrap();
    let nobody = passwords.nobody.recipe().params();
    assert_eq!(known.recipe().params(), nobody);
    let unknown = passwords.verify(typed("correct horse"), None).await;
    assert_eq!(unknown, Ok(false));
}

#[tokio::test]
async fn a_hash_that_somebody_else_made_is_checked() {
    // OpenSSL's answer to the same password, salt and cost.
    let passwords = Passwords::new(1, 4).unwrap();
    let output = passwords.output(typed("password"), known_recipe()).await;
    let hash = PasswordHash::new(known_recipe(), &output.unwrap());
    assert_eq!(hash.to_text(), KNOWN);
}

#[tokio::test]
async fn whoever_comes_when_all_places_are_taken_is_refused_at_once() {
    let passwords = Passwords::new(1, 3).unwrap();
    let admission = Arc::clone(&passwords.admission);
    let places = admission.try_acquire_many_owned(4).unwrap();
    let refused = passwords.verify(typed("password"), None).await;
    assert_eq!(
        refused,
        Err(Overloaded {
            retry_after_ms: 200
        })
    );
    let refused = passwords.hash(chosen("password")).await;
    assert!(refused.is_err());
    drop(places);
    assert!(passwords.hash(chosen("password")).await.is_ok());
}

#[tokio::test]
async fn a_place_is_free_again_when_the_answer_is_there() {
    let passwords = Passwords::new(2, 0).unwrap();
    for _ in 0..3 {
        let (one, two) = tokio::join!(
            passwords.verify(typed("one"), None),
            passwords.verify(typed("two"), None)
        );
        assert_eq!((one, two), (Ok(false), Ok(false)));
    }
    assert_eq!(passwords.admission.available_permits(), 2);
}

#[tokio::test]
async fn whoever_stops_waiting_leaves_the_queue() {
    let passwords = Passwords::new(1, 8).unwrap();
    for _ in 0..20 {
        let mut given_up = Box::pin(passwords.verify(typed("one"), None));
        tokio::select! {
            biased;
            _ = &mut given_up => {}
            () = std::future::ready(()) => {}
        }
        drop(given_up);
        // Comes after the one that was given up, and so finds its place free.
        let served = passwords.verify(typed("two"), None).await;
        assert_eq!(served, Ok(false));
        assert_eq!(passwords.admission.available_permits(), 9);
    }
}

#[tokio::test]
async fn an_overlong_password_is_wrong_and_not_hashed() {
    let passwords = Passwords::new(1, 0).unwrap();
    let admission = Arc::clone(&passwords.admission);
    let _places = admission.try_acquire_many_owned(1).unwrap();
    let long = passwords.verify(typed(&"x".repeat(1_025)), None).await;
    assert_eq!(long, Ok(false));
    let longest = passwords.verify(typed(&"x".repeat(1_024)), None).await;
    assert!(longest.is_err(), "would be hashed");
}

#[test]
fn a_chosen_password_has_8_to_128_characters() {
    let refused = |text: &str| Password::chosen(text.to_owned()).err();
    assert_eq!(refused(""), Some(BadPassword::TooShort));
    assert_eq!(refused("ääääääa"), Some(BadPassword::TooShort));
    assert_eq!(refused("ääääääaa"), None);
    assert_eq!(refused(&"ä".repeat(128)), None);
    assert_eq!(refused(&"a".repeat(129)), Some(BadPassword::TooLong));
    assert_eq!(
        BadPassword::TooShort.to_string(),
        "password too short: at least 8 characters"
    );
}

#[test]
fn a_generated_password_is_readable_and_can_be_chosen() {
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..200 {
        let password = Password::generate();
        let text = password.expose().to_owned();
        let groups: Vec<&str> = text.split('-').collect();
        assert_eq!(groups.len(), 4, "{text}");
        let plain = |letter: u8| b"abcdefghijkmnpqrstuvwxyz23456789".contains(&letter);
        for group in groups {
            assert!(group.len() == 5 && group.bytes().all(plain), "{text}");
        }
        assert!(Password::chosen(text.clone()).is_ok());
        assert!(seen.insert(text), "never the same twice");
    }
}

#[test]
fn neither_password_nor_hash_is_shown() {
    let hash = PasswordHash::parse(KNOWN).unwrap();
    let shown = format!("{:?} {hash:?}", typed("hush-hush"));
    assert_eq!(shown, "*** ***");
}

/// 64 KiB, two passes: `password` with the salt `somesaltsomesalt`.
const KNOWN: &str = concat!(
    "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$",
    "Gpj7qOY5RCXJvcMzqcdQqvgR3wcPX7SleI4c9NtXk6E"
);

fn known_recipe() -> Recipe {
    PasswordHash::parse(KNOWN).unwrap().recipe()
}

#[test]
fn a_text_that_is_no_hash_of_ours_is_refused() {
    let fine = KNOWN;
    assert!(PasswordHash::parse(fine).is_ok());
    let wrong = [
        String::new(),
        "plain".to_owned(),
        fine.replace("argon2id", "argon2i"),
        fine.replace("argon2id", "argon2d"),
        fine.replace("v=19", "v=16"),
        fine.replace("$v=19", ""),
        fine.replace("m=64", "m=19457"),
        fine.replace("t=2", "t=3"),
        fine.replace("p=1", "p=2"),
        fine.replace("p=1", "p=1,keyid=aaaa"),
        fine.replace("p=1", "p=1,data=aaaa"),
        fine.rsplit_once('$').unwrap().0.to_owned(),
        fine[..fine.len() - 4].to_owned(),
        format!("{fine}$"),
    ];
    for text in wrong {
        assert_eq!(PasswordHash::parse(&text), Err(BadHash), "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_refused_or_is_written_as_it_was_read(text in "\\PC{0,120}") {
        if let Ok(hash) = PasswordHash::parse(&text) {
            prop_assert_eq!(hash.to_text(), text);
        }
    }

    #[test]
    fn any_salt_and_output_survive_being_kept(salt: [u8; 16], output: [u8; 32]) {
        let hash = PasswordHash::new(Recipe::fresh(salt), &output);
        let text = hash.to_text();
        prop_assert!(text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", text);
        prop_assert_eq!(PasswordHash::parse(&text), Ok(hash.clone()));
        prop_assert!(hash.is_made_of(&output));
    }

    #[test]
    fn any_text_of_8_to_128_characters_can_be_chosen(text in "\\PC{0,140}") {
        let fits = (8..=128).contains(&text.nfc().count());
        prop_assert_eq!(Password::chosen(text).is_ok(), fits);
    }
}
