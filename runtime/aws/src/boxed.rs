//! Large futures, outside of their callers' frames.

use std::pin::Pin;

/// The future that `make` gives, in a box.
///
/// `Box::pin(make())` has the future on the stack of whoever writes it for as long as that function runs, and those of requests are some
/// tens of kilobytes: a function that waits for several has all of them in its frame, each time it is polled. Here they are on the
/// stack of a function that has come back before anything is polled.
#[inline(never)]
pub(crate) fn boxed<F: Future>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::pin(make())
}
