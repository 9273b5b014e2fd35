//! Reads `.srt` (SubRip) and `.vtt` (WebVTT) files before they are sent: Studio does not say what it does with a bad one.
//!
//! What players would show wrongly, or not at all, is refused. What they show all the same is a warning.

use std::borrow::Cow;

use bytes::Bytes;
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use super::check::{InvalidArgument, cut};
use super::multipart::{File, FileContent};

/// How a WebVTT file begins.
const WEBVTT: &str = "WEBVTT";
/// What stands between the two times of a cue.
const ARROW: &str = "-->";
/// The blocks of WebVTT that are no cues.
const NO_CUES: [&str; 3] = ["NOTE", "STYLE", "REGION"];
/// The languages that are written with the characters of Windows-1252, the only encoding that is guessed.
const WESTERN: [&str; 40] = [
    "af", "br", "ca", "co", "cy", "da", "de", "en", "es", "et", "eu", "fi", "fil", "fo", "fr", "fy", "ga", "gd", "gl",
    "ht", "id", "is", "it", "la", "lb", "ms", "nb", "nl", "nn", "no", "oc", "pt", "rm", "sco", "sq", "sv", "sw", "tl",
    "xh", "zu",
];

/// A file of captions that can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subtitles {
    /// The name of the file.
    name: String,
    /// The file as it is if it is UTF-8, else converted to that.
    pub bytes: Bytes,
    pub media_type: &'static str,
    /// What to tell the user. Each begins with the name of the file.
    pub warnings: Vec<String>,
}

impl Subtitles {
    /// The file as a part of a body, and what to tell the user.
    pub fn into_file(self, field: &str) -> (File, Vec<String>) {
        let Self { name, bytes, media_type, warnings } = self;
        let content = FileContent::Bytes(bytes);
        (File { field: field.to_owned(), name, media_type: media_type.to_owned(), content }, warnings)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    SubRip,
    WebVtt,
}

/// A line of a file, counted from 1, and what is wrong there.
type Problem = (usize, String);

/// Reads a file. `name` is its name, `srclang` its language.
pub fn read(name: String, bytes: &Bytes, srclang: &str) -> Result<Subtitles, InvalidArgument> {
    read_one_of(&[Format::SubRip, Format::WebVtt], name, bytes, srclang)
}

/// Reads a file where only SubRip is taken, in a language that is not known.
pub fn read_sub_rip(name: String, bytes: &Bytes) -> Result<Subtitles, InvalidArgument> {
    read_one_of(&[Format::SubRip], name, bytes, "")
}

fn read_one_of(
    formats: &[Format],
    own_name: String,
    bytes: &Bytes,
    srclang: &str,
) -> Result<Subtitles, InvalidArgument> {
    if own_name.chars().any(char::is_control) {
        return Err(InvalidArgument::new("file", format!("has a name with a control character: {:?}", cut(&own_name))));
    }
    let takes_web_vtt = formats.contains(&Format::WebVtt);
    let (stem, extension) = own_name.rsplit_once('.').unwrap_or((&own_name, ""));
    let (name, stem) = (cut(&own_name), cut(stem));
    let refuse = |problem: String| InvalidArgument::new("file", format!("cannot be sent: {name}{problem}"));
    let format = match extension.to_ascii_lowercase().as_str() {
        "srt" => Format::SubRip,
        "vtt" if takes_web_vtt => Format::WebVtt,
        _ if !takes_web_vtt => {
            return Err(refuse(" is not .srt (SubRip), and no other format is taken: convert it".to_owned()));
        }
        _ => return Err(refuse(" is neither .srt (SubRip) nor .vtt (WebVTT): convert it to one of them".to_owned())),
    };
    let (text, encoding) = decode(bytes, srclang).map_err(|problem| refuse(format!(" {problem}")))?;
    let normalized = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = normalized.split('\n').collect();
    if lines.iter().all(|line| line.trim().is_empty()) {
        return Err(refuse(" is empty".to_owned()));
    }
    match (format, lines.first().is_some_and(|line| begins_with(line, WEBVTT))) {
        (Format::SubRip, true) if !takes_web_vtt => return Err(refuse(" is WebVTT: convert it to SubRip".to_owned())),
        (Format::SubRip, true) => return Err(refuse(format!(" is WebVTT: rename it to {stem}.vtt"))),
        (Format::WebVtt, false) if cues(Format::SubRip, &lines).is_ok_and(|cues| !cues.is_empty()) => {
            return Err(refuse(format!(" is SubRip: rename it to {stem}.srt")));
        }
        (Format::WebVtt, false) => return Err(refuse(format!(", line 1: WebVTT begins with {WEBVTT}"))),
        _ => {}
    }
    let cues = cues(format, &lines).map_err(|(line, problem)| refuse(format!(", line {line}: {problem}")))?;
    if cues.is_empty() {
        return Err(refuse(" has no cues".to_owned()));
    }
    let converted = encoding
        .map(|encoding| format!("{name} is not UTF-8: it was read as {encoding} and sent as UTF-8; check its accents"));
    let doubts = doubts(&cues).into_iter().map(|(line, doubt)| format!("{name}, line {line}: {doubt}"));
    let warnings = converted.into_iter().chain(doubts).collect();
    drop((name, stem));
    Ok(Subtitles {
        name: own_name,
        bytes: if encoding.is_some() { text.into_owned().into() } else { bytes.clone() },
        media_type: match format {
            // Observed. None is registered.
            Format::SubRip => "text/srt",
            Format::WebVtt => "text/vtt",
        },
        warnings,
    })
}

/// The text without its byte order mark, and the encoding if that is not UTF-8.
fn decode<'bytes>(bytes: &'bytes [u8], srclang: &str) -> Result<(Cow<'bytes, str>, Option<&'static str>), String> {
    let save = "save it as UTF-8";
    let (encoding, rest) = match Encoding::for_bom(bytes) {
        Some((encoding, length)) => (encoding, bytes.get(length..).unwrap_or_default()),
        None if str::from_utf8(bytes).is_ok() => (UTF_8, bytes),
        None => (WINDOWS_1252, bytes),
    };
    let Some(text) = encoding.decode_without_bom_handling_and_without_replacement(rest) else {
        return Err(format!("begins like {}, but not all of it is: {save}", encoding.name()));
    };
    if text.contains('\0') {
        return Err(format!("contains zero bytes, as UTF-16 without a byte order mark does: {save}"));
    }
    if encoding == WINDOWS_1252 {
        let language = srclang.split('-').next().unwrap_or_default().to_ascii_lowercase();
        // What Windows-1252 does not define is decoded to a control character.
        if text.chars().any(|sign| sign.is_control() && !sign.is_whitespace()) || !WESTERN.contains(&language.as_str())
        {
            return Err(format!("is not UTF-8, and its encoding cannot be known: {save}"));
        }
    }
    Ok((text, (encoding != UTF_8).then(|| encoding.name())))
}

