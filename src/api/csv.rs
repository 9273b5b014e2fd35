//! Reads CSV: the rows of a text, and their cells.

/// Reads the rows. A cell in quotes may hold commas, line breaks and doubled quotes. Lines end as on any system, the last
/// one may lack its end, and an empty line is no row. A quote that is never closed is an error: the rows behind it would be
/// lost without a sign.
pub(super) fn rows(text: &str) -> Result<Vec<Vec<String>>, String> {
    let (mut rows, mut row) = (Vec::new(), Vec::new());
    let mut rest = text;
    while !rest.is_empty() {
        let (cell, behind) = cell(rest).ok_or_else(|| unclosed(text, rest))?;
        row.push(cell);
        if let Some(next) = behind.strip_prefix(',') {
            if next.is_empty() {
                row.push(String::new());
            }
            rest = next;
        } else {
            rest = behind.strip_prefix("\r\n").or_else(|| behind.strip_prefix(['\r', '\n'])).unwrap_or(behind);
            finish(&mut rows, &mut row);
        }
    }
    finish(&mut rows, &mut row);
    Ok(rows)
}

fn finish(rows: &mut Vec<Vec<String>>, row: &mut Vec<String>) {
    let row = std::mem::take(row);
    if row.len() > 1 || row.first().is_some_and(|cell| !cell.is_empty()) {
        rows.push(row);
    }
}

/// The first cell, and what follows it: a comma, the end of a line, or nothing.
fn cell(text: &str) -> Option<(String, &str)> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let (cell, rest) = bare(text);
        return Some((cell.to_owned(), rest));
    };
    let mut cell = String::new();
    loop {
        let (inside, behind) = rest.split_once('"')?;
        cell.push_str(inside);
        if let Some(next) = behind.strip_prefix('"') {
            cell.push('"');
            rest = next;
        } else {
            // What stands behind the closing quote belongs to the cell, as in Python's csv.
            let (more, rest) = bare(behind);
            cell.push_str(more);
            return Some((cell, rest));
        }
    }
}

fn bare(text: &str) -> (&str, &str) {
    text.split_at(text.find([',', '\r', '\n']).unwrap_or(text.len()))
}

fn unclosed(text: &str, rest: &str) -> String {
    let before = text.get(..text.len() - rest.len()).unwrap_or_default();
    format!("the quote that begins a cell in line {} is never closed", before.matches('\n').count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Vec<String>> {
        rows(text).unwrap()
    }

    #[test]
    fn cells_hold_commas_line_breaks_and_quotes_and_lines_end_as_on_any_system() {
        assert_eq!(read("a,\"b,c\",\"d\r\ne\",\"f \"\"g\"\"\"\n"), [["a", "b,c", "d\r\ne", "f \"g\""]]);
        for end in ["\n", "\r\n", "\r"] {
            assert_eq!(read(&format!("a,b{end}{end}c,{end},d")), [["a", "b"], ["c", ""], ["", "d"]], "{end:?}");
        }
        assert_eq!(read("a,b,"), [["a", "b", ""]]);
        assert_eq!(read("\"a\"b,c \"d\""), [["ab", "c \"d\""]]);
        assert!(read("").is_empty() && read("\n\r\n\"\"\n").is_empty());
    }

    #[test]
    fn a_quote_that_is_never_closed_is_an_error_with_its_line() {
        let problem = rows("a,b\nc,\"d\ne,f\n").unwrap_err();
        assert_eq!(problem, "the quote that begins a cell in line 2 is never closed");
    }
}
