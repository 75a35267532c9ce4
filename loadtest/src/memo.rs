//! A room's last frames, read: all members get the same bytes, so all but the first compare them
//! with what was read already. That keeps the generator cheap beside the server.
//!
//! Invariant: nothing is taken from the memo unless every byte of the frame is equal.

use crate::check::Delivery;

/// Frames kept a room: more than are under way between its fastest and slowest member as a rule;
/// where it is too few, frames are only read again.
const SLOTS: usize = 128;

/// The last frames of one room.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    slots: Vec<(Vec<u8>, Delivery)>,
    /// Where the next new frame goes.
    next: usize,
}

impl Memo {
    /// Finds a frame, first where the member's last one suggests. `hint` moves on with it.
    #[inline]
    pub(crate) fn find(&self, hint: &mut u8, payload: &[u8]) -> Option<Delivery> {
        let slot = usize::from(*hint);
        let is_it = |(bytes, _): &&(Vec<u8>, Delivery)| bytes == payload;
        if let Some((_, delivery)) = self.slots.get(slot).filter(is_it) {
            *hint = after(slot);
            return Some(*delivery);
        }
        let slot = self.slots.iter().position(|(bytes, _)| bytes == payload)?;
        *hint = after(slot);
        Some(self.slots[slot].1)
    }

    /// Keeps a frame that was read.
    pub(crate) fn keep(&mut self, hint: &mut u8, payload: &[u8], delivery: Delivery) {
        let slot = self.next;
        match self.slots.get_mut(slot) {
            Some((bytes, kept)) => {
                bytes.clear();
                bytes.extend_from_slice(payload);
                *kept = delivery;
            }
            None => self.slots.push((payload.to_vec(), delivery)),
        }
        self.next = (slot + 1) % SLOTS;
        *hint = after(slot);
    }
}

fn after(slot: usize) -> u8 {
    u8::try_from((slot + 1) % SLOTS).expect("there are fewer than 256 slots")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marker::Marker;

    fn delivery(number: u64) -> Delivery {
        let marker = Marker {
            run: 0,
            room: 0,
            number,
            sent_ns: 0,
        };
        Delivery { marker, seq: None }
    }

    #[test]
    fn a_frame_is_found_with_and_without_its_hint_and_forgotten_in_time() {
        let mut memo = Memo::default();
        let mut writer = 0;
        let count = SLOTS as u64 + 36;
        for number in 0..count {
            memo.keep(&mut writer, &number.to_be_bytes(), delivery(number));
        }
        let mut reader = 0;
        assert_eq!(memo.find(&mut reader, &5_u64.to_be_bytes()), None);
        for number in 36..count {
            let found = memo.find(&mut reader, &number.to_be_bytes());
            assert_eq!(found, Some(delivery(number)));
        }
        let found = memo.find(&mut reader, &50_u64.to_be_bytes());
        assert_eq!(found, Some(delivery(50)));
    }
}
