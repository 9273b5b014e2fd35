//! Defuses texts that a spreadsheet may run as formulas. Anybody who may upload writes titles.

use pyo3::prelude::*;

/// The signs with which a formula begins, and their wide, small, raised and lowered forms, which some spreadsheets take
/// for the same.
const SIGNS: &[char] = &[
    '=', '\u{207c}', '\u{208c}', '\u{2a75}', '\u{2a76}', '\u{fe66}', '\u{ff1d}', // =
    '+', '\u{207a}', '\u{208a}', '\u{fb29}', '\u{fe62}', '\u{ff0b}', // +
    '-', '\u{207b}', '\u{208b}', '\u{2212}', '\u{fe63}', '\u{ff0d}', // -
    '@', '\u{fe6b}', '\u{ff20}', // @
];

/// Put an apostrophe in front of what a spreadsheet may take for a formula.
///
/// Args:
///     text: The text of a cell.
///
/// Returns:
///     The text, with an apostrophe in front if it begins with `=`, `+`, `-` or `@`, also in another form of the sign and
///     behind characters that show nothing, which some spreadsheets pass over; or with a tab or a carriage return. Where
///     a semicolon or a tab separates, a cell begins behind one, also inside of the text, and a row behind the end of a
///     line: so an apostrophe stands there, too.
#[pyfunction]
#[pyo3(signature = (text))]
pub(crate) fn without_formula(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    if text.starts_with(['\t', '\r']) {
        safe.push('\'');
    }
    for piece in text.split_inclusive([';', '\t', '\r', '\n']) {
        if piece.chars().find(|letter| !is_blank(*letter)).is_some_and(|first| SIGNS.contains(&first)) {
            safe.push('\'');
        }
        safe.push_str(piece);
    }
    safe
}

/// Whether a character shows nothing: white space, a control or format character (Unicode's `Cc` and `Cf`), or the quote
/// around a cell.
fn is_blank(letter: char) -> bool {
    letter.is_whitespace()
        || letter.is_control()
        || letter == '"'
        || matches!(letter,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
            | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
}
