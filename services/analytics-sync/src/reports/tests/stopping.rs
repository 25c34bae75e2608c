//! A stream ends with its end, an error, or because its reader went away; never silently.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use arrow::array::{ArrayRef, Date32Array, Decimal128Array, StringArray};
use datafusion::error::DataFusionError;
use futures::stream;

use super::*;

const LIMIT: Duration = Duration::from_secs(30);

/// A batch of two adjustments, as the question brings them.
fn batch() -> RecordBatch {
    let text = |value: &str| Arc::new(StringArray::from(vec![value; 2])) as ArrayRef;
    let number = Arc::new(arrow::array::Int64Array::from(vec![1, 1])) as ArrayRef;
    let amount = Decimal128Array::from(vec![10_000, 20_000]).with_precision_and_scale(18, 4).unwrap();
    RecordBatch::try_from_iter([
        ("date", Arc::new(Date32Array::from(vec![1, 2])) as ArrayRef),
        ("patient", text("a")),
        ("patient_number", number),
        ("provider", text("b")),
        ("type", text("c")),
        ("amount", Arc::new(amount) as ArrayRef),
    ])
    .unwrap()
}

fn sending() -> Sending {
    Sending { report: list::find("adjustments").unwrap(), format: ReportFormat::Rows, currency: "USD".into() }
}

/// Says when it is dropped.
struct Held(Arc<AtomicBool>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_who_goes_away_stops_the_query() {
    let (polled, dropped, freed) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (held, counted) = (Held(dropped.clone()), polled.clone());
    // It never ends by itself.
    let endless = stream::repeat_with(move || {
        let _here = &held;
        counted.fetch_add(1, SeqCst);
        Ok(batch())
    });
    let mut parts = sending().stream(Part::Head(Default::default()), endless.boxed(), Held(freed.clone()), shown);
    for _ in 0..3 {
        assert!(parts.next().await.unwrap().is_ok());
    }
    // One that is not read waits: the query is a few parts ahead at most.
    tokio::time::timeout(LIMIT, async {
        while polled.load(SeqCst) < 5 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the query runs ahead");
    assert!(polled.load(SeqCst) < 20, "and no further than its queue");
    assert!(!dropped.load(SeqCst) && !freed.load(SeqCst));
    drop(parts);
    tokio::time::timeout(LIMIT, async {
        while !(dropped.load(SeqCst) && freed.load(SeqCst)) {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the query is dropped, and its hand is free");
}

#[tokio::test]
async fn a_query_that_fails_ends_the_stream_with_its_error() {
    let rows = stream::iter([Ok(batch()), Err(DataFusionError::Execution("torn".into()).into())]).boxed();
    let parts: Vec<_> = sending().stream(Part::Head(Default::default()), rows, (), shown).collect().await;
    assert_eq!(parts.len(), 3);
    assert!(matches!(&parts[1], Ok(Part::Rows(rows)) if rows.rows.len() == 2));
    assert!(matches!(&parts[2], Err(status) if status.message().contains("torn")));
}

#[tokio::test]
async fn a_query_that_panics_ends_the_stream_with_an_error() {
    let rows = stream::iter([Ok(batch())]).chain(stream::once(async { panic!("on purpose") })).boxed();
    let parts: Vec<_> = sending().stream(Part::Head(Default::default()), rows, (), shown).collect().await;
    assert!(matches!(parts.last(), Some(Err(status)) if status.code() == tonic::Code::Internal));
}

#[tokio::test]
async fn a_question_that_lacks_a_column_is_an_error() {
    let lacking = batch().project(&[0, 1, 2, 3, 4]).unwrap();
    let rows = stream::iter([Ok(lacking)]).boxed();
    let parts: Vec<_> = sending().stream(Part::Head(Default::default()), rows, (), shown).collect().await;
    assert!(matches!(parts.last(), Some(Err(status)) if status.message().contains("amount")));
}
