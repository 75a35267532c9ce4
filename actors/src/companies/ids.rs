//! Ids of companies that were given none: three letters of the name and a number, `TES001`.
//!
//! Never: says whether an id is free.

use frontdesk_protocol::CompanyId;

/// Letters an id begins with.
const LETTER_COUNT: usize = 3;
/// Stands for a letter that a name does not have.
const FILLER: char = 'X';
/// Digits of a number at least.
const DIGIT_COUNT: usize = 3;

/// Whether no company may be called so: addresses say `me` for one's own company, and names that
/// begin like the installation's would be taken for it.
pub(super) fn is_reserved(id: &CompanyId) -> bool {
    id.as_str().eq_ignore_ascii_case("me") || id.as_str().starts_with("__")
}

/// The letters of an id, if it is made as ours are; else of a name.
pub(super) fn letters(id: Option<&CompanyId>, name: &str) -> Option<String> {
    match id {
        Some(id) => parts(id).map(|(letters, _)| letters.to_owned()),
        None => {
            let of_name = name.chars().filter(char::is_ascii_alphabetic);
            let filled = of_name.chain(std::iter::repeat(FILLER));
            let letters = filled.take(LETTER_COUNT);
            Some(letters.map(|letter| letter.to_ascii_uppercase()).collect())
        }
    }
}

/// The id of letters and a number.
pub(super) fn made_of(letters: &str, number: u64) -> Option<CompanyId> {
    CompanyId::new(&format!("{letters}{number:0width$}", width = DIGIT_COUNT)).ok()
}

/// The letters and the number of an id that is made as ours are.
pub(super) fn parts(id: &CompanyId) -> Option<(&str, u64)> {
    let (letters, digits) = id.as_str().split_at_checked(LETTER_COUNT)?;
    let is_ours = letters.bytes().all(|byte| byte.is_ascii_uppercase())
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse().ok().filter(|_| is_ours)?;
    (made_of(letters, number).as_ref() == Some(id)).then_some((letters, number))
}
