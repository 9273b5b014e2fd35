//! Randomly damaged checkpoints: each is refused with a reason, or its list goes on.

use std::collections::HashMap;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use canvas_studio::api::item::Item;
use canvas_studio::api::models::{Media, Source};
use canvas_studio::api::{collections, media};
use canvas_studio::client::{Auth, Checkpoint, Client, Config, Network, Options, Reading};
use serde_json::{Map, Number, Value};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

use super::fuzz;
use crate::chance::Chance;

/// Those that an earlier version wrote. Their school has to be the one that is asked.
const WRITTEN: [&str; 7] = [
    include_str!("../../checkpoints/dicts_33_of_45.json"),
    include_str!("../../checkpoints/dicts_33_of_45_consistent.json"),
    include_str!("../../checkpoints/dicts_5_of_45.json"),
    include_str!("../../checkpoints/media_25_of_45.json"),
    include_str!("../../checkpoints/media_30_of_45_consistent.json"),
    include_str!("../../checkpoints/media_45_of_60_second_reading.json"),
    include_str!("../../checkpoints/sources_2_of_5.json"),
];
const SCHOOL: &str = "http://127.0.0.1:1";
/// How many items the lists of the server have, and how many are on one of its pages.
const ITEMS: usize = 45;
const PER_PAGE: usize = 20;
/// A reading that goes on for longer has no end.
const BATCHES: usize = 200;
/// The longest message, in bytes. It may quote a part of what was given, escaped.
const LONGEST: usize = 2000;

const TELLING: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"-",
    b"0",
    b"9223372036854775807",
    b"-1",
    b"1e9",
    b"null",
    b"true",
    b"false",
    b"AAAA",
    b"////",
    b"==",
    b"\"version\": 2",
    b"\"next_page\": ",
    b"\"page\"",
    b"\x00",
    b"\xff",
    b"\xef\xbb\xbf",
];
const NUMBERS: [i128; 16] = [
    0,
    1,
    2,
    3,
    -1,
    19,
    45,
    1_000_000,
    u32::MAX as i128,
    i64::MAX as i128,
    i64::MAX as i128 - 1,
    i64::MIN as i128,
    u64::MAX as i128,
    u64::MAX as i128 - 1,
    1 << 70,
    -5,
];
const TEXTS: &[&str] = &[
    "",
    "page",
    "per_page",
    "1",
    "0",
    "-1",
    "9223372036854775807",
    "media",
    "sources",
    "Media",
    "Source",
    "Perspective",
    "/media/search",
    "//elsewhere.example.com/",
    "/../..",
    "http://127.0.0.1:1",
    "AA==",
    "AQAAAAAAAAA=",
    "\u{1b}[2J\n",
    "search_media",
    "\u{202e}",
];

#[test]
fn fuzz_a_checkpoint_is_refused_clearly_or_read_on() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let (client, url) = school(&runtime);
    let mut written: Vec<String> = WRITTEN.iter().map(|text| text.replace(SCHOOL, &url)).collect();
    written.extend(runtime.block_on(of_today(&client)));
    for text in &written {
        assert!(runtime.block_on(read_on(&client, text)), "{text}");
    }
    fuzz(1_500, |chance| {
        let text = chance.one_of(&written.iter().map(String::as_str).collect::<Vec<_>>());
        let mut value: Value = serde_json::from_str(text).unwrap();
        match chance.below(4) {
            0 => {}
            1 => change_count(chance, &mut value),
            _ => (0..=chance.below(3)).for_each(|_| change(chance, &mut value)),
        }
        let mut bytes = value.to_string().into_bytes();
        if chance.once_in(3) {
            chance.mutate(&mut bytes, TELLING);
        }
        // Python gives a text.
        if let Ok(text) = String::from_utf8(bytes) {
            runtime.block_on(read_on(&client, &text));
        }
    });
}

/// Changes one of its counts, and nothing else.
fn change_count(chance: &mut Chance, value: &mut Value) {
    let part = &mut value["state"];
    let part = match chance.below(3) {
        0 => &mut part["sweep"],
        1 => &mut part["drift"],
        _ => part,
    };
    let counts = part.as_object_mut().unwrap().values_mut().filter(|value| value.is_number() || value.is_null());
    let mut counts: Vec<&mut Value> = counts.collect();
    let at = chance.below(counts.len());
    *counts[at] = number(chance);
}

/// Changes one value, anywhere; in a set of numbers also its bytes.
fn change(chance: &mut Chance, value: &mut Value) {
    match value {
        Value::Object(fields) if !fields.is_empty() && !chance.once_in(12) => {
            let name = fields.keys().nth(chance.below(fields.len())).unwrap().clone();
            if chance.once_in(12) {
                fields.remove(&name);
            } else {
                change(chance, fields.get_mut(&name).unwrap());
            }
        }
        Value::Array(items) if !items.is_empty() && !chance.once_in(6) => {
            let at = chance.below(items.len());
            change(chance, &mut items[at]);
        }
        Value::String(text) if text.len() > 20 && !chance.once_in(4) => {
            let mut bytes = STANDARD.decode(&*text).unwrap_or_default();
            chance.mutate(
                &mut bytes,
                &[b"\x00", b"\xff\xff\xff\xff", b"\x01\x00\x00\x00", b"\x3a\x30\x00\x00", b"\x3b\x30"],
            );
            *text = STANDARD.encode(bytes);
        }
        other => *other = new_value(chance),
    }
}

