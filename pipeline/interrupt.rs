//! The wish to stop: set once, by Ctrl-C or a signal, and seen by everything that runs.

use std::sync::Arc;

use tokio::sync::watch;

/// Sees whether the process was asked to stop. Clones see the same wish.
#[derive(Debug, Clone)]
pub struct Interrupt {
    /// How often it was asked.
    receiver: watch::Receiver<u8>,
    /// Keeps the channel open, so that waiting never ends by itself.
    _sender: Arc<watch::Sender<u8>>,
}

/// Asks the process to stop.
#[derive(Debug, Clone)]
pub struct Interrupter {
    sender: Arc<watch::Sender<u8>>,
}

/// Makes the two ends.
pub fn channel() -> (Interrupter, Interrupt) {
    let (sender, receiver) = watch::channel(0);
    let sender = Arc::new(sender);
    (Interrupter { sender: sender.clone() }, Interrupt { receiver, _sender: sender })
}

impl Interrupter {
    /// Asks; returns whether it had been asked before.
    pub fn interrupt(&self) -> bool {
        self.sender.send_modify(|times| *times = times.saturating_add(1));
        self.times() > 1
    }

    /// How often it was asked.
    pub fn times(&self) -> u8 {
        *self.sender.borrow()
    }
}

impl Interrupt {
    /// An interrupt that never comes.
    pub fn never() -> Self {
        channel().1
    }

    /// Says whether to stop; asked between two pieces of work.
    pub fn is_interrupted(&self) -> bool {
        *self.receiver.borrow() > 0
    }

    /// Waits until it is time to stop: for `tokio::select!`.
    pub async fn interrupted(&mut self) {
        // The channel cannot close: this value holds a sender.
        let _ = self.receiver.wait_for(|times| *times > 0).await;
    }

    /// Waits until somebody who knows that it is stopping asks once more: for `tokio::select!`.
    pub async fn interrupted_again(&mut self) {
        let _ = self.receiver.wait_for(|times| *times > 1).await;
    }
}
