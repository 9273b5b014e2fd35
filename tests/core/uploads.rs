//! A file is sent to a signed URL, against a server that counts what arrives.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use canvas_studio::client::{Auth, Client, Config, Error, Network, Options, Transferred, Upload};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::sleep;
use url::Url;

/// Heads and the number of bytes behind each.
type Arrived = Arc<Mutex<Vec<(String, usize)>>>;

/// Answers one connection after the other with these status lines and headers, and keeps what arrived. A body is read to
/// its end unless the answer is a 403, which comes after 64 kB. The last answer is given again and again: about one such
/// 403 in a hundred is lost with its connection, and asked for anew.
async fn server(answers: &'static [&'static str]) -> (Client, Url, Arrived) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let arrived = Arrived::default();
    let kept = Arc::clone(&arrived);
    tokio::spawn(async move {
        for answer in answers.iter().chain(std::iter::repeat(answers.last().unwrap())) {
            let mut stream = BufReader::new(listener.accept().await.unwrap().0);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                stream.read_line(&mut head).await.unwrap();
            }
            let head = head.to_lowercase();
            let length: usize = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
            let mut body = vec![0; if answer.starts_with("403") { length.min(64 << 10) } else { length }];
            stream.read_exact(&mut body).await.unwrap();
            kept.lock().unwrap().push((head, body.len()));
            let answer = format!("HTTP/1.1 {answer}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let options = Options { retry_delay: Some(0.0), ..Options::default() };
    let config = Config::new(&url, Network::default(), options).unwrap();
    let signed = Url::parse(&format!("{url}/bucket/a.mp4?X-Signature=s3cret-signature")).unwrap();
    (Client::new(config, Auth::token("t0ken").unwrap()), signed, arrived)
}

fn file(name: &str, length: usize) -> PathBuf {
    let path = std::env::temp_dir().join(format!("canvas-studio-{name}-{}", std::process::id()));
    std::fs::write(&path, vec![7; length]).unwrap();
    path
}

#[tokio::test]
async fn a_put_has_no_token_and_an_exact_length_and_a_503_starts_it_again_from_byte_0() {
    let (client, url, arrived) = server(&["503 Slow Down", "200 OK"]).await;
    let (path, transferred) = (file("put", 1_000_001), Arc::new(Transferred::new()));
    let upload = Upload::new(&path, "video/mp4", &transferred).unwrap();
    client.put_file(&upload, &url).await.unwrap();
    upload.check_unchanged().unwrap();
    assert_eq!(transferred.read(), (1_000_001, Some(1_000_001)));
    let arrived = arrived.lock().unwrap().clone();
    assert_eq!(arrived.len(), 2);
    for (head, length) in arrived {
        assert!(head.starts_with("put /bucket/a.mp4?x-signature=s3cret-signature http/1.1"), "{head}");
        assert!(head.contains("content-length: 1000001") && head.contains("content-type: video/mp4"), "{head}");
        assert!(!head.contains("authorization") && !head.contains("cookie") && !head.contains("t0ken"), "{head}");
        assert_eq!(length, 1_000_001);
    }
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn a_refused_put_and_a_redirected_one_are_errors_at_once_and_show_no_signature() {
    for answer in [&["403 Forbidden"], &["400 Bad Request"], &["307 Moved\r\nlocation: /other?s=1"]] {
        let (client, url, arrived) = server(answer).await;
        let path = file(&answer[0][..3], 3_000_000);
        let upload = Upload::new(&path, "video/mp4", &Arc::default()).unwrap();
        let error = client.put_file(&upload, &url).await.unwrap_err();
        let Error::Status(refusal) = &error else { panic!("{error}") };
        assert!(answer[0].starts_with(&refusal.status.to_string()));
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
        if !answer[0].starts_with("403") {
            assert_eq!(arrived.lock().unwrap().len(), 1);
        }
        std::fs::remove_file(path).unwrap();
    }
}

/// Takes one body at this rate, up to so many bytes, and then no more: answers if that was the whole. The system keeps
/// little of the body, so that the client meets the server's pace.
fn slow_server(rate: usize, length: usize, stop_at: usize) -> (Client, Url) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(8).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut stream = BufReader::new(listener.accept().await.unwrap().0);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            stream.read_line(&mut head).await.unwrap();
        }
        let mut chunk = vec![0; rate / 20];
        let mut taken = 0;
        while taken < stop_at {
            let wanted = chunk.len().min(stop_at - taken);
            stream.read_exact(&mut chunk[..wanted]).await.unwrap();
            taken += wanted;
            sleep(Duration::from_millis(50)).await;
        }
        if taken < length {
            return std::future::pending().await;
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    });
    let options = Options { read_timeout: Some(1.0), max_retries: Some(0), ..Options::default() };
    let config = Config::new(&url, Network::default(), options).unwrap();
    let signed = Url::parse(&format!("{url}/bucket/a.mp4?X-Signature=s3cret-signature")).unwrap();
    (Client::new(config, Auth::token("t0ken").unwrap()), signed)
}

