//! Randomly torn and damaged journals of uploads: no step that was on the disk is lost, or the journal is refused.

use std::fs;

use canvas_studio::client::transfer::folder::{FileKey, History, Journal, Slot, Step};
use tokio::runtime::Builder;

use super::fuzz;
use crate::chance::Chance;

const URL: &str = "https://myschool.instructuremedia.com";
const STEPS: [Step; 5] = [Step::Created, Step::Sent, Step::Completed, Step::Captioning, Step::Captioned];
/// The longest message, in bytes.
const LONGEST: usize = 2000;

const TELLING: &[&[u8]] = &[
    b"\n",
    b"\r\n",
    b"\"",
    b"{",
    b"}",
    b",",
    b"\0",
    b"\xff",
    b"null",
    b"-1",
    b"0",
    b"9223372036854775808",
    b"\"completed\"",
    b"\"eaten\"",
    b"\"canvas_studio_uploads\":2",
    b"\"media_id\":",
    b"\xef\xbb\xbf",
];

fn some_slot(chance: &mut Chance) -> Slot {
    let content = ["0", "a", "7", "f"][chance.below(4)];
    let path = ["a.mp4", "Week 1/ü 🎬.mp4", "a \"b\" \\ c\n.mp4", "\u{2028}"][chance.below(4)];
    let id = i64::try_from(chance.below(6)).unwrap() + 1;
    let file = FileKey { path: path.into(), sha256: content.repeat(64), size: 7 };
    let collection_id = if chance.once_in(2) { Some(id) } else { None };
    let step = STEPS[chance.below(5)];
    let title = (chance.below(4) > 0).then(|| "Mitosis".to_owned());
    Slot { media_id: id, file, collection_id, user_id: None, title, description: None, caption: None, step }
}

#[test]
fn fuzz_a_torn_journal_keeps_every_whole_line_and_a_damaged_one_is_refused_or_goes_on() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let path = std::env::temp_dir().join(format!("canvas-studio-fuzz-journal-{}", std::process::id()));
    let slots_of = |journal: &Journal| journal.with_history(|history| history.slots().to_vec());
    fuzz(150, |chance| {
        let _ = fs::remove_file(&path);
        // What the journal said after each line, and how long it was then.
        let journal = runtime.block_on(Journal::open(&path, URL)).unwrap();
        let mut said = vec![(fs::read(&path).unwrap().len(), Vec::new())];
        for _ in 0..chance.below(8) {
            journal.record(some_slot(chance)).unwrap();
            said.push((usize::try_from(fs::metadata(&path).unwrap().len()).unwrap(), slots_of(&journal)));
        }
        drop(journal);
        let whole = fs::read(&path).unwrap();

        // It ends anywhere, perhaps in zeros that the file system put there.
        let mut torn = whole[..chance.below(whole.len() + 1)].to_vec();
        let length = torn.len();
        torn.extend(vec![0; if chance.once_in(3) { chance.below(600) } else { 0 }]);
        let zeros = torn.len() > length;
        // A line that lacks only its end is whole.
        let is_whole = |end: &usize| *end <= length || (*end == length + 1 && !zeros);
        if length >= said[0].0 || !zeros {
            let (_, expected) = said.iter().rev().find(|(end, _)| is_whole(end)).unwrap_or(&said[0]);
            assert_eq!(
                &History::read(&torn, URL).unwrap().history.slots(),
                expected,
                "cut at {length} of {}",
                whole.len()
            );
            fs::write(&path, &torn).unwrap();
            let journal = runtime.block_on(Journal::open(&path, URL)).unwrap();
            assert_eq!(&slots_of(&journal), expected);
            journal.record(some_slot(chance)).unwrap();
            let now = slots_of(&journal);
            drop(journal);
            assert_eq!(slots_of(&Journal::look(&path, URL).unwrap()), now);
        }

        // Somebody damaged it: it is refused and left alone, or it can be used.
        let mut damaged = whole;
        chance.mutate(&mut damaged, TELLING);
        fs::write(&path, &damaged).unwrap();
        match runtime.block_on(Journal::open(&path, URL)) {
            Err(refused) => {
                assert!(refused.to_string().len() < LONGEST, "{refused}");
                assert_eq!(fs::read(&path).unwrap(), damaged);
            }
            Ok(journal) => {
                let before = slots_of(&journal);
                drop(journal);
                assert_eq!(slots_of(&Journal::look(&path, URL).unwrap()), before);
            }
        }
    });
    fs::remove_file(&path).unwrap();
}
