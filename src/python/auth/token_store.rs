//! Token stores: the classes `MemoryTokenStore` and `FileTokenStore`, and `PythonStore`, which calls a user's own
//! store.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
#[cfg(feature = "stubs")]
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};
#[cfg(feature = "stubs")]
use pyo3::{type_hint_identifier, type_hint_union};
use pyo3_async_runtimes::{TaskLocals, into_future_with_locals};
use tokio::runtime::Handle;
use tokio::sync::{OwnedMutexGuard, oneshot};

use super::tokens::Tokens;
use crate::client::auth::token_store::{BoxFuture, Change, Decide, FileLock, FileStore, MemoryStore, TokenStore};
use crate::client::{Client, Error};
use crate::python::bridge::awaitable::AwaitableOf;
use crate::python::bridge::caller::{self, Caller};
use crate::python::bridge::exit::{on_new_thread, park_if_finalizing, unless_finalizing};
use crate::python::bridge::operation::Operation;
use crate::python::bridge::run::run;
use crate::python::convert::arguments::{Argument, FilePath, Object};
use crate::python::convert::input::wrong_type;
use crate::python::convert::output::{IntoPython, TypeHint};
use crate::python::errors::{is_store_error, to_python};
use crate::stack::with_enough_stack;

/// The argument `store`: any object that keeps tokens.
pub(crate) struct AnyStore {
    pub(crate) object: Py<PyAny>,
    pub(crate) store: Arc<dyn TokenStore>,
}

impl<'a, 'py> FromPyObject<'a, 'py> for AnyStore {
    type Error = PyErr;
    #[cfg(feature = "stubs")]
    const INPUT_TYPE: PyStaticExpr = type_hint_union!(
        type_hint_identifier!("canvas_studio.auth", "TokenStore"),
        type_hint_identifier!("canvas_studio.auth", "AsyncTokenStore")
    );

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let store: Arc<dyn TokenStore> = if let Ok(store) = given.cast::<MemoryTokenStore>() {
            Arc::new(store.get().store.clone())
        } else if let Ok(store) = given.cast::<FileTokenStore>() {
            Arc::new(store.get().store.clone())
        } else {
            for method in ["load", "save", "lock"] {
                let is_class = given.is_instance_of::<PyType>();
                if is_class || !given.getattr_opt(method)?.is_some_and(|method| method.is_callable()) {
                    let expected = "a token store, with load(), save() and lock()";
                    let remedy = is_class.then(|| "an object of this class".to_owned());
                    return Err(wrong_type("store", expected, &given, remedy));
                }
            }
            let is_async =
                given.py().import("canvas_studio._user_stores")?.call_method1("is_async_store", (given,))?.extract()?;
            Arc::new(PythonStore { address: given.as_ptr().addr(), is_async })
        };
        Ok(Self { object: given.to_owned().unbind(), store })
    }
}

/// The type of [`AnyStore`], as what an attribute holds.
#[derive(Debug)]
pub(crate) struct AnyStoreHint;

impl TypeHint for AnyStoreHint {
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr = <AnyStore as FromPyObject<'_, '_>>::INPUT_TYPE;
}

/// Keeps tokens in memory, until the process ends.
///
/// Do not share it between processes: after a fork, both would refresh with the same refresh token, which works once.
///
/// Args:
///     tokens: The tokens to start with.
#[pyclass(frozen, weakref, module = "canvas_studio")]
#[derive(Debug)]
pub(crate) struct MemoryTokenStore {
    store: MemoryStore,
}

#[pymethods]
impl MemoryTokenStore {
    #[new]
    #[pyo3(signature = (tokens=None))]
    fn new(py: Python<'_>, tokens: Option<Object<Tokens>>) -> PyResult<Self> {
        let store = MemoryStore::default();
        store.save(tokens.read(py, "tokens")?.map(|tokens| tokens.get().tokens.clone()));
        Ok(Self { store })
    }

    #[expect(clippy::unused_self, reason = "Python passes it")]
    fn __reduce__(&self) -> PyResult<String> {
        let instead = "use a FileTokenStore, a KeyringTokenStore, or a store of your own";
        Err(PyTypeError::new_err(format!("a MemoryTokenStore is for one process, so it is not pickled: {instead}")))
    }

    /// Read the tokens.
    ///
    /// Returns:
    ///     The tokens, or `None` if there are none.
    fn load(&self) -> Option<Tokens> {
        self.store.load().map(Tokens::from)
    }

