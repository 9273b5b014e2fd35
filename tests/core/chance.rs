//! Numbers that are as good as chance, and the same each time for one seed.

/// A small generator of random numbers.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        // Seeds that follow each other must not give numbers that do.
        let mut mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Self((mixed ^ (mixed >> 31)).max(1))
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }

    /// Once in so many times.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn one_of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }

    /// Breaks a text in up to four places; `telling` are the parts that mean something where it is read.
    pub(crate) fn mutate(&mut self, bytes: &mut Vec<u8>, telling: &[&[u8]]) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            let piece = |chance: &mut Self, bytes: &[u8], longest: usize| {
                let (from, length) = (chance.below(bytes.len() + 1), chance.below(longest));
                bytes.iter().skip(from).take(length).copied().collect::<Vec<u8>>()
            };
            match self.below(9) {
                0 | 1 => drop(bytes.splice(at..at, self.one_of(telling).iter().copied())),
                2 if at < bytes.len() => {
                    let told = self.one_of(telling);
                    let end = bytes.len().min(at + told.len());
                    drop(bytes.splice(at..end, told.iter().copied()));
                }
                3 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                4 if at < bytes.len() => bytes[at] = u8::try_from(self.below(256)).unwrap(),
                5 => bytes.truncate(at),
                6 => {
                    let end = bytes.len().min(at + self.below(20));
                    drop(bytes.drain(at..end));
                }
                7 => drop(bytes.splice(at..at, piece(self, bytes, 60))),
                _ => {
                    let again = piece(self, bytes, 12).repeat(1 + self.below(40));
                    drop(bytes.splice(at..at, again));
                }
            }
        }
    }
}