async fn put_slowly(name: &str, length: usize, rate: usize) {
    let (client, url) = slow_server(rate, length, length);
    let path = file(name, length);
    let upload = Upload::new(&path, "video/mp4", &Arc::default()).unwrap();
    client.put_file(&upload, &url).await.unwrap();
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn a_slow_put_that_makes_progress_outlasts_read_timeout() {
    put_slowly("steady", 12_000_000, 2_000_000).await;
}

#[tokio::test]
async fn a_put_of_60_kb_at_20_kb_a_second_succeeds() {
    put_slowly("slowest", 60_000, 20_000).await;
}

#[tokio::test]
async fn a_put_that_stalls_is_a_timeout_that_says_how_far_it_came() {
    let (client, url) = slow_server(40_000_000, 40_000_000, 4_000_000);
    let path = file("stalls", 40_000_000);
    let transferred = Arc::new(Transferred::new());
    let upload = Upload::new(&path, "video/mp4", &transferred).unwrap();
    let error = client.put_file(&upload, &url).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("took longer than 1 s without the server taking more of the body"), "{text}");
    assert!(text.contains("of 40000000 bytes were sent") && !text.contains("s3cret"), "{text}");
    assert!((4_000_000..40_000_000).contains(&transferred.read().0));
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn a_file_that_changed_is_never_put_and_what_is_no_file_is_refused() {
    let (client, url, arrived) = server(&["200 OK"]).await;
    let path = file("changed", 1000);
    let upload = Upload::new(&path, "video/mp4", &Arc::default()).unwrap();
    std::fs::write(&path, "shorter").unwrap();
    assert!(matches!(client.put_file(&upload, &url).await, Err(Error::FileChanged { .. })));
    assert!(matches!(upload.check_unchanged(), Err(Error::FileChanged { .. })));
    assert!(arrived.lock().unwrap().is_empty());
    let folder = Upload::new(&std::env::temp_dir(), "video/mp4", &Arc::default());
    assert!(matches!(folder, Err(Error::InvalidArgument(_))));
    std::fs::remove_file(path).unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_put_that_is_given_up_closes_its_file_and_its_socket_although_the_server_takes_nothing() {
    for way in ["dropped", "stalled", "closed"] {
        let (client, url) = slow_server(1 << 20, usize::MAX, 0);
        let path = file(way, 20_000_000);
        let upload = Upload::new(&path, "video/mp4", &Arc::default()).unwrap();
        let open = || (descriptors(&path.to_string_lossy()), descriptors("socket:"));
        let (_, before) = open();
        let giving_up = async {
            while open() < (1, before + 2) {
                sleep(Duration::from_millis(10)).await;
            }
            sleep(Duration::from_millis(200)).await;
            if way == "closed" {
                client.close();
            }
            if way != "dropped" {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            ended = client.put_file(&upload, &url) => drop(ended.unwrap_err()),
            () = giving_up => {}
        }
        // The server keeps its side of the connection.
        let ended = async {
            while open() > (0, before + 1) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap();
        std::fs::remove_file(&path).unwrap();
    }
}

/// How many open files begin with this name.
#[cfg(target_os = "linux")]
fn descriptors(name: &str) -> usize {
    let links = std::fs::read_dir("/proc/self/fd").unwrap().flatten().map(|entry| entry.path());
    links.filter_map(|link| std::fs::read_link(link).ok()).filter(|to| to.to_string_lossy().starts_with(name)).count()
}
