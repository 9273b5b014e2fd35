//! A file is sent to a signed URL, against a server that counts what arrives.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use canvas_studio::client::{Auth, Client, Config, Error, Network, Options, Transferred, Upload};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use url::Url;

/// Heads and the number of bytes behind each.
type Arrived = Arc<Mutex<Vec<(String, usize)>>>;

/// Answers one connection after the other with these status lines and headers, and keeps what arrived. A body is read to
/// its end unless the answer is a 403, which comes after 64 kB.
async fn server(answers: &'static [&'static str]) -> (Client, Url, Arrived) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let arrived = Arrived::default();
    let kept = Arc::clone(&arrived);
    tokio::spawn(async move {
        for answer in answers {
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
        assert_eq!(arrived.lock().unwrap().len(), 1);
        std::fs::remove_file(path).unwrap();
    }
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
