//! Whether a text shows anything.
//!
//! Never: alters a text. Beside something visible every character has its place: a joiner makes one
//! emoji of several, a direction mark puts a sentence in order.

/// Characters that show nothing by themselves although they are not white space: controls, and what
/// Unicode 16 calls `Default_Ignorable_Code_Point`.
fn is_invisible(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
            | '\u{FFA0}' | '\u{FFF0}'..='\u{FFF8}' | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Whether any character of a text can be seen.
pub fn has_visible(text: &str) -> bool {
    let visible = |letter: char| !letter.is_whitespace() && !is_invisible(letter);
    text.chars().any(visible)
}

/// Whether a text holds characters that show nothing, or turn the direction of those that do: in a
/// name, each can make one look like another.
pub fn has_hidden(text: &str) -> bool {
    text.chars().any(is_invisible)
}

/// Whether a text changes the direction of writing for what comes after it.
pub fn turns_direction(text: &str) -> bool {
    let turns = |letter| matches!(letter, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    text.chars().any(turns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shows_nothing_is_not_visible() {
        for hidden in [
            "",
            " \t\r\n",
            "\u{A0}\u{3000}",
            "\u{200B}",
            "\u{200C}",
            "\u{200D}",
            "\u{2060}",
            "\u{FEFF}",
            "\u{AD}",
            " \u{200B}\n\u{FEFF} ",
            "\u{0}\u{7F}\u{85}",
            "\u{202E}",
            "\u{FE0F}",
            "\u{3164}",
            "\u{E0020}",
        ] {
            assert!(!has_visible(hidden), "{hidden:?}");
        }
    }

    #[test]
    fn what_is_hidden_among_letters_is_found() {
        for name in ["ann\u{200B}", "a\u{FEFF}b", "\u{202E}gnp", "tab\t"] {
            assert!(has_hidden(name), "{name:?}");
        }
        assert!(!has_hidden("Zo\u{EB} O'Hara-\u{5f20}"));
        assert!(turns_direction("photo\u{202E}gnp") && turns_direction("\u{2066}x"));
        // Marks that languages need, and joined emoji, turn nothing.
        assert!(!turns_direction("\u{200F}\u{5d0}") && !turns_direction("\u{1F468}\u{200D}"));
    }

    #[test]
    fn one_visible_character_is_enough() {
        for shown in [
            "a",
            ".",
            "\u{200B}a",
            "\u{1F468}\u{200D}\u{1F469}",
            "\u{2764}\u{FE0F}",
            "\u{300}",
            "\u{2800}",
            "\u{E000}",
            "\u{FFFD}",
        ] {
            assert!(has_visible(shown), "{shown:?}");
        }
    }
}
