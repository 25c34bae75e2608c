//! Callers that work at the same time: as fast as they are answered, or at a given rate.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// How long they call before anything counts.
pub const WARM_UP: Duration = Duration::from_secs(1);

/// One who calls again and again.
pub trait Caller: Send + 'static {
    /// Calls once, and waits for the answer.
    fn call(&mut self) -> impl Future<Output = ()> + Send;
}

/// Calls a second by callers that each wait for an answer before the next call.
///
/// # Panics
/// When a caller does.
pub async fn closed_loop(callers: Vec<impl Caller>, measure: Duration) -> f64 {
    let counted = Arc::new(AtomicU64::new(0));
    let from = Instant::now() + WARM_UP;
    let until = from + measure;
    let calling = callers.into_iter().map(|mut caller| {
        let counted = counted.clone();
        tokio::spawn(async move {
            loop {
                caller.call().await;
                let now = Instant::now();
                if now >= until {
                    return;
                }
                if now >= from {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
    });
    for caller in calling.collect::<Vec<_>>() {
        caller.await.expect("a caller");
    }
    counted.load(Ordering::Relaxed) as f64 / measure.as_secs_f64()
}

/// The milliseconds that calls take when `load` of them come in a second whatever happens: a call that has to wait for its
/// caller's last one counts from when it should have begun.
///
/// # Panics
/// When a caller does.
pub async fn open_loop(callers: Vec<impl Caller>, load: f64, measure: Duration) -> Vec<f64> {
    let number = callers.len() as f64;
    let every = Duration::from_secs_f64(number / load);
    let start = Instant::now();
    let calling = callers.into_iter().enumerate().map(|(place, mut caller)| {
        tokio::spawn(async move {
            let mut taken = Vec::new();
            let mut planned = start + every.mul_f64(place as f64 / number);
            loop {
                let mut begun = planned;
                if planned > Instant::now() {
                    tokio::time::sleep_until(planned.into()).await;
                    // The timer's own lateness is this program's, not the service's.
                    begun = Instant::now().min(planned + Duration::from_millis(2));
                }
                caller.call().await;
                let done = Instant::now();
                if planned >= start + WARM_UP {
                    taken.push((done - begun).as_secs_f64() * 1000.0);
                }
                planned += every;
                if done >= start + WARM_UP + measure {
                    return taken;
                }
            }
        })
    });
    let mut all = Vec::new();
    for caller in calling.collect::<Vec<_>>() {
        all.extend(caller.await.expect("a caller"));
    }
    all
}
