//! A tus client for one check: knows where, as whom and what it made.
//!
//! Invariants: what it made is terminated after the check, if the server can do that.
//! Never: judges; that is the checks' part, but for what every creation and HEAD must say.

use std::cell::RefCell;
use std::time::Duration;

use crate::check::{Outcome, Shortfall, demand};
use crate::target::Target;
use crate::wire::{Answer, NoAnswer, Place, Request, soon};

/// The version that is tested.
pub(crate) const VERSION: &str = "1.0.0";
/// The media type of bytes at an offset.
pub(crate) const OFFSET_BYTES: &str = "application/offset+octet-stream";
/// `filename a.txt` and `filetype text/plain`: what a server may want to know of a file.
pub(crate) const METADATA: &str = "filename YS50eHQ=,filetype dGV4dC9wbGFpbg==";
/// Longest wait for what happens a little later than the request that causes it.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// One check's client.
pub(crate) struct Client<'a> {
    pub(crate) target: &'a Target,
    /// Headers of each request: who asks.
    headers: Vec<(String, String)>,
    made: RefCell<Vec<Place>>,
}

impl<'a> Client<'a> {
    pub(crate) fn new(target: &'a Target, headers: Vec<(String, String)>) -> Self {
        Self {
            target,
            headers,
            made: RefCell::default(),
        }
    }

    /// Terminates what was made.
    pub(crate) fn tidy_up(&self) {
        if !self.target.offer.has("termination") {
            return;
        }
        for place in self.made.take() {
            // It may be gone, or may have become something else.
            let _ = self.request("DELETE", &place).send();
        }
    }

    /// A request of the tested version, as whom this client is.
    pub(crate) fn request(&self, method: &str, place: &Place) -> Request {
        let request = Request::new(method, place).header("Connection", "close");
        let request = request.header("Tus-Resumable", VERSION);
        let headers = self.headers.iter();
        headers.fold(request, |request, (name, value)| {
            request.header(name, value)
        })
    }

    /// A creation with these headers, and metadata unless it is among them.
    pub(crate) fn creation(&self, headers: &[(&str, &str)]) -> Request {
        let request = self.request("POST", &self.target.base);
        let is_named = |(name, _): &(&str, &str)| name.eq_ignore_ascii_case("Upload-Metadata");
        let request = match headers.iter().any(is_named) {
            true => request,
            false => request.header("Upload-Metadata", METADATA),
        };
        let headers = headers.iter();
        headers.fold(request, |request, (name, value)| {
            request.header(name, value)
        })
    }

    /// Sends a creation, whatever comes of it.
    pub(crate) fn try_to_create(&self, headers: &[(&str, &str)]) -> Outcome<Answer> {
        self.send_creation(self.creation(headers))
    }

    /// Sends a creation that was made by hand; what it makes is remembered.
    pub(crate) fn send_creation(&self, request: Request) -> Outcome<Answer> {
        let answer = request.send()?;
        if let Some(location) = answer.header("Location") {
            let place = self.target.base.resolve(location)?;
            self.made.borrow_mut().push(place);
        }
        Ok(answer)
    }

    /// Creates an upload with these headers.
    pub(crate) fn create_with(&self, headers: &[(&str, &str)]) -> Outcome<Place> {
        let answer = self.try_to_create(headers)?;
        self.created(&answer)
    }

    /// Creates an upload of this length.
    pub(crate) fn create(&self, length: usize) -> Outcome<Place> {
        self.create_with(&[("Upload-Length", &length.to_string())])
    }

    /// Where the upload is that this answer tells of.
    pub(crate) fn created(&self, answer: &Answer) -> Outcome<Place> {
        let status = answer.status;
        let said = String::from_utf8_lossy(&answer.body);
        demand!(
            status == 201,
            "the creation is answered {status}, not 201: {said}"
        );
        let location = answer.header("Location");
        let location = location.ok_or_else(|| "201 has no Location".to_owned())?;
        Ok(self.target.base.resolve(location)?)
    }

    /// What HEAD says of an upload.
    pub(crate) fn head(&self, place: &Place) -> Result<Answer, NoAnswer> {
        self.request("HEAD", place).send()
    }

