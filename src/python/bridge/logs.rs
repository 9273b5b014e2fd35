//! Passes the core's log records to Python's `logging`. A record waits in the queue of its call until the caller's own
//! thread flushes it.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{convert::Infallible, mem};

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use pyo3::{IntoPyObjectExt, intern};
use tokio::sync::Notify;
use tokio::task::futures::TaskLocalFuture;
use tokio::task_local;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, Subscriber, set_global_default};
use tracing::{Event, Level, Metadata};

use crate::client::PerProcess;
use crate::client::log::TARGET;
use crate::client::secrets::printable;
use crate::python::cached::cached;

/// How many records a queue holds at most.
const MAX_PENDING: usize = 1000;
/// The levels of `logging`.
const DEBUG: u8 = 10;
const INFO: u8 = 20;
const WARNING: u8 = 30;
const ERROR: u8 = 40;
const OFF: u8 = u8::MAX;

/// The level from which the program wants records, as `refresh_level` found it last.
static LEVEL: AtomicU8 = AtomicU8::new(OFF);
/// Whether the core's records come here.
static LISTENING: Once = Once::new();
/// Records whose call has ended, or that belong to none. The next call flushes them. A cancelled async call is dropped by
/// the runtime after Python has closed its coroutine, and its last record is written then: waiting for it would block the
/// event loop.
static ORPHANED: PerProcess<LogQueue> = PerProcess::new();

task_local! {
    /// The queue of the current call.
    static QUEUE: Arc<LogQueue>;
}

/// Looks up the level from which the program wants records. If it has not imported `logging`, it wants none.
pub(crate) fn refresh_level(py: Python<'_>) -> PyResult<()> {
    let mut level = OFF;
    if let Some(python) = Logging::get(py)? {
        for candidate in [INFO, DEBUG] {
            let enabled = python.logger.bind(py).call_method1(intern!(py, "isEnabledFor"), (candidate,))?;
            if !enabled.is_truthy()? {
                break;
            }
            level = candidate;
        }
    }
    if level != OFF {
        // A process can set this once, and nothing else does.
        LISTENING.call_once(|| drop(set_global_default(Listener)));
    }
    LEVEL.store(level, Ordering::Relaxed);
    Ok(())
}

/// Flushes the last records and accepts no more: the interpreter is exiting.
pub(crate) fn stop(py: Python<'_>) {
    LEVEL.store(OFF, Ordering::Relaxed);
    let left = ORPHANED.existing().map(|orphaned| orphaned.take()).unwrap_or_default();
    if let Err(error) = flush(py, left) {
        error.write_unraisable(py, None);
    }
}

/// The log of one call.
#[derive(Debug)]
pub(crate) struct Log(Arc<LogQueue>);

impl Log {
    /// Starts it, on the thread and in the context of the caller.
    pub(crate) fn begin(py: Python<'_>) -> PyResult<Self> {
        refresh_level(py)?;
        let mut queue = LogQueue::default();
        if LEVEL.load(Ordering::Relaxed) != OFF
            && let Some(python) = Logging::get(py)?
        {
            queue.is_muted = python.is_flushing.call_method0(py, intern!(py, "get"))?.is_truthy(py)?;
            queue.context = Some(Arc::new(python.copy_context.call0(py)?));
        }
        Ok(Self(Arc::new(queue)))
    }

    /// Runs a future as part of this call.
    pub(crate) fn of<F: Future>(&self, running: F) -> TaskLocalFuture<Arc<LogQueue>, F> {
        QUEUE.scope(Arc::clone(&self.0), running)
    }

    /// Waits for a record.
    pub(crate) async fn new_records(&self) {
        self.0.new_records.notified().await;
    }

