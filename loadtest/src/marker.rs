//! The marker at the start of every message's text: which run, which room, which number, sent when.
//! It is how a delivery is recognised whatever dialect carried it.

/// What the text of a message says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// The run that sent it, so that an earlier run's messages are told apart.
    pub run: u32,
    /// Index of the room it was sent to.
    pub room: u32,
    /// Its number in that room, counted from 1 by the load generator.
    pub number: u64,
    /// When it was meant to be sent, on the run's clock.
    pub sent_ns: u64,
}

/// Opens and closes a marker; no JSON or MessagePack writer escapes it.
const FENCE: &str = "@@";

impl Marker {
    /// The text of a message: the marker, then padding up to `size_bytes`.
    pub fn text(&self, size_bytes: usize) -> String {
        let Self {
            run,
            room,
            number,
            sent_ns,
        } = self;
        let mut text = format!("{FENCE}{run:x}.{room}.{number}.{sent_ns}{FENCE}");
        let padding = size_bytes.saturating_sub(text.len());
        text.extend(std::iter::repeat_n('x', padding));
        text
    }

    /// Reads the marker that a text quotes.
    pub(crate) fn find(text: &str) -> Option<Self> {
        Self::parse(&text[text.find(FENCE)?..])
    }

    /// Reads the marker of a text; `None` for texts that the load generator did not write.
    pub fn parse(text: &str) -> Option<Self> {
        let (inner, _padding) = text.strip_prefix(FENCE)?.split_once(FENCE)?;
        let mut fields = inner.split('.');
        let marker = Self {
            run: u32::from_str_radix(fields.next()?, 16).ok()?,
            room: fields.next()?.parse().ok()?,
            number: fields.next()?.parse().ok()?,
            sent_ns: fields.next()?.parse().ok()?,
        };
        fields.next().is_none().then_some(marker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKER: Marker = Marker {
        run: 0xfeed,
        room: 3,
        number: 41,
        sent_ns: 123_456_789,
    };

    #[test]
    fn text_has_the_asked_size_and_reads_back() {
        let text = MARKER.text(64);
        assert_eq!(text.len(), 64);
        assert_eq!(Marker::parse(&text), Some(MARKER));
    }

    #[test]
    fn text_is_never_cut_below_its_marker() {
        assert_eq!(Marker::parse(&MARKER.text(0)), Some(MARKER));
    }

    #[test]
    fn other_texts_have_no_marker() {
        for text in [
            "",
            "@@",
            "@@@@",
            "@@1.2.3@@",
            "@@1.2.3.4.5@@",
            "hello",
            "@@g.1.1.1@@",
        ] {
            assert_eq!(Marker::parse(text), None, "{text}");
        }
    }
}