    /// The offset of an upload that is there.
    pub(crate) fn offset(&self, place: &Place) -> Outcome<u64> {
        let answer = self.head(place)?;
        let status = answer.status;
        demand!(
            matches!(status, 200 | 204),
            "HEAD is answered {status}, not 200"
        );
        let offset = answer.number("Upload-Offset");
        Ok(offset.ok_or_else(|| "HEAD says no Upload-Offset".to_owned())?)
    }

    /// Demands that an upload is at an offset.
    pub(crate) fn expect_offset(&self, place: &Place, expected: usize) -> Outcome {
        let offset = self.offset(place)?;
        demand!(
            offset == expected as u64,
            "the offset is {offset}, not {expected}"
        );
        Ok(())
    }

    /// A PATCH without a body yet.
    pub(crate) fn patching(&self, place: &Place, offset: &str) -> Request {
        let request = self.request("PATCH", place);
        let request = request.header("Content-Type", OFFSET_BYTES);
        request.header("Upload-Offset", offset)
    }

    /// Sends bytes at an offset, whatever comes of it.
    pub(crate) fn patch(&self, place: &Place, offset: usize, bytes: &[u8]) -> Outcome<Answer> {
        let request = self.patching(place, &offset.to_string());
        Ok(request.body(bytes).send()?)
    }

    /// Sends bytes that must be taken.
    pub(crate) fn append(&self, place: &Place, offset: usize, bytes: &[u8]) -> Outcome {
        let answer = self.patch(place, offset, bytes)?;
        let end = offset + bytes.len();
        let status = answer.status;
        demand!(
            status == 204,
            "PATCH at {offset} is answered {status}, not 204"
        );
        let said = answer.header("Upload-Offset");
        demand!(
            answer.number("Upload-Offset") == Some(end as u64),
            "PATCH says Upload-Offset {said:?}, not {end}"
        );
        Ok(())
    }

    /// Demands that an upload is not there, now or soon.
    pub(crate) fn expect_gone(&self, place: &Place) -> Outcome {
        let mut last = 0;
        let is_gone = soon(SOON, || {
            let answer = self.head(place).ok()?;
            last = answer.status;
            matches!(last, 403 | 404 | 410).then_some(answer)
        });
        let answer = is_gone.ok_or_else(|| format!("HEAD is answered {last}, not 404 or 410"))?;
        let offset = answer.header("Upload-Offset");
        demand!(offset.is_none(), "{last} says Upload-Offset {offset:?}");
        Ok(())
    }

    /// Demands that a request was refused: by a status of the client's fault, or by hanging up.
    pub(crate) fn expect_refused(&self, answer: Result<Answer, NoAnswer>) -> Outcome {
        match answer {
            Ok(answer) => {
                let status = answer.status;
                demand!(
                    (400..500).contains(&status),
                    "it is answered {status}, not refused"
                );
                Ok(())
            }
            Err(NoAnswer::Closed) => Ok(()),
            Err(other) => Err(other.into()),
        }
    }

    /// Demands that these bytes are what a finished upload holds, if they can be read.
    pub(crate) fn expect_stored(&self, place: &Place, expected: &[u8]) -> Outcome {
        match self.stored(place) {
            Some(stored) if stored != expected => {
                let at = stored.iter().zip(expected).take_while(|(a, b)| a == b);
                let (at, count) = (at.count(), stored.len());
                Err(format!("{count} bytes are stored, other ones from byte {at} on").into())
            }
            _ => Ok(()),
        }
    }

    /// What a finished upload holds. The protocol has no way to read it; many servers answer GET
    /// of an upload's address with its bytes, and where one does not, nothing is compared.
    pub(crate) fn stored(&self, place: &Place) -> Option<Vec<u8>> {
        let answer = self.request("GET", place).send().ok()?;
        let is_bytes = answer.header("Content-Type")?.starts_with("text/plain");
        (answer.status == 200 && is_bytes).then_some(answer.body)
    }
}

/// The check cannot be made against this server.
pub(crate) fn not_offered(why: &str) -> Shortfall {
    Shortfall::NotOffered(why.to_owned())
}

/// Lines of plain text, as many bytes as asked for: what a server that looks at files lets pass.
pub(crate) fn text(word: &str, byte_count: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(byte_count);
    for number in 0.. {
        if bytes.len() >= byte_count {
            break;
        }
        bytes.extend(format!("line {number} of a text about {word}\n").into_bytes());
    }
    bytes.truncate(byte_count);
    bytes
}
