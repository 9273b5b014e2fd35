//! The two tables of the Insights page: CSV, read by its headers and labels and not by where they stand.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Number, Value};

use super::csv;
use super::item::Extra;

/// Headers and labels, each with its field. One with another unit is another one.
type Known = &'static [(&'static str, &'static str)];

/// The columns of the table of users. Observed.
const COLUMNS: Known = &[("Name", "name"), ("Email", "email"), ("Role", ROLES), ("Completion rate [%]", RATE)];
/// The rows of the overview. Observed.
const ROWS: Known =
    &[("Views", "views"), ("Time Viewed [min]", "minutes_viewed"), ("Unique Viewers", "unique_viewers")];
const ROLES: &str = "roles";
const RATE: &str = "completion_rate";
/// The separators of roles in a cell. Several roles are documented; the separators are guesses.
const BETWEEN_ROLES: [char; 4] = [',', ';', '|', '\n'];
/// The field of what depends on the time.
const VIEWERSHIP: &str = "viewership";
/// The field of the text itself.
pub(super) const CSV: &str = "csv";

/// Whether a header or a label stands for a part of the media, such as `00:01:30`. That there are such ones is documented;
/// that they begin with a digit is a guess.
fn is_time(label: &str) -> bool {
    label.starts_with(|first: char| first.is_ascii_digit())
}

/// Reads the users. The first row with a known header is the header; what stands above it is a title.
pub(super) fn users(text: &str) -> Result<Vec<Extra>, String> {
    let mut rows = csv::rows(text)?.into_iter();
    let is_header = |row: &Vec<String>| row.iter().any(|label| field(COLUMNS, label).is_some());
    let header = rows.find(is_header).ok_or_else(|| unknown("header", COLUMNS))?;
    let mut places = Places::new("column", COLUMNS);
    let mut columns: Vec<Place> = header.iter().map(|label| places.next(label)).collect();
    let read = |row: Vec<String>| {
        while columns.len() < row.len() {
            columns.push(places.next(""));
        }
        let (mut user, mut viewership) = (Extra::new(), Map::new());
        for (place, cell) in columns.iter().zip(row) {
            match (place, cell.trim()) {
                (Place::Field(ROLES), roles) => drop(user.insert(ROLES.to_owned(), split(roles))),
                (Place::Field(_), "") => {}
                (Place::Field(RATE), rate) => drop(user.insert(RATE.to_owned(), rate.into())),
                (Place::Field(name), _) => drop(user.insert((*name).to_owned(), cell.into())),
                (Place::Time(name), "") => drop(viewership.insert(name.clone(), Value::Null)),
                (Place::Time(name), text) => match number(text) {
                    Some(number) => drop(viewership.insert(name.clone(), number.into())),
                    None => drop(user.insert(name.clone(), cell.into())),
                },
                (Place::Other(name), _) => drop(user.insert(name.clone(), cell.into())),
            }
        }
        user.insert(VIEWERSHIP.to_owned(), viewership.into());
        user
    };
    Ok(rows.map(read).collect())
}

/// Reads the overview. A row that lacks its value counts as 0 (observed). The first row, if it is none of them, is a title:
/// the vendor's example skips it.
pub(super) fn overview(text: &str) -> Result<Extra, String> {
    let rows = csv::rows(text)?;
    if !rows.iter().filter_map(|row| row.first()).any(|label| field(ROWS, label).is_some()) {
        return Err(unknown("label", ROWS));
    }
    let (mut overview, mut viewership) = (Extra::new(), Map::new());
    let mut places = Places::new("row", ROWS);
    for (index, row) in rows.iter().enumerate() {
        let Some((label, values)) = row.split_first() else { continue };
        let value = values.first().map(|value| value.trim()).unwrap_or_default();
        let counted = if value.is_empty() { Some(0.into()) } else { number(value) };
        if index == 0 && field(ROWS, label).is_none() && (value.is_empty() || counted.is_none()) {
            continue;
        }
        match (places.next(label), counted) {
            (Place::Field(name), Some(number)) => drop(overview.insert(name.to_owned(), number.into())),
            (Place::Field(name), None) => drop(overview.insert(name.to_owned(), value.into())),
            (Place::Time(name), Some(number)) => drop(viewership.insert(name, number.into())),
            (Place::Time(name) | Place::Other(name), _) => {
                let value = match values {
                    [] => Value::Null,
                    [one] => one.as_str().into(),
                    several => several.to_vec().into(),
                };
                overview.insert(name, value);
            }
        }
    }
    overview.insert(VIEWERSHIP.to_owned(), viewership.into());
    Ok(overview)
}

