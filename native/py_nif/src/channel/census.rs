//! What all channels of this node hold together, for those who watch it.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::state::State;

/// Of the channels that there are: their number, what is queued in them, and how many bytes that
/// is in the fullest one.
#[derive(Default)]
pub struct Census {
    pub count: usize,
    pub messages: usize,
    pub size: usize,
    pub largest: usize,
}

/// All channels, and some that have gone since it was last looked through.
static ALL: Mutex<Vec<Weak<Mutex<State>>>> = Mutex::new(Vec::new());

/// There is a new one.
pub fn enter(channel: &Arc<Mutex<State>>) {
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    if all.len() == all.capacity() {
        all.retain(|channel| channel.strong_count() > 0);
        // So that it is not looked through again before as many have come as there are.
        let count = all.len();
        all.reserve(count + 1);
    }
    all.push(Arc::downgrade(channel));
}

pub fn take() -> Census {
    let all = ALL.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut census = Census::default();
    for channel in all.iter().filter_map(Weak::upgrade) {
        let state = channel.lock().unwrap_or_else(PoisonError::into_inner);
        census.count += 1;
        census.messages += state.queue.len();
        census.size += state.size;
        census.largest = census.largest.max(state.size);
    }
    census
}
