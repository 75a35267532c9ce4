//! One upload under way: what its sender knows of it, and the next request that it needs.
//!
//! Invariants checked: a place that is told is never behind one that was told before, a piece moves
//! it by its length, nothing that was said to be done is said otherwise later.
//! Never: repeats what was answered; only what was not is asked again.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, StatusCode};

use super::plans::Plan;
use super::sender::{Answer, Stop, Way};

/// Where bytes go.
#[derive(Debug, Clone, Default)]
pub(super) struct Slot {
    /// What the server calls it, once that was answered.
    pub(super) id: Option<String>,
    /// The furthest place that was told.
    pub(super) acknowledged: u64,
    /// Whether that is where it stands.
    is_sure: bool,
    is_cleared: bool,
}

/// A file that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) file: u64,
    pub(super) seq: Option<u64>,
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) plan: Plan,
    /// How often the file was begun as far as anybody knows: answers may be lost.
    pub(super) begun_count: u64,
    pub(super) whole: Slot,
    parts: Vec<Slot>,
    pub(super) made: Option<Made>,
    /// It was said that it is cancelled.
    pub(super) is_cancelled: bool,
    was_cancel_asked: bool,
    content: Vec<u8>,
}

impl Entry {
    pub(super) fn new(number: u64) -> Self {
        let plan = Plan::new(number);
        Self {
            begun_count: 0,
            whole: Slot::default(),
            parts: vec![Slot::default(); plan.part_count],
            made: None,
            is_cancelled: false,
            was_cancel_asked: false,
            content: plan.content(),
            plan,
        }
    }

    /// The server was killed: where bytes stand has to be asked.
    pub(super) fn lost_sight(&mut self) {
        for slot in self.parts.iter_mut().chain([&mut self.whole]) {
            slot.is_sure = false;
        }
    }

    /// Nothing is left to ask.
    pub(super) fn is_over(&self) -> bool {
        let cleared = self.parts.iter().all(|part| part.is_cleared);
        self.is_cancelled || (self.made.is_some() && cleared)
    }

    /// The bytes are needed no more.
    pub(super) fn settle(&mut self) {
        self.content = Vec::new();
    }

    fn size(&self) -> u64 {
        self.content.len() as u64
    }

    /// Asks where everything stands that was begun.
    pub(super) async fn look(&mut self, way: &Way) -> Result<(), Stop> {
        let is_open = self.made.is_none() && !self.was_cancel_asked;
        let size = self.size();
        let slots = self.parts.iter_mut().chain([&mut self.whole]);
        for slot in slots.filter(|slot| is_open && slot.id.is_some() && !slot.is_sure) {
            slot.look(way, size).await?;
        }
        Ok(())
    }

    /// The next request.
    pub(super) async fn step(&mut self, way: &Way) -> Result<(), Stop> {
        if self.made.is_some() {
            return self.clear_part(way).await;
        }
        let sent = self.whole.acknowledged;
        let is_unwanted = self.plan.cancel_at.is_some_and(|at| sent >= at);
        if self.was_cancel_asked || (is_unwanted && self.whole.id.is_some()) {
            return self.cancel(way).await;
        }
        for i in 0..self.parts.len() {
            let range = self.part_range(i);
            if self.parts[i].id.is_none() || self.parts[i].acknowledged < range.end - range.start {
                return self.send_part(i, range, way).await;
            }
        }
        if self.whole.id.is_none() {
            return self.begin(way).await;
        }
        if !self.parts.is_empty() || self.whole.acknowledged == self.size() {
            return self.ask_what_became_of_it(way).await;
        }
        let size = self.size();
        self.whole.send(&self.content, &self.plan, size, way).await
    }

    fn part_range(&self, i: usize) -> Range<u64> {
        let (size, count) = (self.size(), self.parts.len() as u64);
        let at = |i: u64| size * i / count;
        at(i as u64)..at(i as u64 + 1)
    }

    async fn send_part(&mut self, i: usize, range: Range<u64>, way: &Way) -> Result<(), Stop> {
        let (start, end) = (range.start as usize, range.end as usize);
        let bytes = &self.content[start..end];
        let slot = &mut self.parts[i];
        if slot.id.is_some() {
            return slot.send(bytes, &self.plan, bytes.len() as u64, way).await;
        }
        let length = bytes.len().to_string();
        let headers = [("Upload-Concat", "partial"), ("Upload-Length", &*length)];
        let answer = way.ask(Method::POST, "", &headers, Vec::new()).await?;
        slot.begun(&answer)
    }

    /// The wish of the whole file: with its first bytes, of its parts, or alone.
    async fn begin(&mut self, way: &Way) -> Result<(), Stop> {
        let length = self.size().to_string();
        let metadata = self.metadata(way);
        let ids = self.parts.iter().filter_map(|part| part.id.as_deref());
        let places: Vec<String> = ids.map(|id| format!("/v1/uploads/{id}")).collect();
        let parts = format!("final;{}", places.join(" "));
        let mut headers = vec![("Upload-Metadata", &*metadata)];
        headers.push(match (self.parts.is_empty(), self.plan.defers_length) {
            (false, _) => ("Upload-Concat", &*parts),
            (true, true) => ("Upload-Defer-Length", "1"),
            (true, false) => ("Upload-Length", &*length),
        });
        let mut body = Vec::new();
        if self.plan.begins_with_bytes {
            // A length that is said later comes with a later piece.
            let first_max = self.content.len() - usize::from(self.plan.defers_length);
            let first = self.plan.piece_bytes.min(first_max);
            body = self.content[..first].to_vec();
            headers.push(("Content-Type", "application/offset+octet-stream"));
        }
        self.begun_count += 1;
        let answer = way.ask(Method::POST, "", &headers, body).await?;
        self.whole.begun(&answer)
    }