/// Where the cells of a column, or of a row, belong.
#[derive(Debug, PartialEq)]
enum Place {
    Field(&'static str),
    Time(String),
    Other(String),
}

/// Gives each column or row a place, and each that is not a field a name of its own.
struct Places {
    kind: &'static str,
    known: Known,
    count: usize,
    taken: HashSet<String>,
    repeated: HashMap<String, usize>,
}

impl Places {
    fn new(kind: &'static str, known: Known) -> Self {
        let names = known.iter().map(|(_, name)| *name).chain([VIEWERSHIP, CSV]);
        Self { kind, known, count: 0, taken: names.map(str::to_owned).collect(), repeated: HashMap::new() }
    }

    fn next(&mut self, label: &str) -> Place {
        self.count += 1;
        let is_first = |name: &&'static str| self.repeated.insert((*name).to_owned(), 1).is_none();
        if let Some(name) = field(self.known, label).filter(is_first) {
            return Place::Field(name);
        }
        let label = match label.trim() {
            "" => format!("{} {}", self.kind, self.count),
            label => label.to_owned(),
        };
        let mut name = label.clone();
        while !self.taken.insert(name.clone()) {
            let number = self.repeated.entry(label.clone()).or_insert(1);
            *number += 1;
            name = format!("{label} ({number})");
        }
        if is_time(&name) { Place::Time(name) } else { Place::Other(name) }
    }
}

/// The field of a header or a label, in any case and with any spaces.
fn field(known: Known, label: &str) -> Option<&'static str> {
    let is_same = |one: &str| label.split_whitespace().map(str::to_lowercase).eq(one.split(' ').map(str::to_lowercase));
    known.iter().find(|(one, _)| is_same(one)).map(|(_, name)| *name)
}

fn unknown(what: &str, known: Known) -> String {
    let labels: Vec<_> = known.iter().map(|(label, _)| format!("{label:?}")).collect();
    format!("the answer is no table of insights: it has no known {what} ({})", labels.join(", "))
}

fn split(roles: &str) -> Value {
    roles.split(BETWEEN_ROLES).map(str::trim).filter(|role| !role.is_empty()).map(Value::from).collect()
}

fn number(text: &str) -> Option<Number> {
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(text: &str) -> Value {
        let mut users = users(text).unwrap();
        assert_eq!(users.len(), 1, "{text}");
        users.remove(0).into()
    }

    #[test]
    fn users_are_read_by_header_wherever_it_stands() {
        let ada = json!({"name": "Ada", "email": "a@example.edu", "roles": ["Teacher"], "completion_rate": "70",
            "viewership": {"0:00": 2, "0:10": null}});
        for text in [
            "Name,Email,Role,Completion rate [%],0:00,0:10\nAda,a@example.edu,Teacher,70,2,\n",
            "0:10,completion  RATE [%],0:00,role, Email ,name\r\n,70,2,Teacher,a@example.edu,Ada",
            "Mitosis\n\nName,Email,Role,Completion rate [%],0:00,0:10\nAda,a@example.edu,Teacher,70,2,\n",
        ] {
            assert_eq!(one(text), ada, "{text}");
        }
    }

    #[test]
    fn nothing_is_lost_of_columns_that_nobody_knows() {
        assert_eq!(
            one("Name,Name,name (2),,roles,0:00,0:00\nAda,Bo,Cy,x,y,z,1,more\n"),
            json!({"name": "Ada", "Name": "Bo", "name (2)": "Cy", "column 4": "x", "roles (2)": "y", "0:00": "z",
                "column 8": "more", "viewership": {"0:00 (2)": 1}})
        );
    }

    #[test]
    fn the_overview_is_read_by_label_and_a_missing_value_is_zero() {
        let read = |text: &str| Value::from(overview(text).unwrap());
        assert_eq!(
            read("2 cells\nUnique Viewers\n0:00,3\nViews,12\nMood,good\nTime Viewed [min],\nWho,a,b\n0:10\n"),
            json!({"unique_viewers": 0, "views": 12, "Mood": "good", "minutes_viewed": 0, "Who": ["a", "b"],
                "viewership": {"0:00": 3, "0:10": 0}})
        );
        assert_eq!(read("Views,1"), json!({"views": 1, "viewership": {}}));
        assert_eq!(read("Views,a\nTime Viewed [h],2"), json!({"views": "a", "Time Viewed [h]": "2", "viewership": {}}));
    }

    #[test]
    fn what_has_no_known_header_is_no_table() {
        for text in ["", "\n", "{\"error\": \"Name\"}", "Nom,Courriel\n"] {
            assert!(users(text).is_err() && overview(text).is_err(), "{text}");
        }
        assert!(users("Email\n").unwrap().is_empty());
    }
}