    /// Replace the tokens.
    ///
    /// Args:
    ///     tokens: The new tokens; `None` deletes them.
    #[pyo3(signature = (tokens))]
    fn save(&self, py: Python<'_>, tokens: Option<Object<Tokens>>) -> PyResult<()> {
        self.store.save(tokens.read(py, "tokens")?.map(|tokens| tokens.get().tokens.clone()));
        Ok(())
    }

    /// Lock out other refreshes.
    ///
    /// Returns:
    ///     A context manager for one `with` block.
    fn lock(&self) -> StoreLock {
        StoreLock::new(Lockable::Memory(self.store.clone()))
    }

    #[expect(clippy::unused_self, reason = "Python passes it")]
    fn __repr__(&self) -> &'static str {
        "MemoryTokenStore()"
    }
}

/// Keeps tokens in a file, for all processes that know its path.
///
/// Only its owner can read the file. It is replaced atomically, so it is always complete, and it is locked through a
/// second file beside it, `PATH.lock`. Missing folders are created.
///
/// Args:
///     path: The file.
///
/// Raises:
///     InvalidArgumentError: If the path is a folder.
#[pyclass(frozen, weakref, module = "canvas_studio")]
#[derive(Debug)]
pub(crate) struct FileTokenStore {
    store: FileStore,
}

#[pymethods]
impl FileTokenStore {
    #[new]
    #[pyo3(signature = (path))]
    fn new(py: Python<'_>, path: FilePath) -> PyResult<Self> {
        let path = path.read(py, "path")?;
        Ok(Self { store: FileStore::new(&path).map_err(|refusal| to_python(refusal.into()))? })
    }

    /// The file.
    #[getter]
    fn path(&self) -> PathBuf {
        self.store.path().to_owned()
    }

    /// Read the tokens.
    ///
    /// Returns:
    ///     The tokens, or `None` if there are none.
    ///
    /// Raises:
    ///     TokenStoreError: If the file cannot be read, or does not contain tokens.
    fn load(&self, py: Python<'_>) -> PyResult<Option<Tokens>> {
        Ok(py.detach(|| self.store.load()).map_err(to_python)?.map(Tokens::from))
    }

    /// Replace the tokens.
    ///
    /// Args:
    ///     tokens: The new tokens; `None` deletes them.
    ///
    /// Raises:
    ///     TokenStoreError: If the file cannot be written.
    #[pyo3(signature = (tokens))]
    fn save(&self, py: Python<'_>, tokens: Option<Object<Tokens>>) -> PyResult<()> {
        let tokens = tokens.read(py, "tokens")?.map(|tokens| tokens.get().tokens.clone());
        py.detach(|| self.store.save(tokens.as_ref())).map_err(to_python)
    }

    /// Lock out refreshes by other processes and other threads.
    ///
    /// Returns:
    ///     A context manager for one `with` block.
    fn lock(&self) -> StoreLock {
        StoreLock::new(Lockable::File(self.store.clone()))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let path = self.path().into_os_string().into_pyobject(py)?;
        Ok(format!("FileTokenStore({})", path.repr()?))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        let path = slf.get().path().into_os_string().into_pyobject(slf.py())?;
        Ok((slf.get_type().into_any(), (path.extract()?,)))
    }
}

#[derive(Debug, Clone)]
enum Lockable {
    Memory(MemoryStore),
    File(FileStore),
}

/// An acquired lock. Dropping it releases it.
#[derive(Debug)]
#[expect(dead_code, reason = "they are there to be dropped")]
pub(crate) enum Guard {
    Memory(OwnedMutexGuard<()>),
    File(FileLock),
}

/// The lock of a token store, for one `with` block.
#[pyclass(frozen, weakref, module = "canvas_studio")]
#[derive(Debug)]
pub(crate) struct StoreLock {
    lockable: Lockable,
    guard: Mutex<Option<Guard>>,
}

