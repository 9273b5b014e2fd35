//! A media is uploaded in three steps, and whoever asked for it learns of each before the next one begins.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use canvas_studio::api::media_upload::{Completion, Destination};
use canvas_studio::client::{
    Auth, Client, Config, Error, FileToSend, MediaUpload, Network, Options, Transferred, UploadState, UploadStep,
    UploadSteps,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// What happened, in its order: requests by their method and the end of their path, and steps.
type Happened = Arc<Mutex<Vec<String>>>;

/// Studio and its storage host, both here. `refused` names requests and the statuses that they get, each once.
async fn studio(refused: &[(&'static str, u16)]) -> (Client, Happened) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (happened, mut refused, here) = (Happened::default(), refused.to_vec(), url.clone());
    let kept = Arc::clone(&happened);
    tokio::spawn(async move {
        let mut slots = 0;
        loop {
            let mut stream = BufReader::new(listener.accept().await.unwrap().0);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                stream.read_line(&mut head).await.unwrap();
            }
            let lower = head.to_lowercase();
            let length =
                lower.split("content-length: ").nth(1).map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
            stream.read_exact(&mut vec![0; length]).await.unwrap();
            let mut words = head.split(' ');
            let (method, path) = (words.next().unwrap(), words.next().unwrap().split('?').next().unwrap());
            let name = format!("{method} {}", path.rsplit('/').next().unwrap());
            kept.lock().unwrap().push(name.clone());
            let id: i64 = path.split('/').find_map(|step| step.parse().ok()).unwrap_or_default();
            let media = format!(r#"{{"media": {{"id": {id}, "title": "film"}}}}"#);
            let (status, body) = match refused.iter().position(|(refused, _)| name.starts_with(refused)) {
                Some(index) => (refused.remove(index).1, "Request has expired".to_owned()),
                None if name == "POST uploads" => {
                    slots += 1;
                    (201, format!(r#"{{"upload": {{"id": {slots}, "url": "{here}/storage/{slots}?s=s3cret"}}}}"#))
                }
                None if method == "PUT" => (200, String::new()),
                None => (200, media),
            };
            let length = body.len();
            let head = "content-type: application/json\r\nconnection: close";
            let answer = format!("HTTP/1.1 {status} x\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let options = Options { retry_delay: Some(0.0), ..Options::default() };
    let config = Config::new(&url, Network::default(), options).unwrap();
    (Client::new(config, Auth::token("t0ken").unwrap()), happened)
}

/// Writes down each step, and fails at one of them.
struct Journal(Happened, Option<&'static str>);

impl UploadSteps for Journal {
    fn record(&self, step: UploadStep) -> Result<(), Error> {
        let step = format!("{step:?}");
        self.0.lock().unwrap().push(step.clone());
        if self.1 == Some(step.as_str()) { Err(Error::Setup("the journal is full".into())) } else { Ok(()) }
    }
}

/// A file to upload, with a name of its own.
fn upload(name: &str) -> (MediaUpload, PathBuf) {
    let folder = std::env::temp_dir().join(format!("canvas-studio-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("film.mp4");
    std::fs::write(&path, "film").unwrap();
    let file = FileToSend::new(path, true);
    (MediaUpload::new(file, None, None, None, Destination::default()).unwrap(), folder)
}

/// What happened, and the result, where the journal fails at a step.
async fn uploaded(
    name: &str,
    refused: &[(&'static str, u16)],
    fails: Option<&'static str>,
) -> (Vec<String>, Result<i64, Error>) {
    let (client, happened) = studio(refused).await;
    let (upload, folder) = upload(name);
    let steps = Journal(Arc::clone(&happened), fails);
    let result = client.upload_media(&upload, &Arc::new(Transferred::new()), &steps).await;
    std::fs::remove_dir_all(folder).unwrap();
    let happened = happened.lock().unwrap().clone();
    (happened, result.map(|media| media.id()))
}

#[tokio::test]
async fn each_step_is_told_before_the_next_one_begins() {
    let (happened, result) = uploaded("steps", &[], None).await;
    let expected = ["POST uploads", "Created(1)", "PUT 1", "Sent(1)", "POST complete", "Completed(1)"];
    assert_eq!(
        (happened.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), result.unwrap()),
        (&expected[..], 1)
    );
}

#[tokio::test]
async fn an_upload_that_is_created_anew_is_told_anew_and_the_error_names_the_last() {
    let (happened, result) = uploaded("anew", &[("PUT", 403)], None).await;
    let expected = ["POST uploads", "Created(1)", "PUT 1", "POST uploads", "Created(2)", "PUT 2", "Sent(2)"];
    assert_eq!(happened[..7], expected);
    result.unwrap();
    let (happened, result) = uploaded("anew", &[("PUT", 403), ("PUT", 403), ("PUT", 403)], None).await;
    assert_eq!(happened.iter().filter(|step| *step == "POST uploads").count(), 3);
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Upload { media_id: 3, state: UploadState::NotSent, .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
}

#[tokio::test]
async fn a_journal_that_cannot_be_written_ends_the_upload_there() {
    for (step, ends_with, state) in [
        ("Created(1)", "Created(1)", UploadState::NotSent),
        ("Sent(1)", "Sent(1)", UploadState::Sent),
        ("Completed(1)", "Completed(1)", UploadState::Completed),
    ] {
        let (happened, result) = uploaded("full", &[], Some(step)).await;
        assert_eq!(happened.last().unwrap(), ends_with);
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Upload { media_id: 1, state: found, .. } if found == state), "{error:?}");
        assert!(error.to_string().starts_with("the journal is full. Upload 1 "), "{error}");
    }
}

#[tokio::test]
async fn a_run_that_was_stopped_after_the_file_was_sent_goes_on_and_makes_no_second_media() {
    let completion = Completion::new("film".into(), None, None).unwrap();
    for (refused, expected) in [
        (&[][..], &["POST complete"][..]),
        (&[("POST complete", 409)], &["POST complete", "GET 1"]),
        (&[("POST complete", 500)], &["POST complete", "GET 1"]),
        (&[("POST complete", 500), ("GET", 404)], &["POST complete", "GET 1", "POST complete"]),
        (
            &[("POST complete", 500), ("GET", 403), ("POST complete", 409)],
            &["POST complete", "GET 1", "POST complete", "GET 1"],
        ),
    ] {
        let (client, happened) = studio(refused).await;
        assert_eq!(client.settle_upload(1, &completion).await.unwrap().id(), 1);
        assert_eq!(*happened.lock().unwrap(), expected);
    }
    for (status, state) in [(404, UploadState::NotSent), (403, UploadState::Sent), (400, UploadState::Sent)] {
        let (client, _) = studio(&[("POST complete", status)]).await;
        let error = client.settle_upload(1, &completion).await.unwrap_err();
        assert!(matches!(error, Error::Upload { state: found, .. } if found == state), "{error:?}");
    }
}