    /// Passes all waiting records to Python. Call it on the thread and in the context of the caller.
    pub(crate) fn flush(&self, py: Python<'_>) -> PyResult<()> {
        if self.0.is_muted {
            return Ok(());
        }
        let mut lines = self.0.take();
        if let Some(orphaned) = ORPHANED.existing() {
            let mut orphans = orphaned.take();
            if !orphans.is_empty() {
                lines.append(&mut orphans);
                lines.sort_by_key(|line| line.time);
            }
        }
        flush(py, lines)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let left = {
            let mut pending = self.0.pending();
            pending.is_closed = true;
            pending.take()
        };
        add_orphans(left.into_iter().map(|line| line.in_context(self.0.context.as_ref())));
    }
}

/// Gives a task the log of the call that starts it.
pub(crate) fn for_task<F: Future>(running: F) -> impl Future<Output = F::Output> {
    let queue = QUEUE.try_with(Arc::clone).ok();
    async move {
        match queue {
            Some(queue) => QUEUE.scope(queue, running).await,
            None => running.await,
        }
    }
}

/// Keeps records for the next call.
fn add_orphans(lines: impl Iterator<Item = LogRecord>) {
    let mut lines = lines.peekable();
    if lines.peek().is_some() {
        let Ok(orphaned) = ORPHANED.get(|| Ok::<_, Infallible>(LogQueue::default()));
        lines.for_each(|line| orphaned.add(line));
    }
}

fn flush(py: Python<'_>, lines: Vec<LogRecord>) -> PyResult<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let Some(python) = Logging::get(py)? else { return Ok(()) };
    let mut lines = lines.into_iter();
    for line in lines.by_ref() {
        match line.emit(py, python) {
            Ok(()) => {}
            // An error of a handler or a filter must not cost the call its result.
            Err(error) if error.is_instance_of::<PyException>(py) => {
                error.write_unraisable(py, Some(python.logger.bind(py)));
            }
            Err(interrupt) => {
                add_orphans(lines);
                return Err(interrupt);
            }
        }
    }
    Ok(())
}

/// The Python objects needed here, once the program has imported `logging`.
struct Logging {
    logger: Py<PyAny>,
    handle: Py<PyAny>,
    /// A context variable, so that tasks which a handler starts see it too.
    is_flushing: Py<PyAny>,
    copy_context: Py<PyAny>,
}

impl Logging {
    fn get(py: Python<'_>) -> PyResult<Option<&Self>> {
        static MODULES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
        static LOGGING: PyOnceLock<Logging> = PyOnceLock::new();
        if let Some(logging) = LOGGING.get(py) {
            return Ok(Some(logging));
        }
        let modules =
            cached(py, &MODULES, || Ok(py.import("sys")?.getattr("modules")?.cast_into::<PyDict>()?.unbind()))?;
        if !modules.bind(py).contains(intern!(py, "logging"))? {
            return Ok(None);
        }
        let module = py.import("canvas_studio._logs")?;
        // The module may be half imported: a finalizer that runs during the import gets here.
        let Some(handle) = module.getattr_opt("handle")? else { return Ok(None) };
        let logging = cached(py, &LOGGING, || {
            Ok(Self {
                logger: module.getattr("logger")?.unbind(),
                handle: handle.unbind(),
                is_flushing: module.getattr("is_handing_over")?.unbind(),
                copy_context: py.import("contextvars")?.getattr("copy_context")?.unbind(),
            })
        })?;
        Ok(Some(logging))
    }
}

/// Records that wait for a flush.
#[derive(Debug, Default)]
pub(crate) struct LogQueue {
    pending: Mutex<PendingRecords>,
    new_records: Notify,
    /// Whether the call is made by a handler or a filter of this log; logging that call would never end.
    is_muted: bool,
    /// The caller's context, for the records that another call flushes.
    context: Option<Arc<Py<PyAny>>>,
}

#[derive(Debug, Default)]
struct PendingRecords {
    lines: Vec<LogRecord>,
    dropped: u64,
    /// Whether the call has ended, so that later records are orphans.
    is_closed: bool,
}