impl StoreLock {
    fn new(lockable: Lockable) -> Self {
        Self { lockable, guard: Mutex::new(None) }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Option<Guard>> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl StoreLock {
    fn __enter__(&self, py: Python<'_>) -> PyResult<()> {
        if self.held().is_some() {
            return Err(PyRuntimeError::new_err("this lock is held already; lock() makes another one for each with"));
        }
        let Locked(guard) = run(py, None, Ok(self.lockable.clone()))?;
        *self.held() = Some(guard);
        Ok(())
    }

    fn __exit__(&self, _kind: &Bound<'_, PyAny>, _error: &Bound<'_, PyAny>, _traceback: &Bound<'_, PyAny>) {
        self.held().take();
    }
}

impl Operation for Lockable {
    type Result = Locked;

    fn start(&self, _: Option<Client>) -> impl Future<Output = Result<Locked, Error>> + Send + 'static {
        let lockable = self.clone();
        async move {
            Ok(Locked(match lockable {
                Self::Memory(store) => Guard::Memory(store.lock().await),
                Self::File(store) => Guard::File(store.lock().await?),
            }))
        }
    }
}

/// An acquired lock as the result of an operation. Python never sees it.
pub(crate) struct Locked(Guard);

impl IntoPython for Locked {
    type Python = Self;

    fn into_python(self, _: Python<'_>, _: Option<&Client>) -> PyResult<Self> {
        Ok(self)
    }
}

impl<'py> IntoPyObject<'py> for Locked {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = std::convert::Infallible;

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Self::Error> {
        Ok(py.None().into_bound(py))
    }
}

/// A store that a user has written in Python. The object itself comes with each call.
struct PythonStore {
    address: usize,
    is_async: bool,
}

impl fmt::Debug for PythonStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PythonStore").field("is_async", &self.is_async).finish_non_exhaustive()
    }
}

impl TokenStore for PythonStore {
    fn update(&self, decide: Decide) -> BoxFuture<Result<(), Error>> {
        let is_async = self.is_async;
        let Some(caller) = caller::current() else {
            return Box::pin(async { Err(Error::Setup("a token store was needed outside of a call".to_owned())) });
        };
        let refused = Arc::new(Mutex::new(None));
        let decision =
            Decision { decide: Mutex::new(Some(decide)), refused: Arc::clone(&refused), runtime: Handle::current() };
        Box::pin(async move {
            let updating = async { in_store(move |py| begin(py, &caller, is_async, decision)).await?.await };
            let result = updating.await;
            let refused = refused.lock().unwrap_or_else(PoisonError::into_inner).take();
            refused.map_or(result, Err)
        })
    }

    fn needs_caller(&self) -> bool {
        true
    }

    fn work_site(&self) -> usize {
        let event_loop = || Some(caller::current()?.event_loop.as_ref()?.as_ptr().addr());
        if self.is_async { event_loop().unwrap_or_default() } else { 0 }
    }

    fn is_waiting_for_caller(&self) -> bool {
        caller::current().is_some_and(|caller| caller.inside.contains(&self.address))
    }
}

/// Runs Python code of a store. What it raises is the store's error.
async fn in_store<T: Send + 'static>(run: impl FnOnce(Python<'_>) -> PyResult<T> + Send + 'static) -> Result<T, Error> {
    on_new_thread(move |py| run(py).map_err(|raised| store_error(py, raised))).await?
}

/// Begins to update a store, and returns the rest. An async store runs as a task of the caller's event loop. A blocking
/// one runs on a Python thread, so that it blocks no other work and an exit need not wait for it; so does an async one if
/// there is no loop, or a closed one.
fn begin(
    py: Python<'_>,
    caller: &Caller,
    is_async: bool,
    decision: Decision,
) -> PyResult<BoxFuture<Result<(), Error>>> {
    let stores = py.import("canvas_studio._user_stores")?;
    // Two threads cannot enter one context at the same time.
    let context = caller.context.bind(py).call_method0("copy")?;
    let arguments = (&caller.store, caller.store.as_ptr().addr(), decision).into_pyobject(py)?;
    if let Some(event_loop) = caller.event_loop.as_ref().filter(|_| is_async) {
        let locals = TaskLocals::new(event_loop.bind(py).clone()).with_context(context.clone());
        let coroutine = stores.getattr("update_async")?.call1(&arguments)?;
        if let Ok(ended) = into_future_with_locals(&locals, coroutine.clone()) {
            let coroutine = coroutine.unbind();
            return Ok(Box::pin(async move {
                let Err(raised) = unless_finalizing(ended).await else { return Ok(()) };
                // It never began if the loop was closed first, and Python would warn of that.
                in_store(move |py| coroutine.call_method0(py, "close").and(Err(raised))).await
            }));
        }
        coroutine.call_method0("close")?;
    }
    let (sender, ended) = oneshot::channel();
    let finished = Finished { sender: Mutex::new(Some(sender)) };
    stores.call_method1("begin_on_a_thread", (is_async, arguments, context, finished))?;
    Ok(Box::pin(async { ended.await.unwrap_or_else(|_| Err(Error::abandoned())) }))
}