fn number(chance: &mut Chance) -> Value {
    let number = NUMBERS[chance.below(NUMBERS.len())];
    Value::Number(number.to_string().parse::<Number>().unwrap())
}

fn new_value(chance: &mut Chance) -> Value {
    match chance.below(8) {
        0 => Value::Null,
        1 => Value::Bool(chance.once_in(2)),
        2..=4 => number(chance),
        5 => Value::Array((0..chance.below(3)).map(|_| new_value(chance)).collect()),
        6 => Value::Object(Map::from_iter([(chance.one_of(TEXTS).to_owned(), Value::Null)])),
        _ => {
            let times = if chance.once_in(10) { 5000 } else { 1 };
            Value::String(chance.one_of(TEXTS).repeat(times))
        }
    }
}

/// Whether the list of a checkpoint is read to its end.
async fn read_on(client: &Client, text: &str) -> bool {
    let checkpoint = match Checkpoint::from_json(text) {
        Ok(checkpoint) => checkpoint,
        Err(refused) => {
            assert_eq!(refused.argument, "checkpoint", "{refused}");
            assert!(refused.expected.len() < LONGEST, "{} bytes: {refused:.300}", refused.expected.len());
            return false;
        }
    };
    match checkpoint.item.as_str() {
        "Media" => read_on_of::<Media>(client, &checkpoint).await,
        "Source" => read_on_of::<Source>(client, &checkpoint).await,
        _ => read_on_of::<Value>(client, &checkpoint).await,
    }
}

async fn read_on_of<T: Item>(client: &Client, checkpoint: &Checkpoint) -> bool {
    let listing = match client.resume::<T>(checkpoint) {
        Ok(listing) => listing,
        Err(refused) => {
            assert!(refused.to_string().len() < LONGEST, "{refused:.300}");
            return false;
        }
    };
    let mut reader = listing.read(Reading::default());
    for _ in 0..BATCHES {
        let read = reader.next_pages().await;
        let written = reader.handle().checkpoint(None).map(|checkpoint| checkpoint.to_json().unwrap());
        if let Some(written) = written {
            let again = Checkpoint::from_json(&written).unwrap_or_else(|refused| panic!("{refused}: {written}"));
            assert_eq!(again.to_json().unwrap(), written);
        }
        match read {
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
    panic!("{BATCHES} batches, and no end");
}

/// Checkpoints as they are written now.
async fn of_today(client: &Client) -> Vec<String> {
    let mut written = Vec::new();
    for is_consistent in [false, true] {
        for limit in [None, Some(30)] {
            let listing = client.list(collections::list_media(7, 1, 20).unwrap());
            let mut reader = listing.read(Reading { limit, is_consistent });
            while let Some(_pages) = reader.next_pages().await.unwrap() {
                written.push(reader.handle().checkpoint(None).unwrap().to_json().unwrap());
                written.extend(reader.handle().checkpoint(Some(7)).map(|checkpoint| checkpoint.to_json().unwrap()));
            }
        }
    }
    let mut reader = client.list(media::sources(1).unwrap()).read(Reading::default());
    reader.next_pages().await.unwrap();
    written.push(reader.handle().checkpoint(None).unwrap().to_json().unwrap());
    assert!(written.len() > 6, "{}", written.len());
    written
}

/// A client of a server that has lists on every path.
fn school(runtime: &Runtime) -> (Client, String) {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    runtime.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(answer(stream));
        }
    });
    let options = Options { max_retries: Some(0), ..Options::default() };
    let config = Config::new(&url, Network::default(), options).unwrap();
    (Client::new(config, Auth::token("t0ken").unwrap()), url)
}

async fn answer(stream: TcpStream) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or_default() == 0 {
            return;
        }
        let target = line.split(' ').nth(1).unwrap().to_owned();
        while line.trim() != "" {
            line.clear();
            stream.read_line(&mut line).await.unwrap();
        }
        let body = page(&target);
        let start =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        if stream.write_all(format!("{start}{body}").as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A page of media, things or sources, as its query asks for it.
fn page(target: &str) -> String {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let asked: HashMap<&str, &str> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let number = |name: &str| asked.get(name).and_then(|value| value.parse::<usize>().ok());
    if target.contains("/sources") {
        let sources: Vec<String> =
            (0..5).map(|number| format!(r#"{{"url": "https://a.example.com/{number}"}}"#)).collect();
        return format!(r#"{{"sources": [{}]}}"#, sources.join(","));
    }
    let per_page = number("per_page").filter(|per_page| (1..=50).contains(per_page)).unwrap_or(PER_PAGE);
    let first = number("page").unwrap_or(1).saturating_sub(1).saturating_mul(per_page);
    let mut items = String::new();
    for id in (first.saturating_add(1)..=ITEMS).take(per_page) {
        write!(items, r#"{}{{"id": {id}, "name": "{id}"}}"#, if items.is_empty() { "" } else { "," }).unwrap();
    }
    let last_page = ITEMS.div_ceil(per_page);
    let meta = format!(r#"{{"last_page": {last_page}, "total_count": {ITEMS}}}"#);
    format!(r#"{{"media": [{items}], "things": [{items}], "meta": {meta}}}"#)
}
