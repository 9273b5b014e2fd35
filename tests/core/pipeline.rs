//! The request pipeline against a scripted server: what is sent, and how a changing list is read.

use std::sync::{Arc, Mutex};

use canvas_studio::api::models::Media;
use canvas_studio::api::{collections, media};
use canvas_studio::client::{Auth, Client, Config, Error, Network, Options, Reading};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// Answers the requests of one connection after the other with the given JSON bodies; keeps what was asked.
async fn server(answers: Vec<String>) -> (Client, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    tokio::spawn(async move {
        for body in answers {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).await.unwrap();
                if line.trim().is_empty() {
                    break;
                }
                lines.push(line.trim_end().to_owned());
            }
            heard.lock().unwrap().push(lines.join("\n"));
            let start = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length:";
            stream.write_all(format!("{start} {}\r\n\r\n{body}", body.len()).as_bytes()).await.unwrap();
        }
    });
    (
        Client::new(Config::new(&url, Network::default(), Options::default()).unwrap(), Auth::token("t0ken").unwrap()),
        asked,
    )
}

fn page(ids: &[i64], last_page: i64, total_count: i64) -> String {
    let media: Vec<String> = ids.iter().map(|id| format!(r#"{{"id": {id}}}"#)).collect();
    let media = media.join(",");
    format!(r#"{{"media": [{media}], "meta": {{"last_page": {last_page}, "total_count": {total_count}}}}}"#)
}

#[tokio::test]
async fn a_request_carries_the_token_and_says_what_it_wants() {
    let (client, asked) = server(vec![r#"{"media": {"id": 1}}"#.into()]).await;
    assert_eq!(client.send(&media::get(1).unwrap()).await.unwrap().id(), 1);
    let asked = asked.lock().unwrap().remove(0).to_lowercase();
    for line in ["get /api/public/v1/media/1 http/1.1", "authorization: bearer t0ken", "accept: application/json"] {
        assert!(asked.contains(line), "{line} in {asked}");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_end_is_given_up_and_quoted() {
    let (client, _) = server(vec!["x".repeat(40 << 20)]).await;
    let error = client.send(&media::get(1).unwrap()).await.unwrap_err();
    assert!(matches!(error, Error::Unreadable(_)), "{error}");
    let said = error.to_string();
    assert!(said.contains("longer than 16 MiB") && said.contains("xxx") && said.len() < 10_000, "{said:.200}");
}

#[tokio::test]
async fn a_list_that_changes_while_it_is_read_is_read_again_and_given_once() {
    let pages = [
        page(&[1, 2], 2, 4),
        // Number 1 was deleted, so number 3 has moved to the first page.
        page(&[4], 2, 3),
        page(&[2, 3], 2, 3),
        page(&[4], 2, 3),
    ];
    let (client, _) = server(pages.into()).await;
    let mut reader = client.list(collections::list_media(7, 1, 2).unwrap()).read(Reading::default());
    let mut ids = Vec::new();
    while let Some(pages) = reader.next_pages().await.unwrap() {
        ids.extend(pages.iter().flatten().map(Media::id));
    }
    assert_eq!(ids, [1, 2, 4, 3]);
}

#[tokio::test]
async fn a_list_without_meta_ends_at_a_page_that_is_the_same_again() {
    let same = r#"{"sources": [{"url": "a"}, {"url": "a"}]}"#.to_owned();
    let (client, asked) = server(vec![same.clone(), same]).await;
    let request = canvas_studio::api::raw::paginate("/media/1/sources", "sources".into(), Vec::new(), 1, 50).unwrap();
    let mut reader = client.list(request).read(Reading::default());
    assert_eq!(reader.next_pages().await.unwrap().map(|pages| pages.concat().len()), Some(2));
    assert!(reader.next_pages().await.unwrap().is_none());
    assert_eq!(asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn closing_ends_what_is_under_way() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client =
        Client::new(Config::new(&url, Network::default(), Options::default()).unwrap(), Auth::token("t0ken").unwrap());
    let other = client.clone();
    let under_way = tokio::spawn(async move { other.send(&media::get(1).unwrap()).await });
    let _connection = listener.accept().await.unwrap();
    client.close();
    assert!(matches!(under_way.await.unwrap(), Err(Error::Closed)));
    assert!(matches!(client.send(&media::get(1).unwrap()).await, Err(Error::Closed)));
}

#[tokio::test]
async fn a_long_list_without_a_last_page_is_read_again_when_it_shrinks() {
    let page =
        |id: i64, total_count| format!(r#"{{"media": [{{"id": {id}}}], "meta": {{"total_count": {total_count}}}}}"#);
    let empty = || r#"{"media": [], "meta": {"total_count": 149}}"#.to_owned();
    // Number 1 vanishes after page 1, so number 2 has moved to it.
    let mut answers = vec![page(1, 150)];
    answers.extend((3..=150).map(|id| page(id, 149)));
    answers.push(empty());
    answers.extend((2..=150).map(|id| page(id, 149)));
    answers.push(empty());
    let (client, _) = server(answers).await;
    let mut reader = client.list(collections::list_media(7, 1, 1).unwrap()).read(Reading::default());
    let mut ids = Vec::new();
    while let Some(pages) = reader.next_pages().await.unwrap() {
        ids.extend(pages.iter().flatten().map(Media::id));
    }
    ids.sort_unstable();
    assert_eq!(ids, (1..=150).collect::<Vec<_>>());
}
