//! The seeded library: realistic users, courses and eight years of media, the same for the same seed.

mod calendar;
mod collections;
mod maker;
mod media;
mod people;
mod template;
mod words;

use self::maker::Maker;
use self::words::Words;
use super::options::Error;
use super::state::State;

/// Makes a library from a seed. Lists show this many media; two percent more are archived. The same seed gives the same
/// library, to the byte.
pub(crate) fn library(media: usize, seed: u64) -> Result<State, Error> {
    let mut maker = Maker::new(Words::get()?, media, seed);
    maker.create_founders();
    let count = media + maker.archived();
    let moments = maker.calendar.moments(&mut maker.rng, count);
    let mut made = Vec::with_capacity(count);
    for (index, moment) in moments.into_iter().enumerate() {
        maker.add_arrivals(index, moment);
        let media = maker.media(index, moment, &made);
        made.extend(media.map(|media| (media.id, media)));
    }
    Ok(maker.finish(made))
}

#[cfg(test)]
mod tests;
