//! Waiting for the answer to a message that was sent to one who may end in that very moment.

use tokio::sync::{mpsc, oneshot};

/// The answer; `None` when whoever reads the messages has ended without one. A message that was sent while its reader
/// ended may stay in the queue, neither read nor dropped, as long as anybody can send: the answer alone could be waited for
/// in vain.
pub(crate) async fn answered<M, T>(
    to: &mpsc::Sender<M>,
    mut answer: oneshot::Receiver<T>,
) -> Option<T> {
    tokio::select! {
        biased;
        said = &mut answer => said.ok(),
        // It may have answered just before it ended.
        () = to.closed() => answer.try_recv().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reader_that_ended_is_not_waited_for_and_what_it_said_before_counts() {
        let (to, inbox) = mpsc::channel::<()>(1);
        let (_kept, never) = oneshot::channel::<u8>();
        let (reply, said) = oneshot::channel::<u8>();
        drop(inbox);
        assert_eq!(answered(&to, never).await, None);
        reply.send(7).expect("heard");
        assert_eq!(answered(&to, said).await, Some(7));
    }

    #[tokio::test]
    async fn a_dropped_message_is_no_answer() {
        let (to, _inbox) = mpsc::channel::<()>(1);
        let (reply, said) = oneshot::channel::<u8>();
        drop(reply);
        assert_eq!(answered(&to, said).await, None);
    }
}
