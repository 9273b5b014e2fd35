//! The floor under the other rows of `make bench`: what reqwest alone takes, and what the socket alone does.
//!
//! Nothing is decoded and nothing is kept. `python -m benches` starts it; the result is one line of JSON.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Body, Client, StatusCode};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

/// How much of a file is read at once, as the package does.
const CHUNK: usize = 256 << 10;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let mut arguments = env::args().skip(1).filter(|argument| argument != "--bench");
    let Some(mode) = arguments.next() else {
        // `cargo bench` starts it with nothing to do.
        return Ok(());
    };
    let mut next = || arguments.next().ok_or("an argument is missing");
    let (base, token) = (next()?, next()?);
    let result = match mode.as_str() {
        "get" => get(&base, &token, &next()?, next()?.parse()?)?,
        "crawl" => crawl(&base, &token, next()?.parse()?, next()?.parse()?, false)?,
        "learn" => crawl(&base, &token, next()?.parse()?, next()?.parse()?, true)?,
        "download" => download(&base, &token, &next()?, &next()?)?,
        "upload" => upload(&base, &token, &next()?, next()?.parse()?)?,
        "raw" => raw(&base, &token, &next()?, next()?.parse()?)?,
        other => return Err(format!("there is no mode {other:?}").into()),
    };
    writeln!(io::stdout(), "{result}")?;
    Ok(())
}

/// One request after the other for the same thing.
fn get(base: &str, token: &str, path: &str, count: u32) -> Outcome<String> {
    let (runtime, client) = (runtime()?, client(token)?);
    let url = format!("{base}{path}");
    runtime.block_on(fetch(&client, &url))?;
    let watch = Watch::start()?;
    let mut took = Vec::new();
    for _ in 0..count {
        let began = Instant::now();
        runtime.block_on(fetch(&client, &url))?;
        took.push(began.elapsed());
    }
    watch.stop(u64::from(count), &mut took)
}

/// The pages of the list, so many at a time; or the first one alone, if it has to tell how many there are.
fn crawl(base: &str, token: &str, pages: u64, in_flight: u64, learns: bool) -> Outcome<String> {
    let (runtime, client) = (runtime()?, client(token)?);
    runtime.block_on(fetch(&client, &page(base, 1)))?;
    let watch = Watch::start()?;
    let bytes = runtime.block_on(async {
        let mut bytes = if learns { fetch(&client, &page(base, 1)).await? } else { 0 };
        let asked = Arc::new(AtomicU64::new(u64::from(learns)));
        let mut readers = JoinSet::new();
        for _ in 0..in_flight {
            let (client, base, asked) = (client.clone(), base.to_owned(), Arc::clone(&asked));
            readers.spawn(async move {
                let mut bytes = 0;
                loop {
                    let number = asked.fetch_add(1, Ordering::Relaxed) + 1;
                    if number > pages {
                        return Outcome::Ok(bytes);
                    }
                    bytes += fetch(&client, &page(&base, number)).await?;
                }
            });
        }
        while let Some(read) = readers.join_next().await {
            bytes += read??;
        }
        Outcome::Ok(bytes)
    })?;
    watch.stop(bytes, &mut Vec::new())
}

/// A file, by way of the redirect to the storage host.
fn download(base: &str, token: &str, path: &str, file: &str) -> Outcome<String> {
    let (runtime, client) = (runtime()?, client(token)?);
    let storage = Client::builder().redirect(Policy::none()).build()?;
    let url = format!("{base}{path}");
    runtime.block_on(client.get(&url).send())?;
    let watch = Watch::start()?;
    let bytes = runtime.block_on(async {
        let redirect = client.get(&url).send().await?;
        let location = redirect.headers().get(header::LOCATION).ok_or("there is no redirect")?.to_str()?;
        let mut response = storage.get(location).send().await?.error_for_status()?;
        let mut file = fs::File::create(file)?;
        let mut bytes = 0;
        while let Some(chunk) = response.chunk().await? {
            file.write_all(&chunk)?;
            bytes += chunk.len() as u64;
        }
        Outcome::Ok(bytes)
    })?;
    watch.stop(bytes, &mut Vec::new())
}

/// All files of a folder, each in the three steps of the reference, so many at once.
fn upload(base: &str, token: &str, folder: &str, jobs: usize) -> Outcome<String> {
    let (runtime, client) = (runtime()?, client(token)?);
    let storage = Client::builder().redirect(Policy::none()).build()?;
    let mut paths: Vec<_> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    let url = format!("{base}/api/public/v1/media/uploads");
    let watch = Watch::start()?;
    let bytes = runtime.block_on(async {
        let (mut bytes, mut running) = (0, JoinSet::new());
        loop {
            while running.len() < jobs
                && let Some(path) = paths.pop()
            {
                running.spawn(upload_one(client.clone(), storage.clone(), url.clone(), path));
            }
            match running.join_next().await {
                Some(sent) => bytes += sent??,
                None => return Outcome::Ok(bytes),
            }
        }
    })?;
    watch.stop(bytes, &mut Vec::new())
}

