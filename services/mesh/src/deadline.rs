//! Deadlines travel: a server takes the caller's from `grpc-timeout`, keeps it for the task, and every call made on the
//! way gets what is left of it. An expired call is `DEADLINE_EXCEEDED`, its body included, and its work is dropped.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use tokio::time::{Instant, Sleep};
use tonic::{Code, Status, body::Body};

use crate::error::{ErrorReason, Refusal};

/// The header in which gRPC carries what is left of a deadline.
pub const GRPC_TIMEOUT: &str = "grpc-timeout";

tokio::task_local! {
    static DEADLINE: Instant;
}

/// The deadline of the call that this task serves, if it has one.
pub fn current() -> Option<Instant> {
    DEADLINE.try_with(|deadline| *deadline).ok()
}

/// Runs `work` with a deadline that calls made by it inherit. It does not stop the work by itself.
pub async fn scope<F: Future>(deadline: Option<Instant>, work: F) -> F::Output {
    match deadline {
        Some(deadline) => DEADLINE.scope(deadline, work).await,
        None => work.await,
    }
}

/// What every expired call answers.
pub fn exceeded() -> Status {
    let sentence = "the call took longer than its deadline; allow more time or ask for less";
    Refusal::new(Code::DeadlineExceeded, ErrorReason::DeadlineExceeded, sentence).into()
}

/// Reads `grpc-timeout`; malformed values count as none, as the protocol asks.
pub fn read(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value * 3600)),
        "M" => Some(Duration::from_secs(value * 60)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

/// Writes `grpc-timeout`, at most eight digits as the protocol asks.
pub fn write(headers: &mut HeaderMap, left: Duration) {
    let text = match left.as_millis() {
        millis @ 0..=99_999_999 => format!("{millis}m"),
        _ => format!("{}S", left.as_secs().min(99_999_999)),
    };
    if let Ok(value) = HeaderValue::from_str(&text) {
        headers.insert(GRPC_TIMEOUT, value);
    }
}

/// Puts the sooner of the task's deadline and the request's own into the request, and returns it.
pub(crate) fn forward(headers: &mut HeaderMap) -> Option<Instant> {
    let now = Instant::now();
    let own = read(headers).map(|left| now + left);
    let deadline = own.into_iter().chain(current()).min()?;
    write(headers, deadline.saturating_duration_since(now));
    Some(deadline)
}

/// A body that ends with `DEADLINE_EXCEEDED` when the deadline passes.
pub fn bounded(body: Body, deadline: Instant) -> Body {
    Body::new(Bounded::new(body, deadline))
}

/// See [`bounded`]. The timer is only set where the body makes its reader wait: most never do.
pub(crate) struct Bounded {
    body: Body,
    deadline: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    over: bool,
}

impl Bounded {
    /// Bounds a body.
    pub fn new(body: Body, deadline: Instant) -> Self {
        Self { body, deadline, timer: None, over: false }
    }

    fn end(&mut self) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.over = true;
        let mut trailers = HeaderMap::new();
        exceeded().add_header(&mut trailers)?;
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}

impl http_body::Body for Bounded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.over {
            return Poll::Ready(None);
        }
        // The deadline is asked first, by the clock: a body that always has a frame ready would never let it pass, and may
        // keep the timer itself from being driven.
        if Instant::now() >= self.deadline {
            return self.end();
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.over = frame.as_ref().is_none_or(|frame| frame.as_ref().is_ok_and(Frame::is_trailers));
            return Poll::Ready(frame);
        }
        let deadline = self.deadline;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        ready!(timer.as_mut().poll(cx));
        self.end()
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.body.is_end_stream()
    }
}

/// What a served call answers, or that its deadline has passed; the work is dropped then.
pub(crate) async fn within<E>(
    deadline: Option<Instant>,
    answer: impl Future<Output = Result<http::Response<Body>, E>>,
) -> Result<http::Response<Body>, E> {
    let Some(deadline) = deadline else { return answer.await };
    let answer = tokio::time::timeout_at(deadline, DEADLINE.scope(deadline, answer)).await;
    answer.unwrap_or_else(|_| Ok(exceeded().into_http()))
}

/// Does something that may ask for the deadline.
pub(crate) fn sync_scope<T>(deadline: Option<Instant>, work: impl FnOnce() -> T) -> T {
    match deadline {
        Some(deadline) => DEADLINE.sync_scope(deadline, work),
        None => work(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn timeouts_are_read_and_written() {
        let mut headers = HeaderMap::new();
        for (text, wanted) in [
            ("1H", Some(Duration::from_secs(3600))),
            ("250m", Some(Duration::from_millis(250))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("999999999S", None),
            ("5", None),
            ("S", None),
            ("-1S", None),
            ("1x", None),
        ] {
            headers.insert(GRPC_TIMEOUT, text.parse().unwrap());
            assert_eq!(read(&headers), wanted, "{text}");
        }
        for left in [Duration::ZERO, Duration::from_millis(1), Duration::from_secs(100_000), Duration::from_secs(9)] {
            write(&mut headers, left);
            assert_eq!(read(&headers).unwrap().as_secs(), left.as_secs());
        }
    }

    #[tokio::test]
    async fn a_call_inherits_the_sooner_deadline() {
        let soon = Instant::now() + Duration::from_secs(2);
        scope(Some(soon), async {
            let mut headers = HeaderMap::new();
            assert_eq!(forward(&mut headers), Some(soon));
            write(&mut headers, Duration::from_secs(1));
            assert!(forward(&mut headers).unwrap() < soon);
        })
        .await;
        assert_eq!(forward(&mut HeaderMap::new()), None);
    }

    #[tokio::test]
    async fn a_body_ends_at_the_deadline() {
        use http_body_util::BodyExt;
        let never =
            Body::new(http_body_util::StreamBody::new(futures::stream::pending::<Result<Frame<Bytes>, Status>>()));
        let body = bounded(never, Instant::now() + Duration::from_millis(1)).collect().await.unwrap();
        assert_eq!(body.trailers().unwrap()["grpc-status"], "4");
    }

    #[tokio::test]
    async fn a_body_that_is_always_ready_ends_at_the_deadline_too() {
        use http_body_util::BodyExt;
        let frames = futures::stream::repeat_with(|| Ok::<_, Status>(Frame::data(Bytes::from_static(b"row"))));
        let endless = Body::new(http_body_util::StreamBody::new(frames));
        let mut body = bounded(endless, Instant::now() + Duration::from_millis(20));
        let trailers = loop {
            match body.frame().await.unwrap().unwrap().into_trailers() {
                Ok(trailers) => break trailers,
                Err(_row) => {}
            }
        };
        assert_eq!(trailers["grpc-status"], "4");
        assert!(body.frame().await.is_none(), "nothing comes after the trailers");
    }

    #[tokio::test]
    async fn a_body_that_has_ended_does_not_end_twice() {
        use http_body::Body as _;
        use http_body_util::BodyExt;
        let trailers = futures::stream::iter([Ok::<_, Status>(Frame::trailers(HeaderMap::new()))]);
        let later = Instant::now() + Duration::from_secs(3600);
        let mut body = bounded(Body::new(http_body_util::StreamBody::new(trailers)), later);
        assert!(!body.is_end_stream() && body.frame().await.unwrap().unwrap().is_trailers());
        assert!(body.is_end_stream());
    }
}
