//! Says that a daemon is over, before its runtime goes down: what fails from then on is trouble of nobody. Whoever would act
//! on a failure asks `World::goes_on` first. What the daemon ends by itself before that (`World::stopping`) is not meant.

use tokio_util::sync::{CancellationToken, DropGuard};

/// The daemon's own end of it: once it is dropped, the daemon is over. It has to live as long as the daemon serves.
#[must_use = "a daemon without it is over at once, and acts on no failure"]
#[derive(Debug)]
pub struct Over(#[expect(dead_code, reason = "what matters is when it is dropped")] DropGuard);

/// The end that asks.
#[derive(Clone, Debug)]
pub struct UntilOver(CancellationToken);

/// A daemon that goes on, for as long as the second one lives. There is no other way to one, so that no daemon can
/// forget to say when it is over.
pub fn until_over() -> (UntilOver, Over) {
    let token = CancellationToken::new();
    let over = Over(token.clone().drop_guard());
    (UntilOver(token), over)
}

impl UntilOver {
    /// Comes back while the daemon goes on, and never afterwards: the runtime takes down whoever waits for it.
    pub(super) async fn goes_on(&self) {
        if self.0.is_cancelled() {
            std::future::pending().await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[test]
    fn it_goes_on_until_its_other_end_is_dropped() {
        let (until, over) = until_over();
        assert!(until.goes_on().now_or_never().is_some());
        drop(over);
        assert!(until.goes_on().now_or_never().is_none());
    }
}
