//! The captions of media: added ones, and those of the library, which are generated on request.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::random::mix;
use super::records::{Caption, Media, words};
use super::state::State;
use jiff::{SignedDuration, Timestamp};

/// These two are observed and usable. A third is known only from another project's test.
pub(crate) const PUBLISHED: &str = "published";
pub(crate) const UPLOADED: &str = "uploaded";
const UNPUBLISHED: &str = "unpublished";
/// Machine-generated. Observed; the word for other captions is not.
const MACHINE: &str = "notorious";
/// A guess.
pub(crate) const BY_HAND: &str = "upload";
/// The default format of captions. Observed.
pub(crate) const SUBRIP: &str = "srt";
/// The id of a generated caption is the id of its media times this, plus its number.
const STEP: u64 = 10;
const SECONDS_OF_A_LINE: u64 = 5;
const MOST_LINES: u64 = 400;
/// The languages of the captions of a library, each with its own name, as observed, and what is said in it.
const LANGUAGES: &[(&str, &str, &[&str])] = &[
    (
        "en",
        "English",
        &[
            "So let's have a look at this.",
            "As you can see here,",
            "this is what we talked about last week.",
            "Please stop me if anything is unclear.",
            "Now, why does that matter?",
            "We will come back to this in a moment.",
            "[keyboard clicking]",
            "And that is the whole idea.",
        ],
    ),
    (
        "es",
        "Español",
        &[
            "Vamos a verlo con calma.",
            "Como pueden ver aquí,",
            "es lo que vimos la semana pasada.",
            "¿Y por qué es importante?",
            "Volveremos a esto enseguida.",
            "[música]",
        ],
    ),
    ("de", "Deutsch", &["Schauen wir uns das an.", "Wie Sie hier sehen,", "[Tastatur]", "Und warum ist das wichtig?"]),
    ("fr", "Français", &["Regardons cela de près.", "Comme vous le voyez ici,", "[musique]", "Et pourquoi donc ?"]),
    ("pt", "Português", &["Vamos ver isto com calma.", "Como podem ver aqui,", "[música]", "E porque é importante?"]),
    ("ar", "العربية", &["لننظر إلى هذا معًا.", "كما ترون هنا،", "[موسيقى]", "ولماذا هذا مهم؟"]),
    ("zh", "中文", &["我们来看一下这个。", "正如你们在这里看到的，", "[音乐]", "那么，这为什么重要？"]),
    ("ja", "日本語", &["これを見てみましょう。", "ご覧のとおり、", "[音楽]", "では、なぜ重要なのでしょうか。"]),
];
/// What stands between the two times of a cue.
const ARROW: &[u8] = b"-->";

impl Caption {
    pub(crate) fn bytes(&self, media: &Media) -> Vec<u8> {
        self.file.clone().unwrap_or_else(|| self.lines(media).into_bytes())
    }

    /// Whether it has no cue. What Studio counts as empty is a guess.
    pub(crate) fn is_empty(&self) -> bool {
        self.file.as_deref().is_some_and(|file| !file.windows(ARROW.len()).any(|found| found == ARROW))
    }

    fn lines(&self, media: &Media) -> String {
        let lines = language(&self.srclang).or_else(|| language("en")).map_or(&[][..], |(_, _, lines)| lines);
        let seconds = std::time::Duration::try_from_secs_f64(media.duration).unwrap_or_default().as_secs();
        let mut text = String::new();
        for number in 0..seconds.div_ceil(SECONDS_OF_A_LINE).clamp(1, MOST_LINES) {
            let (start, end) = (number * SECONDS_OF_A_LINE, (number + 1) * SECONDS_OF_A_LINE);
            let index = mix(self.id ^ mix(number)) % lines.len().max(1) as u64;
            let line = usize::try_from(index).ok().and_then(|index| lines.get(index)).unwrap_or(&"");
            // Writing into a string cannot fail.
            let _ = write!(text, "{}\n{} --> {}\n{line}\n\n", number + 1, clock(start), clock(end));
        }
        text
    }
}

fn clock(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02},000", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn language(srclang: &str) -> Option<&'static (&'static str, &'static str, &'static [&'static str])> {
    LANGUAGES.iter().find(|(code, _, _)| *code == srclang)
}

