//! Transcoding: it takes its time by the sandbox's clock, can fail, and ends with captions if they were asked for.

use jiff::Timestamp;

use super::captions;
use super::records::{Transcoding, words};
use super::state::State;

/// The time by the sandbox's clock, after everything that is due until then was done.
pub(crate) fn tick(state: &mut State) -> Timestamp {
    let now = state.now();
    settle(state, now);
    now
}

/// Does what is due at this time.
pub(crate) fn settle(state: &mut State, now: Timestamp) {
    let due: Vec<(u64, Transcoding)> = state.transcodings.iter().map(|(id, transcoding)| (*id, *transcoding)).collect();
    for (id, transcoding) in due {
        go_on(state, id, transcoding, now);
    }
}

fn go_on(state: &mut State, id: u64, transcoding: Transcoding, now: Timestamp) {
    let done = transcoding.ends <= now;
    let status = match done {
        true if transcoding.fails => words::FAILED,
        true => words::FINISHED,
        false if transcoding.starts <= now => words::STARTED,
        false => words::QUEUED,
    };
    if done {
        state.transcodings.remove(&id);
    }
    let Some(media) = state.media.get_mut(&id) else {
        state.transcodings.remove(&id);
        return;
    };
    if *media.transcoding_status == *status {
        return;
    }
    media.transcoding_status = status.into();
    if status == words::FINISHED {
        media.duration = transcoding.duration;
        if transcoding.auto_caption {
            captions::add(state, id, captions::machine_made(transcoding.ends));
        }
    }
    state.forget_lists();
}