    fn metadata(&self, way: &Way) -> String {
        let mut metadata = format!("filename {}", STANDARD.encode(self.plan.name()));
        if self.plan.has_room {
            let said = format!("caption of {}", self.plan.number);
            let pairs = [("room", way.room.as_str()), ("caption", said.as_str())];
            for (key, value) in pairs {
                metadata.push_str(&format!(",{key} {}", STANDARD.encode(value)));
            }
        }
        metadata
    }

    async fn ask_what_became_of_it(&mut self, way: &Way) -> Result<(), Stop> {
        let id = self.whole.id.as_deref().unwrap_or_default();
        let status = way.status(id).await?;
        match status["state"].as_str() {
            Some("ready") => {
                let file = status["file"].as_u64().ok_or("a file without number")?;
                let seq = status["seq"].as_u64();
                if seq.is_some() != self.plan.has_room {
                    return Err(format!("{id} has the message {seq:?}").into());
                }
                self.made = Some(Made { file, seq });
                Ok(())
            }
            Some("receiving" | "verifying" | "publishing") => Ok(()),
            _ => Err(format!("{id} came to {status}, its plan {:?}", self.plan).into()),
        }
    }

    async fn cancel(&mut self, way: &Way) -> Result<(), Stop> {
        let id = self.whole.id.as_deref().unwrap_or_default();
        let was_asked = std::mem::replace(&mut self.was_cancel_asked, true);
        let answer = way.ask(Method::DELETE, id, &[], Vec::new()).await?;
        match answer.status {
            StatusCode::NO_CONTENT => self.is_cancelled = true,
            StatusCode::NOT_FOUND | StatusCode::GONE if was_asked => self.is_cancelled = true,
            // It is a file already.
            StatusCode::CONFLICT => {
                (self.plan.cancel_at, self.was_cancel_asked) = (None, false);
            }
            _ => return Err(format!("{id} cannot be cancelled: {answer:?}").into()),
        }
        Ok(())
    }

    /// Parts are of no more use, and are taken away one by one.
    async fn clear_part(&mut self, way: &Way) -> Result<(), Stop> {
        let Some(part) = self.parts.iter_mut().find(|part| !part.is_cleared) else {
            return Ok(());
        };
        let id = part.id.clone().unwrap_or_default();
        let answer = way.ask(Method::DELETE, &id, &[], Vec::new()).await?;
        match answer.status {
            StatusCode::NO_CONTENT | StatusCode::NOT_FOUND | StatusCode::GONE => {
                part.is_cleared = true;
                Ok(())
            }
            _ => Err(format!("the part {id} cannot be cancelled: {answer:?}").into()),
        }
    }
}

impl Slot {
    fn begun(&mut self, answer: &Answer) -> Result<(), Stop> {
        let id = answer
            .header("location")
            .and_then(|at| at.rsplit('/').next());
        match (answer.status, id) {
            (StatusCode::CREATED, Some(id)) => {
                self.id = Some(id.to_owned());
                self.acknowledged = answer.offset().unwrap_or(0);
                self.is_sure = true;
                Ok(())
            }
            _ => Err(format!("nothing was begun: {answer:?}").into()),
        }
    }

    async fn look(&mut self, way: &Way, size: u64) -> Result<(), Stop> {
        let id = self.id.as_deref().unwrap_or_default();
        let answer = way.ask(Method::HEAD, id, &[], Vec::new()).await?;
        let offset = answer.offset().filter(|_| answer.status.is_success());
        match offset {
            Some(offset) if (self.acknowledged..=size).contains(&offset) => {
                self.acknowledged = offset;
                self.is_sure = true;
                Ok(())
            }
            _ => {
                let told = self.acknowledged;
                Err(format!("{id} was told to stand at {told}, and is {answer:?}").into())
            }
        }
    }

    /// The next piece, or first the question where it goes.
    async fn send(&mut self, of: &[u8], plan: &Plan, size: u64, way: &Way) -> Result<(), Stop> {
        if !self.is_sure {
            return self.look(way, size).await;
        }
        let id = self.id.clone().unwrap_or_default();
        let start = usize::try_from(self.acknowledged).unwrap();
        let end = of.len().min(start + plan.piece_bytes);
        let piece = of[start..end].to_vec();
        let (offset, length) = (start.to_string(), of.len().to_string());
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &piece);
        let checksum = format!("sha256 {}", STANDARD.encode(digest.as_ref()));
        let mut headers = vec![
            ("Content-Type", "application/offset+octet-stream"),
            ("Upload-Offset", &*offset),
        ];
        if plan.has_checksums {
            headers.push(("Upload-Checksum", &*checksum));
        }
        if plan.defers_length && end == of.len() {
            headers.push(("Upload-Length", &*length));
        }
        // Until it is answered it is not known what came of it.
        self.is_sure = false;
        let answer = way.ask(Method::PATCH, &id, &headers, piece).await?;
        match (answer.status, answer.offset()) {
            (StatusCode::NO_CONTENT, Some(offset)) if offset == end as u64 => {
                self.acknowledged = offset;
                self.is_sure = true;
                Ok(())
            }
            _ => Err(format!("a piece up to {end} for {id} is answered {answer:?}").into()),
        }
    }
}