async fn upload_one(client: Client, storage: Client, url: String, path: PathBuf) -> Outcome<u64> {
    let started = client.post(&url).header(header::CONTENT_LENGTH, 0).send().await?.error_for_status()?;
    let answer: serde_json::Value = serde_json::from_slice(&started.bytes().await?)?;
    let slot = answer.get("upload").ok_or("there is no upload")?;
    let (id, location) = (slot.get("id").ok_or("there is no id")?, slot.get("url").and_then(|url| url.as_str()));
    let file = FileBody::open(&path)?;
    let length = file.left;
    storage.put(location.ok_or("there is no URL")?).body(Body::wrap(file)).send().await?.error_for_status()?;
    let complete = client.post(format!("{url}/{id}/complete")).header(header::CONTENT_TYPE, "application/json");
    complete.body(r#"{"title": "A recording"}"#).send().await?.error_for_status()?;
    Ok(length)
}

/// A file, read piece by piece.
struct FileBody {
    file: fs::File,
    left: u64,
}

impl FileBody {
    fn open(path: &Path) -> io::Result<Self> {
        let file = fs::File::open(path)?;
        let left = file.metadata()?.len();
        Ok(Self { file, left })
    }
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let mut chunk = Vec::with_capacity(CHUNK);
        let read = Read::by_ref(&mut self.file).take(CHUNK as u64).read_to_end(&mut chunk);
        self.left = self.left.saturating_sub(chunk.len() as u64);
        Poll::Ready(match read {
            Ok(0) => None,
            Ok(_) => Some(Ok(Frame::data(chunk.into()))),
            Err(error) => Some(Err(error)),
        })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// What the socket and the server take, without any client: the same request, written and read by hand.
fn raw(base: &str, token: &str, path: &str, count: u32) -> Outcome<String> {
    let address = base.strip_prefix("http://").ok_or("the URL must begin with http://")?;
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: {address}\r\naccept: */*\r\nauthorization: Bearer {token}\r\n\r\n");
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 1 << 16];
    exchange(&mut stream, request.as_bytes(), &mut buffer)?;
    let watch = Watch::start()?;
    let mut took = Vec::new();
    for _ in 0..count {
        let began = Instant::now();
        exchange(&mut stream, request.as_bytes(), &mut buffer)?;
        took.push(began.elapsed());
    }
    watch.stop(u64::from(count), &mut took)
}

fn exchange(stream: &mut TcpStream, request: &[u8], buffer: &mut [u8]) -> Outcome<()> {
    stream.write_all(request)?;
    let mut missing = None;
    while missing != Some(0) {
        let length = stream.read(buffer)?;
        let read = buffer.get(..length).filter(|read| !read.is_empty()).ok_or("the connection was closed")?;
        missing = Some(match missing {
            Some(missing) => missing - read.len(),
            None => missing_after(read)?,
        });
    }
    Ok(())
}

/// How much of the body is still to come, after a first part that holds all headers.
fn missing_after(first: &[u8]) -> Outcome<usize> {
    const END: &[u8] = b"\r\n\r\n";
    let end = first.windows(END.len()).position(|window| window == END).ok_or("the headers are longer than that")?;
    let headers = str::from_utf8(first.get(..end).unwrap_or_default())?;
    if !headers.starts_with("HTTP/1.1 200") {
        return Err(headers.to_owned().into());
    }
    let length = headers.lines().find_map(|line| line.strip_prefix("content-length: ")).ok_or("there is no length")?;
    Ok(end + END.len() + length.parse::<usize>()? - first.len())
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

fn client(token: &str) -> Outcome<Client> {
    // As the package makes its own.
    rustls::crypto::ring::default_provider().install_default().map_err(|_| "there is a provider already")?;
    let headers = HeaderMap::from_iter([
        (header::ACCEPT, HeaderValue::from_static("application/json")),
        (header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}"))?),
    ]);
    Ok(Client::builder().default_headers(headers).redirect(Policy::none()).build()?)
}

fn page(base: &str, number: u64) -> String {
    format!("{base}/api/public/v1/media/search?per_page=50&page={number}")
}

async fn fetch(client: &Client, url: &str) -> Outcome<u64> {
    let response = client.get(url).send().await?;
    if response.status() != StatusCode::OK {
        return Err(response.status().to_string().into());
    }
    Ok(response.bytes().await?.len() as u64)
}

/// What it took: wall time, and the computing time of the only thread.
struct Watch {
    began: Instant,
    computed: Duration,
}

impl Watch {
    fn start() -> Outcome<Self> {
        Ok(Self { computed: computed()?, began: Instant::now() })
    }

    fn stop(&self, count: u64, took: &mut [Duration]) -> Outcome<String> {
        let wall = self.began.elapsed();
        let cpu = computed()?.saturating_sub(self.computed);
        took.sort_unstable();
        let median = took.get(took.len() / 2).copied().unwrap_or_default();
        let result = serde_json::json!({
            "wall": wall.as_secs_f64(),
            "cpu": cpu.as_secs_f64(),
            "median": median.as_secs_f64(),
            "count": count,
            "peak": peak()?,
        });
        Ok(result.to_string())
    }
}

/// How long the main thread has computed: Linux tells it.
fn computed() -> Outcome<Duration> {
    // The scheduler brings the figure up to date when it has something to decide.
    thread::yield_now();
    let figures = fs::read_to_string("/proc/self/schedstat")?;
    let nanoseconds = figures.split(' ').next().ok_or("schedstat is empty")?.parse()?;
    Ok(Duration::from_nanos(nanoseconds))
}

/// The most memory that it has had, in bytes.
fn peak() -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("status has no VmHWM")?;
    Ok(line.trim_end_matches("kB").trim().parse::<u64>()? * 1024)
}
