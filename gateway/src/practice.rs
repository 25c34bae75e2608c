//! Reads which practice a request is about, from its first bytes: field 1 of every request that names one.
//!
//! The message is not decoded and nothing is refused here: what is not there or not well formed is the service's to
//! say. Bytes pass on as they came. Only the practice's id is kept, never what follows it: a patient's number may.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use mesh::names;
use tonic::{Status, body::Body};
use tracing::Span;

/// A gRPC frame begins with whether it is compressed (1 byte) and its length (4 bytes).
const FRAME_HEAD: usize = 5;
/// Field 1, length-delimited.
const FIELD_1: u8 = 0x0a;
/// Enough for the frame's head, the field's key and length, and `practices/{practice}/`.
const NEEDED: usize = FRAME_HEAD + 1 + 5 + "practices/".len() + names::PRACTICE_ID_MAX + 1;

/// A request's body that records its practice as `practice` in `span`, once its first bytes have passed.
pub(crate) fn noting(body: Body, span: Span) -> Body {
    if span.is_disabled() {
        return body;
    }
    Body::new(Noting { body, span, start: Vec::with_capacity(NEEDED), noted: false })
}

struct Noting {
    body: Body,
    span: Span,
    start: Vec<u8>,
    noted: bool,
}

impl http_body::Body for Noting {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if !self.noted {
            let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
            let room = NEEDED - self.start.len();
            if let Some(data) = data {
                self.start.extend_from_slice(&data[..data.len().min(room)]);
            }
            let read = practice(&self.start);
            if let Some(id) = read {
                self.span.record("practice", id);
            }
            // Without data the body is at its end; after enough of it, more would not help.
            self.noted = read.is_some() || data.is_none() || self.start.len() == NEEDED;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The id of the practice that a request names, once enough of its bytes are there.
fn practice(start: &[u8]) -> Option<&str> {
    let (&[compressed, ..], message) = start.split_first_chunk::<FRAME_HEAD>()?;
    let [FIELD_1, rest @ ..] = message else { return None };
    if compressed != 0 {
        return None;
    }
    let mut rest = rest;
    let length = usize::try_from(prost::encoding::decode_varint(&mut rest).ok()?).ok()?;
    let (name, whole) = (&rest[..rest.len().min(length)], rest.len() >= length);
    // Of a name that has not come whole, the practice is known when the slash after it has.
    let slash = name.iter().enumerate().filter(|(_, b)| **b == b'/').nth(1).map(|(at, _)| at);
    let end = slash.or(whole.then_some(name.len()))?;
    names::practice_of("name", std::str::from_utf8(&name[..end]).ok()?).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use chairsync_proto::{engagement::OpenPatientCardRequest, sync::GetRunRequest};
    use prost::Message;

    use super::*;

    fn frame(message: &impl Message) -> Vec<u8> {
        let mut frame = vec![0];
        frame.extend(u32::try_from(message.encoded_len()).unwrap().to_be_bytes());
        frame.extend(message.encode_to_vec());
        frame
    }

    fn named(name: &str) -> Vec<u8> {
        frame(&GetRunRequest { name: name.to_owned() })
    }

    #[test]
    fn the_practice_is_the_names_beginning() {
        assert_eq!(practice(&named("practices/north")), Some("north"));
        assert_eq!(practice(&named("practices/north/runs/r1")), Some("north"));
        let card = OpenPatientCardRequest { name: "practices/a/patients/7/card".to_owned(), ..Default::default() };
        assert_eq!(practice(&frame(&card)), Some("a"));
        let longest = format!("practices/{}/runs/{}", "a".repeat(63), "b".repeat(128));
        assert_eq!(practice(&named(&longest)[..NEEDED]), Some(&*"a".repeat(63)));
    }

    /// However the bytes are cut, a beginning says the whole id or nothing.
    #[test]
    fn a_beginning_never_says_half_an_id() {
        for name in ["practices/north", "practices/north/runs/r1"] {
            let whole = named(name);
            for cut in 0..whole.len() {
                assert!(matches!(practice(&whole[..cut]), None | Some("north")), "{name} at {cut}");
            }
        }
    }

    #[test]
    fn what_is_no_practice_is_none() {
        let mut compressed = named("practices/a");
        compressed[0] = 1;
        assert_eq!(practice(&compressed), None);
        for bad in ["", "practices/", "practices/A", "patients/7", "practices/Jane Doe/runs/1"] {
            assert_eq!(practice(&named(bad)), None, "{bad}");
        }
        // Every short run of bytes is read without a panic.
        for bytes in (0..=u16::MAX).map(u16::to_be_bytes) {
            assert_eq!(practice(&[&[0, 0, 0, 0, 9, FIELD_1][..], &bytes].concat()), None);
            assert_eq!(practice(&bytes), None);
        }
    }

    #[tokio::test]
    async fn bytes_pass_as_they_came() {
        use http_body_util::BodyExt;
        let whole = named("practices/north/runs/r1");
        let bytes = whole.clone().into_iter().map(|b| Ok::<_, Status>(Frame::data(Bytes::from(vec![b]))));
        let cut_small = Body::new(http_body_util::StreamBody::new(futures::stream::iter(bytes)));
        let body = Noting { body: cut_small, span: Span::none(), start: Vec::new(), noted: false };
        assert_eq!(body.collect().await.unwrap().to_bytes(), whole);
    }
}