/// Whether a line is this word, or begins with it and a space.
fn begins_with(line: &str, word: &str) -> bool {
    line.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
}

/// A cue, as far as its order matters.
#[derive(Debug)]
struct Cue {
    /// The line of its times.
    line: usize,
    number: Option<u64>,
    /// Milliseconds.
    start: u64,
    /// Whether the times are written as in WebVTT.
    has_points: bool,
}

/// The cues of a file, or the first problem.
fn cues(format: Format, lines: &[&str]) -> Result<Vec<Cue>, Problem> {
    let mut cues = Vec::new();
    // In WebVTT, a line of spaces is text.
    let is_blank = |line: &str| if format == Format::SubRip { line.trim().is_empty() } else { line.is_empty() };
    let numbered: Vec<(usize, &str)> = (1..).zip(lines.iter().copied()).collect();
    for (index, block) in numbered.split(|(_, line)| is_blank(line)).filter(|block| !block.is_empty()).enumerate() {
        let is_header = index == 0 && format == Format::WebVtt;
        cues.extend(cue(format, block, is_header)?);
    }
    Ok(cues)
}

/// The cue in a block of lines, if it has one.
fn cue(format: Format, block: &[(usize, &str)], is_header: bool) -> Result<Option<Cue>, Problem> {
    let mut arrows = block.iter().enumerate().filter(|(_, (_, line))| line.contains(ARROW));
    let (first, second) = (arrows.next(), arrows.next());
    let Some((line, begin)) = block.first().copied() else { return Ok(None) };
    let Some((index, (times, text))) = first.map(|(index, (line, text))| (index, (*line, *text))) else {
        let is_other = format == Format::WebVtt && NO_CUES.iter().any(|name| begins_with(begin, name));
        return if is_header || is_other {
            Ok(None)
        } else {
            Err((line, format!("no cue has this text, since no times stand above it: {}", shown(begin))))
        };
    };
    if let Some((_, (line, _))) = second {
        return Err((*line, "an empty line is missing before this cue".to_owned()));
    }
    let number = match (format, index) {
        _ if is_header => return Err((times, "an empty line is missing before this cue".to_owned())),
        (Format::SubRip, 0) => return Err((times, "a line with the number of the cue is missing above it".to_owned())),
        (Format::SubRip, 1) => match begin.trim().parse() {
            Ok(number) => Some(number),
            Err(_) => return Err((line, format!("this must be the number of a cue: {}", shown(begin)))),
        },
        (Format::WebVtt, 0 | 1) => None,
        _ => return Err((line, format!("no cue has this text, since no times stand above it: {}", shown(begin)))),
    };
    let (start, end, has_points) = read_times(format, text).map_err(|problem| (times, problem))?;
    if end <= start {
        return Err((
            times,
            format!("this cue does not end after it has begun, so it is never shown: {}", shown(text)),
        ));
    }
    Ok(Some(Cue { line: times, number, start, has_points }))
}