fn store_error(py: Python<'_>, raised: PyErr) -> Error {
    let clear_locals = || py.import("canvas_studio._tracebacks")?.call_method1("clear_locals", (raised.value(py),));
    if let Err(problem) = clear_locals() {
        problem.write_unraisable(py, None);
    }
    let is_cancelled = || py.import("asyncio")?.getattr("CancelledError").map(|class| raised.is_instance(py, &class));
    if is_cancelled().unwrap_or(false) {
        return Error::abandoned();
    }
    let message = if is_store_error(py, &raised) {
        raised.value(py).to_string()
    } else {
        let kind = raised.get_type(py).name().map_or_else(|_| "an exception".into(), |name| name.to_string());
        format!("the token store raised {kind}: what it says is the cause of this error")
    };
    Error::Store { message, cause: Arc::new(raised) }
}

/// Decides, from the tokens in a store, whether to refresh and save them. `canvas_studio._user_stores` calls it.
#[pyclass(frozen, module = "canvas_studio._core")]
pub(crate) struct Decision {
    decide: Mutex<Option<Decide>>,
    /// The error of the refresh, for the waiting call: the store's lock may raise another exception on its way out.
    refused: Arc<Mutex<Option<Error>>>,
    runtime: Handle,
}

impl Decision {
    fn start(&self, loaded: Option<&Bound<'_, Tokens>>) -> PyResult<BoxFuture<Result<Change, Error>>> {
        let decide = self.decide.lock().unwrap_or_else(PoisonError::into_inner).take();
        let decide = decide.ok_or_else(|| PyRuntimeError::new_err("this was decided already"))?;
        Ok(decide(loaded.map(|loaded| loaded.get().tokens.clone())))
    }

    fn tokens_to_save(&self, py: Python<'_>, decided: Result<Change, Error>) -> PyResult<Py<PyTuple>> {
        match decided {
            Ok(Change::Keep) => Ok(PyTuple::empty(py).unbind()),
            Ok(Change::Save(tokens)) => Ok(PyTuple::new(py, [tokens.map(Tokens::from)])?.unbind()),
            Err(error) => {
                *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
                Err(to_python(error))
            }
        }
    }
}

#[pymethods]
impl Decision {
    /// Decide, from the loaded tokens, and refresh them if necessary. An empty tuple means that there is nothing to
    /// save.
    #[pyo3(signature = (loaded))]
    fn decide(&self, py: Python<'_>, loaded: Option<&Bound<'_, Tokens>>) -> PyResult<Py<PyTuple>> {
        let deciding = self.start(loaded)?;
        let decided = py.detach(|| {
            // If the runtime is stopped meanwhile, tokio panics.
            let decide = || with_enough_stack(|| self.runtime.block_on(deciding));
            let decided = catch_unwind(AssertUnwindSafe(decide));
            park_if_finalizing();
            decided.unwrap_or(Err(Error::Exiting))
        });
        self.tokens_to_save(py, decided)
    }

    /// The same, awaited. The refresh continues if this is cancelled.
    #[pyo3(signature = (loaded))]
    fn decide_async(slf: Py<Self>, loaded: Option<Py<Tokens>>) -> AwaitableOf<Py<PyTuple>> {
        AwaitableOf::new(async move {
            let deciding = Python::attach(|py| {
                let decision = slf.get();
                decision
                    .start(loaded.as_ref().map(|loaded| loaded.bind(py)))
                    .map(|deciding| decision.runtime.spawn(deciding))
            })?;
            let decided = deciding.await.unwrap_or(Err(Error::Exiting));
            Python::attach(|py| slf.get().tokens_to_save(py, decided))
        })
    }
}

/// Receives the result of an update on a thread. If it is dropped without one, the waiting call gets an error.
#[pyclass(frozen, module = "canvas_studio._core")]
pub(crate) struct Finished {
    sender: Mutex<Option<oneshot::Sender<Result<(), Error>>>>,
}

#[pymethods]
impl Finished {
    #[pyo3(signature = (error))]
    fn __call__(&self, error: Option<Bound<'_, PyAny>>) {
        if let Some(sender) = self.sender.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // It fails if no call waits any more, which is fine.
            let _ = sender.send(error.map_or(Ok(()), |error| Err(store_error(error.py(), PyErr::from_value(error)))));
        }
    }
}
