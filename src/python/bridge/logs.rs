//! The core's log on its way to Python's `logging`: each line waits with the call that it is about, until the caller's
//! own thread hands it over.

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

/// How many lines wait at the most.
const MOST: usize = 1000;
/// The levels as `logging` counts them.
const DEBUG: u8 = 10;
const INFO: u8 = 20;
const WARNING: u8 = 30;
const ERROR: u8 = 40;
const OFF: u8 = u8::MAX;

/// From which level on lines are wanted, as far as the last look at the logger told.
static LEVEL: AtomicU8 = AtomicU8::new(OFF);
/// Whether the core's lines come here.
static LISTENING: Once = Once::new();
/// The lines whose call has ended meanwhile, or that belong to none. The next call hands them over.
static STRAY: PerProcess<Queue> = PerProcess::new();

task_local! {
    /// The queue of the call that is under way.
    static QUEUE: Arc<Queue>;
}

/// Looks up from which level on the program wants lines. If it has not imported `logging`, it wants none.
pub(crate) fn look(py: Python<'_>) -> PyResult<()> {
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
        // Only one can ever be set, and nobody else does.
        LISTENING.call_once(|| drop(set_global_default(Listener)));
    }
    LEVEL.store(level, Ordering::Relaxed);
    Ok(())
}

/// Hands over what is left, and takes in nothing more: the interpreter is about to exit.
pub(crate) fn stop(py: Python<'_>) {
    LEVEL.store(OFF, Ordering::Relaxed);
    let left = STRAY.existing().map(|stray| stray.take()).unwrap_or_default();
    if let Err(error) = hand_over(py, left) {
        error.write_unraisable(py, None);
    }
}

/// The log of one call.
#[derive(Debug)]
pub(crate) struct Log(Arc<Queue>);

impl Log {
    /// Begins it, on the thread and in the context of the caller.
    pub(crate) fn begin(py: Python<'_>) -> PyResult<Self> {
        look(py)?;
        let mut queue = Queue::default();
        if LEVEL.load(Ordering::Relaxed) != OFF
            && let Some(python) = Logging::get(py)?
        {
            queue.is_muted = python.is_handing_over.call_method0(py, intern!(py, "get"))?.is_truthy(py)?;
            queue.context = Some(Arc::new(python.copy_context.call0(py)?));
        }
        Ok(Self(Arc::new(queue)))
    }

    /// What runs in it belongs to this call.
    pub(crate) fn of<F: Future>(&self, running: F) -> TaskLocalFuture<Arc<Queue>, F> {
        QUEUE.scope(Arc::clone(&self.0), running)
    }

    /// Waits for a line.
    pub(crate) async fn filled(&self) {
        self.0.filled.notified().await;
    }

    /// Gives Python what there is; to be called on the thread and in the context of the caller.
    pub(crate) fn hand_over(&self, py: Python<'_>) -> PyResult<()> {
        if self.0.is_muted {
            return Ok(());
        }
        let mut lines = self.0.take();
        if let Some(stray) = STRAY.existing() {
            let mut strays = stray.take();
            if !strays.is_empty() {
                lines.append(&mut strays);
                lines.sort_by_key(|line| line.moment);
            }
        }
        hand_over(py, lines)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let left = {
            let mut waiting = self.0.waiting();
            waiting.is_over = true;
            waiting.take()
        };
        keep(left.into_iter().map(|line| line.in_context(self.0.context.as_ref())));
    }
}

/// Gives a task the log of the call that begins it.
pub(crate) fn for_task<F: Future>(running: F) -> impl Future<Output = F::Output> {
    let queue = QUEUE.try_with(Arc::clone).ok();
    async move {
        match queue {
            Some(queue) => QUEUE.scope(queue, running).await,
            None => running.await,
        }
    }
}

/// Keeps lines for the next call.
fn keep(lines: impl Iterator<Item = Line>) {
    let mut lines = lines.peekable();
    if lines.peek().is_some() {
        let Ok(stray) = STRAY.get(|| Ok::<_, Infallible>(Queue::default()));
        lines.for_each(|line| stray.add(line));
    }
}