impl PendingRecords {
    fn take(&mut self) -> Vec<LogRecord> {
        let mut lines = mem::take(&mut self.lines);
        let dropped = mem::take(&mut self.dropped);
        if dropped > 0 {
            let message = format!("{dropped} lines of this log were dropped: more than {MAX_PENDING} were waiting");
            let fields = vec![("dropped", Value::Int(dropped.into()))];
            lines.push(LogRecord { level: INFO, time: SystemTime::now(), message, fields, context: None });
        }
        lines
    }
}

impl LogQueue {
    fn pending(&self) -> MutexGuard<'_, PendingRecords> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, line: LogRecord) {
        if self.is_muted {
            return;
        }
        let mut pending = self.pending();
        if pending.is_closed {
            drop(pending);
            add_orphans([line.in_context(self.context.as_ref())].into_iter());
            return;
        }
        if pending.lines.len() < MAX_PENDING {
            pending.lines.push(line);
        } else {
            pending.dropped += 1;
        }
        drop(pending);
        self.new_records.notify_one();
    }

    fn take(&self) -> Vec<LogRecord> {
        self.pending().take()
    }
}

/// A record of the core's log.
#[derive(Debug)]
struct LogRecord {
    level: u8,
    time: SystemTime,
    message: String,
    fields: Vec<(&'static str, Value)>,
    /// The context to emit it in, if not the current one.
    context: Option<Arc<Py<PyAny>>>,
}

#[derive(Debug)]
enum Value {
    Text(String),
    Int(i128),
    Number(f64),
}

impl LogRecord {
    fn in_context(mut self, context: Option<&Arc<Py<PyAny>>>) -> Self {
        self.context = self.context.or_else(|| context.cloned());
        self
    }

    fn emit(self, py: Python<'_>, python: &Logging) -> PyResult<()> {
        let nanoseconds = self.time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let fields = PyDict::new(py);
        for (name, value) in self.fields {
            match value {
                Value::Text(text) => fields.set_item(name, text)?,
                Value::Int(number) => fields.set_item(name, number)?,
                Value::Number(number) => fields.set_item(name, number)?,
            }
        }
        let (level, handle) = (self.level, python.handle.bind(py));
        match self.context {
            None => handle.call1((level, nanoseconds, self.message, fields))?,
            Some(context) => {
                // A context cannot be entered twice at a time; a copy of it can.
                let copy = context.call_method0(py, intern!(py, "copy"))?.into_bound_py_any(py)?;
                copy.call_method1(intern!(py, "run"), (handle, level, nanoseconds, self.message, fields))?
            }
        };
        Ok(())
    }
}

impl Visit for LogRecord {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.push((field.name(), Value::Text(printable(value).into_owned())));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.push((field.name(), Value::Int(value.into())));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.push((field.name(), Value::Int(value.into())));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.fields.push((field.name(), Value::Number(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = printable(&format!("{value:?}")).into_owned();
        if field.name() == "message" {
            self.message = text;
        } else {
            self.fields.push((field.name(), Value::Text(text)));
        }
    }
}

/// Receives the core's log events, and ignores those of other crates.
struct Listener;

impl Subscriber for Listener {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.target() == TARGET { Interest::sometimes() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == TARGET && number(*metadata.level()) >= LEVEL.load(Ordering::Relaxed)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::DEBUG)
    }

    fn event(&self, event: &Event<'_>) {
        let level = number(*event.metadata().level());
        let mut line =
            LogRecord { level, time: SystemTime::now(), message: String::new(), fields: Vec::new(), context: None };
        event.record(&mut line);
        match QUEUE.try_with(Arc::clone) {
            Ok(queue) => queue.add(line),
            Err(_) => add_orphans([line].into_iter()),
        }
    }

    // The core has no spans, and those of other crates are ignored.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn number(level: Level) -> u8 {
    match level {
        Level::ERROR => ERROR,
        Level::WARN => WARNING,
        Level::INFO => INFO,
        _ => DEBUG,
    }
}
