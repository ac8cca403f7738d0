//! When a fast-forward in somebody's checkout broke off: what it left is looked after at once, or before the next try, or
//! a person is told what lies there.
//!
//! What was left, and how it goes, is known in `broken_off`.

use std::path::PathBuf;

use super::{
    GitErrorKind, Intent, Result,
    broken_off::{TakenBack, is_clean, take_back},
    forward::{Checkout, Refusal, listed},
    refs::resolve,
    safe::Safe,
};

/// Whether nobody has changed anything in the checkout that the intent would change. What cannot be looked at is not
/// known to be: then git says what is wrong, when it is to move it.
pub(super) async fn is_untouched(
    safe: &Safe<'_>,
    checkout: &Checkout,
    intent: &Intent,
) -> Result<bool> {
    let Some(old) = intent.old.as_ref().filter(|_| checkout.hands_off.is_none()) else {
        return Ok(false);
    };
    match is_clean(safe, checkout, old, &intent.new).await {
        Err(error) if error.kind == GitErrorKind::Permanent => Ok(false),
        clean => clean,
    }
}

/// Takes back what an earlier try has left, before the next one. Why that cannot be done, where somebody's own changes lie
/// beside it.
pub(super) async fn heal(
    safe: &Safe<'_>,
    checkout: &Checkout,
    intent: &Intent,
) -> Result<Option<Refusal>> {
    let broken = intent.broken_off.as_ref();
    let Some((broken, tip)) = broken
        .filter(|it| it.checkout == checkout.name())
        .zip(intent.old.as_ref())
    else {
        return Ok(None);
    };
    match take_back(safe, checkout, broken, tip).await {
        Ok(TakenBack::Done) => Ok(None),
        // Nothing of loopd's is in there: git says what is in the way.
        Ok(TakenBack::Foreign { ours, .. }) if ours.is_empty() => Ok(None),
        Ok(TakenBack::Foreign { ours, theirs }) => {
            let message = left_behind(checkout, &ours, &theirs);
            Ok(Some((theirs, message)))
        }
        Err(error) if error.kind == GitErrorKind::Permanent => {
            let at = checkout.path.display();
            let message = format!(
                "an earlier fast-forward of loopd's in {at} broke off (git was killed, or the disk was full), and what it left cannot be taken back: {error}; look at `git -C {at} status`, put it right, then `loopctl resume`"
            );
            Ok(Some((Vec::new(), message)))
        }
        Err(error) => Err(error),
    }
}

/// A fast-forward has just broken off: what it left is taken back at once, if that can be done. What cannot, the next
/// try does.
pub(super) async fn undo(safe: &Safe<'_>, checkout: &Checkout, intent: &Intent) {
    let broken = intent
        .breaking_off()
        .filter(|it| it.checkout == checkout.name());
    let Some((broken, tip)) = broken.zip(intent.old.clone()) else {
        return;
    };
    let undone = async {
        if !is_free(checkout, intent)?
            || resolve(safe.repo, &intent.target_ref).await? != intent.old
        {
            return Ok(None);
        }
        take_back(safe, checkout, &broken, &tip).await.map(Some)
    };
    let undone: Result<Option<TakenBack>> = undone.await;
    match undone {
        Ok(Some(TakenBack::Done)) => {
            tracing::info!(
                checkout = broken.checkout,
                "took back what a fast-forward left that broke off"
            );
        }
        Ok(Some(TakenBack::Foreign { .. }) | None) => {
            tracing::warn!(
                checkout = broken.checkout,
                "a fast-forward broke off; what it left is taken back by the next try"
            );
        }
        Err(error) => {
            tracing::warn!(
                checkout = broken.checkout,
                "a fast-forward broke off, and failed to {error}; the next try takes back what it left"
            );
        }
    }
}

/// Whether no git works in the checkout any more; the lock that a killed one left is removed.
fn is_free(checkout: &Checkout, intent: &Intent) -> Result<bool> {
    let lock = checkout.index_lock();
    match intent.unlocked_at_ms {
        Some(since) => lock.clear(since),
        None => Ok(!lock.is_there()),
    }
}

/// What a person has to know to put right what loopd cannot.
fn left_behind(checkout: &Checkout, ours: &[PathBuf], theirs: &[PathBuf]) -> String {
    let at = checkout.path.display();
    let (ours, theirs) = (listed(ours), listed(theirs));
    format!(
        "an earlier fast-forward of loopd's in {at} broke off (git was killed, or the disk was full) and left files of the merge there, some half written: {ours}; they are not taken back while there are changes beside them that are not loopd's: {theirs}; put those aside (commit, `git -C {at} stash push -- <file>`, or move them), then `loopctl resume`; or put loopd's back by hand: `git -C {at} checkout HEAD -- <file>` for each that HEAD has, `rm` for the others"
    )
}