fn hand_over(py: Python<'_>, lines: Vec<Line>) -> PyResult<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let Some(python) = Logging::get(py)? else { return Ok(()) };
    let mut lines = lines.into_iter();
    for line in lines.by_ref() {
        match line.deliver(py, python) {
            Ok(()) => {}
            // What a handler or a filter raises is not the call's doing, and must not cost its result.
            Err(error) if error.is_instance_of::<PyException>(py) => {
                error.write_unraisable(py, Some(python.logger.bind(py)));
            }
            Err(interrupt) => {
                keep(lines);
                return Err(interrupt);
            }
        }
    }
    Ok(())
}

/// What is needed of Python, once the program has imported `logging`.
struct Logging {
    logger: Py<PyAny>,
    handle: Py<PyAny>,
    /// A context variable, so that it is also known in the tasks that a handler starts.
    is_handing_over: Py<PyAny>,
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
        // Perhaps it is being imported, and this is a finalizer that ran meanwhile.
        let Some(handle) = module.getattr_opt("handle")? else { return Ok(None) };
        let logging = cached(py, &LOGGING, || {
            Ok(Self {
                logger: module.getattr("logger")?.unbind(),
                handle: handle.unbind(),
                is_handing_over: module.getattr("is_handing_over")?.unbind(),
                copy_context: py.import("contextvars")?.getattr("copy_context")?.unbind(),
            })
        })?;
        Ok(Some(logging))
    }
}

/// Lines on their way to Python.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    filled: Notify,
    /// Whether its call is made by a handler or a filter of this very log, which would never come to an end.
    is_muted: bool,
    /// That of the caller, for the lines that somebody else hands over.
    context: Option<Arc<Py<PyAny>>>,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<Line>,
    dropped: u64,
    /// Whether the call has ended, so that nobody takes what comes now.
    is_over: bool,
}

impl Waiting {
    fn take(&mut self) -> Vec<Line> {
        let mut lines = mem::take(&mut self.lines);
        let dropped = mem::take(&mut self.dropped);
        if dropped > 0 {
            let message = format!("{dropped} lines of this log were dropped: more than {MOST} were waiting");
            let fields = vec![("dropped", Value::Int(dropped.into()))];
            lines.push(Line { level: INFO, moment: SystemTime::now(), message, fields, context: None });
        }
        lines
    }
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, line: Line) {
        if self.is_muted {
            return;
        }
        let mut waiting = self.waiting();
        if waiting.is_over {
            drop(waiting);
            keep([line.in_context(self.context.as_ref())].into_iter());
            return;
        }
        if waiting.lines.len() < MOST {
            waiting.lines.push(line);
        } else {
            waiting.dropped += 1;
        }
        drop(waiting);
        self.filled.notify_one();
    }

    fn take(&self) -> Vec<Line> {
        self.waiting().take()
    }
}

/// A line as it was told.
#[derive(Debug)]
struct Line {
    level: u8,
    moment: SystemTime,
    message: String,
    fields: Vec<(&'static str, Value)>,
    /// The context to deliver it in, if that is not the current one.
    context: Option<Arc<Py<PyAny>>>,
}

#[derive(Debug)]
enum Value {
    Text(String),
    Int(i128),
    Number(f64),
}

impl Line {
    fn in_context(mut self, context: Option<&Arc<Py<PyAny>>>) -> Self {
        self.context = self.context.or_else(|| context.cloned());
        self
    }

    fn deliver(self, py: Python<'_>, python: &Logging) -> PyResult<()> {
        let nanoseconds = self.moment.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
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
                // A context can be entered only once at a time, but a copy of it always.
                let copy = context.call_method0(py, intern!(py, "copy"))?.into_bound_py_any(py)?;
                copy.call_method1(intern!(py, "run"), (handle, level, nanoseconds, self.message, fields))?
            }
        };
        Ok(())
    }
}

impl Visit for Line {
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

/// Takes in what the core tells; what other crates tell is not for Python.
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
            Line { level, moment: SystemTime::now(), message: String::new(), fields: Vec::new(), context: None };
        event.record(&mut line);
        match QUEUE.try_with(Arc::clone) {
            Ok(queue) => queue.add(line),
            Err(_) => keep([line].into_iter()),
        }
    }

    // The core has no spans, and those of other crates are not wanted.
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