/// The name of a language in that language; its code, if the name is unknown.
pub(crate) fn label(srclang: &str) -> &str {
    language(srclang).map_or(srclang, |(_, label, _)| label)
}

/// The captions of a media.
pub(crate) fn of<'state>(state: &'state State, media: &Media) -> Cow<'state, [Caption]> {
    state.captions.get(&media.id).map_or_else(|| made_up(media).into(), |added| added.as_slice().into())
}

/// Finds a caption by its id, with its media.
pub(crate) fn find(state: &State, id: u64) -> Option<(&Media, Caption)> {
    let made_up = (!id.is_multiple_of(STEP)).then_some(id / STEP);
    let added = || state.captions.iter().find(|(_, captions)| captions.iter().any(|caption| caption.id == id));
    let media = state.media.get(&made_up.or_else(|| Some(*added()?.0))?)?;
    let caption = of(state, media).iter().find(|caption| caption.id == id)?.clone();
    Some((media, caption))
}

/// Adds a caption to a media, and gives it an id.
pub(crate) fn add(state: &mut State, media: u64, caption: Caption) -> Option<Caption> {
    let mut captions = of(state, state.media.get(&media)?).into_owned();
    let caption = Caption { id: state.new_id() * STEP, ..caption };
    captions.push(caption.clone());
    state.captions.insert(media, captions);
    state.forget_lists();
    Some(caption)
}

/// The captions that Studio makes at the end of a transcoding, if asked for. That they are published is a guess.
pub(crate) fn machine_made(created_at: Timestamp) -> Caption {
    Caption {
        id: 0,
        srclang: "en".into(),
        label: label("en").into(),
        subtitle_format: SUBRIP.into(),
        status: PUBLISHED.into(),
        provider: MACHINE.into(),
        created_at,
        file: None,
    }
}

/// Generates the captions of a media of the library: nearly half of those with a file have some, mostly machine-made, and some of these in up to six languages.
fn made_up(media: &Media) -> Vec<Caption> {
    let tagged = |tag: &str| media.tags.iter().any(|own| **own == *tag);
    let dice = mix(media.id ^ 0x6361_7074_696f_6e73);
    let captioned = tagged("captioned");
    if media.is_external()
        || *media.transcoding_status != *words::FINISHED
        || tagged("captions needed")
        || !(captioned || dice % 100 < 45)
    {
        return Vec::new();
    }
    let caption = |number: u64, srclang: &str, status: &str, provider: &str, hours: i64| Caption {
        id: media.id * STEP + number,
        srclang: srclang.into(),
        label: label(srclang).into(),
        subtitle_format: SUBRIP.into(),
        status: status.into(),
        provider: provider.into(),
        created_at: media.created_at.checked_add(SignedDuration::from_hours(hours)).unwrap_or(media.created_at),
        file: None,
    };
    let first = match (dice >> 8) % 100 {
        0..60 => caption(1, "en", PUBLISHED, MACHINE, 1),
        60..75 if !captioned => caption(1, "en", UNPUBLISHED, MACHINE, 1),
        75..85 if !captioned => caption(1, "en", UPLOADED, BY_HAND, 50),
        _ => caption(1, "en", PUBLISHED, BY_HAND, 50),
    };
    let second = ((dice >> 16) % 100 < 12).then(|| caption(2, "es", PUBLISHED, BY_HAND, 75));
    // Of those with a second language, a few have more.
    let more = if second.is_some() { (dice >> 24) % 5 } else { 0 };
    let others = (3..).zip(LANGUAGES.iter().skip(2)).take(usize::try_from(more).unwrap_or(0));
    let others = others.map(|(number, (srclang, _, _))| {
        let (status, provider) = match mix(dice ^ number) % 4 {
            0 => (UNPUBLISHED, MACHINE),
            1 => (UPLOADED, BY_HAND),
            2 => (PUBLISHED, MACHINE),
            _ => (PUBLISHED, BY_HAND),
        };
        caption(number, srclang, status, provider, 80)
    });
    std::iter::once(first).chain(second).chain(others).collect()
}