/// The start and the end of a cue in milliseconds, and whether they are written as in WebVTT.
fn read_times(format: Format, line: &str) -> Result<(u64, u64, bool), String> {
    let (start, rest) = line.split_once(ARROW).unwrap_or((line, ""));
    // Settings, such as the position, may follow.
    let end = rest.split_whitespace().next().unwrap_or_default();
    let has_points = [start, end].iter().any(|time| time.contains('.'));
    let read = |text: &str| milliseconds(format, text);
    if let (Some(start), Some(end)) = (read(start.trim()), read(end)) {
        return Ok((start, end, has_points));
    }
    let example = match format {
        Format::SubRip => "00:00:01,500 --> 00:00:04,000",
        Format::WebVtt => "00:01.500 --> 00:04.000",
    };
    Err(format!("these times cannot be read: {}; they must be written like {example}", shown(line)))
}

/// A time in milliseconds. SubRip's has hours, and a comma, for which players take a full stop too.
fn milliseconds(format: Format, text: &str) -> Option<u64> {
    let separators: &[char] = if format == Format::SubRip { &[',', '.'] } else { &['.'] };
    let (clock, fraction) = text.split_once(separators)?;
    let mut parts = clock.rsplit(':');
    let number = |text: &str, digits: std::ops::RangeInclusive<usize>| {
        let is_number = digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<u64>().ok()).flatten()
    };
    let seconds = number(parts.next()?, 2..=2).filter(|seconds| *seconds < 60)?;
    let minutes = number(parts.next()?, 2..=2).filter(|minutes| *minutes < 60)?;
    let hours = match parts.next() {
        Some(hours) => number(hours, 1..=4)?,
        None if format == Format::WebVtt => 0,
        None => return None,
    };
    let milliseconds = number(fraction, 3..=3)?;
    parts.next().is_none().then_some(((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds)
}

/// What players put up with: the first of each kind.
fn doubts(cues: &[Cue]) -> Vec<Problem> {
    let pairs = || cues.iter().zip(cues.iter().skip(1));
    let unordered = pairs().find(|(cue, next)| next.start < cue.start);
    let misnumbered = pairs().find_map(|(cue, next)| match (cue.number, next.number) {
        (Some(number), Some(after)) if number.checked_add(1) != Some(after) => Some((next.line, number, after)),
        _ => None,
    });
    let pointed = cues.iter().find(|cue| cue.number.is_some() && cue.has_points);
    [
        unordered.map(|(_, next)| (next.line, "this cue starts before the one above it; players sort them".to_owned())),
        misnumbered.map(|(line, number, after)| {
            (line, format!("this cue has the number {after}, after {number}; players ignore the numbers"))
        }),
        pointed.map(|cue| {
            (cue.line, "SubRip has a comma before the milliseconds; most players take a full stop".to_owned())
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The start of a line for a message.
fn shown(line: &str) -> String {
    format!("{:?}", cut(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SRT: &str = "1\n00:00:00,000 --> 00:00:02,500\nHello.\n\n2\n00:00:02,500 --> 00:01:00,000\nTwo\nlines\n";
    const VTT: &str = "WEBVTT - a title\nKind: captions\n\nSTYLE\n::cue { color: red }\n\nNOTE by hand\n\n\
         00:00.000 --> 00:02.500 align:start\nHello.\n \n\nlast\n01:00:02.500 --> 01:00:04.000\n- Bye.\n";

    fn read_text(name: &str, text: &str) -> Result<Subtitles, InvalidArgument> {
        read(name.into(), &Bytes::copy_from_slice(text.as_bytes()), "en")
    }

    fn refusal(name: &str, text: &str) -> String {
        read_text(name, text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_utf_8_is_sent_byte_for_byte_whatever_its_line_ends_and_with_its_mark() {
        for (name, text, media_type) in [("a.srt", SRT, "text/srt"), ("a.VTT", VTT, "text/vtt")] {
            for text in
                [text.to_owned(), format!("\u{feff}{text}"), text.replace('\n', "\r\n"), text.replace('\n', "\r")]
            {
                let read = read_text(name, &text).unwrap();
                assert_eq!((read.bytes.as_ref(), read.media_type), (text.as_bytes(), media_type));
                assert_eq!(read.warnings, [""; 0]);
            }
        }
    }

    #[test]
    fn another_encoding_is_converted_with_a_warning_that_names_the_file() {
        let text = SRT.replace("Hello", "Está bien — ¿sí?");
        let utf_16 = |mark: [u8; 2], unit: fn(u16) -> [u8; 2]| {
            let units = text.encode_utf16().flat_map(unit);
            mark.into_iter().chain(units).collect::<Vec<u8>>()
        };
        for (bytes, encoding) in [
            (WINDOWS_1252.encode(&text).0.into_owned(), "windows-1252"),
            (utf_16([0xff, 0xfe], u16::to_le_bytes), "UTF-16LE"),
            (utf_16([0xfe, 0xff], u16::to_be_bytes), "UTF-16BE"),
        ] {
            let read = read("talk.srt".into(), &bytes.into(), "es-MX").unwrap();
            assert_eq!(str::from_utf8(&read.bytes), Ok(text.as_str()));
            let [warning] = read.warnings.as_slice() else { panic!("{:?}", read.warnings) };
            assert!(warning.starts_with("talk.srt ") && warning.contains(encoding), "{warning}");
        }
    }

    #[test]
    fn an_encoding_that_cannot_be_known_is_refused() {
        let windows_1251 = [SRT.as_bytes(), b"\xcf\xf0\xe8\xe2\xe5\xf2\n"].concat();
        for (bytes, srclang) in [
            (windows_1251, "ru"),
            ([SRT.as_bytes(), b"\x81\x8d"].concat(), "en"),
            (SRT.encode_utf16().flat_map(u16::to_le_bytes).collect(), "en"),
            ([b"\xef\xbb\xbf", SRT.as_bytes(), b"\xe9"].concat(), "en"),
            ([b"\xff\xfe", SRT.as_bytes(), b"\0\xd8"].concat(), "en"),
        ] {
            let refusal = read("talk.srt".into(), &bytes.into(), srclang).unwrap_err().to_string();
            assert!(refusal.contains("talk.srt") && refusal.contains("save it as UTF-8"), "{refusal}");
        }
    }

    #[test]
    fn a_file_that_players_would_show_wrongly_is_refused_with_its_line() {
        let vtt = |cues: &str| format!("WEBVTT\n\n{cues}");
        for (name, text, line, problem) in [
            ("a.srt", SRT.replace("00:00:02,500\nHello", "00:00:00,000\nHello"), 2, "never shown"),
            ("a.srt", SRT.replace("00:00:02,500 --> 00:01:00,000", "00:01:02,500 --> 00:01:00,000"), 6, "never shown"),
            ("a.srt", SRT.replace(",500", ",5"), 2, "cannot be read"),
            ("a.srt", SRT.replace("00:01:00", "00:60:00"), 6, "cannot be read"),
            ("a.srt", SRT.replace("00:00:00,000", "00:00,000"), 2, "cannot be read"),
            ("a.srt", SRT.replace("1\n00:00:00", "00:00:00"), 1, "number"),
            ("a.srt", SRT.replace("1\n00:00:00", "one\n00:00:00"), 1, "\"one\""),
            ("a.srt", SRT.replace("\n\n2\n", "\n2\n"), 5, "an empty line is missing"),
            ("a.srt", SRT.replace("Two\nlines", "Two\n\nlines"), 9, "no cue has this text"),
            ("a.srt", "{\"error\": \"Not found\"}".into(), 1, "no cue has this text"),
            ("a.vtt", vtt("00:00,000 --> 00:02,500\nHi"), 3, "cannot be read"),
            ("a.vtt", vtt("00:02.000 --> 00:01.000\nHi"), 3, "never shown"),
            ("a.vtt", "WEBVTT\n00:00.000 --> 00:02.500\nHi".into(), 2, "an empty line is missing"),
            ("a.vtt", vtt("00:00.000 --> 00:02.500\nHi\n00:03.000 --> 00:04.000"), 5, "an empty line is missing"),
            ("a.vtt", vtt("00:00.000 --> 00:02.500\nHi\n\nlost"), 6, "no cue has this text"),
            ("a.vtt", vtt("one\ntwo\n00:00.000 --> 00:02.500\nHi"), 3, "no cue has this text"),
            ("a.vtt", vtt("00:00.000 --> 00:02.500\nHi\n\nNOTES are lost"), 6, "no cue has this text"),
            ("a.vtt", "Hello".into(), 1, "WEBVTT"),
            ("a.vtt", "WEBVTTX\n\n00:00.000 --> 00:02.500\nHi".into(), 1, "WEBVTT"),
        ] {
            let refusal = refusal(name, &text);
            let expected = format!("file cannot be sent: {name}, line {line}: ");
            assert!(refusal.starts_with(&expected) && refusal.contains(problem), "{refusal}");
        }
    }

    #[test]
    fn a_file_without_cues_or_of_another_format_is_refused_and_the_message_says_what_to_do() {
        for (name, text, problem) in [
            ("talk.srt", "", "talk.srt is empty"),
            ("talk.srt", "\u{feff}\r\n \n", "talk.srt is empty"),
            ("talk.vtt", "WEBVTT\n\nNOTE nothing yet\n", "talk.vtt has no cues"),
            ("talk.srt", VTT, "talk.srt is WebVTT: rename it to talk.vtt"),
            ("a.b.vtt", SRT, "a.b.vtt is SubRip: rename it to a.b.srt"),
            ("talk.txt", SRT, "talk.txt is neither .srt (SubRip) nor .vtt"),
            ("srt", SRT, "srt is neither"),
        ] {
            let refusal = refusal(name, text);
            assert!(refusal.starts_with(&format!("file cannot be sent: {problem}")), "{refusal}");
        }
    }

    #[test]
    fn what_players_put_up_with_is_a_warning() {
        for (text, warnings) in [
            (SRT.replace("2\n00:00:02,500", "7\n00:00:02,500"), "a.srt, line 6: this cue has the number 7, after 1"),
            (
                SRT.replace("1\n00:00:00,000 --> 00:00:02", "1\n00:00:05,000 --> 00:00:09"),
                "a.srt, line 6: this cue starts",
            ),
            (SRT.replace(",500", ".500"), "a.srt, line 2: SubRip has a comma"),
        ] {
            let read = read_text("a.srt", &text).unwrap();
            let [warning] = read.warnings.as_slice() else { panic!("{:?}", read.warnings) };
            assert!(warning.starts_with(warnings), "{warning}");
            assert_eq!(read.bytes, text.as_bytes());
        }
    }

    #[test]
    fn no_text_makes_it_panic() {
        let pieces =
            ["WEBVTT", "1", "00:00:01,000", "00:01.000", ARROW, "\n", "\n\n", " ", "é", "NOTE", "\u{feff}", ",", "\r"];
        let mut random = fastrand::Rng::with_seed(19);
        for _ in 0..20_000 {
            let text: String = (0..random.usize(..12)).map(|_| random.choice(pieces).unwrap_or("")).collect();
            for name in ["a.srt", "a.vtt"] {
                let _ = read_text(name, &text);
            }
        }
    }
}
