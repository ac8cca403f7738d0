//! One request to the daemon and its answer, as the commands say and hear it. How it gets there is `request`'s.

use hyper::Method;
use hyper::body::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::cli::error::Error;

/// One request.
#[derive(Clone)]
pub struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Bytes,
    pub(super) key: Option<Uuid>,
    /// For messages: "failed to <doing>".
    pub(super) doing: String,
}

impl Call {
    /// Asks for something. `doing` completes "failed to …".
    pub fn get(doing: impl Into<String>, path: impl Into<String>) -> Self {
        Call {
            method: Method::GET,
            path: path.into(),
            body: Bytes::new(),
            key: None,
            doing: doing.into(),
        }
    }

    /// Asks for a change.
    pub fn post(doing: impl Into<String>, path: impl Into<String>) -> Self {
        Call {
            method: Method::POST,
            ..Call::get(doing, path)
        }
    }

    /// Asks for something to be removed.
    pub fn delete(doing: impl Into<String>, path: impl Into<String>) -> Self {
        Call {
            method: Method::DELETE,
            ..Call::get(doing, path)
        }
    }

    /// The same call with a body.
    ///
    /// # Errors
    /// The body cannot be said in JSON.
    pub fn json(mut self, body: &impl Serialize) -> Result<Self, Error> {
        let body = serde_json::to_vec(body).map_err(|e| Error::local(&self.doing, e))?;
        self.body = Bytes::from(body);
        Ok(self)
    }

    /// The same call, which may be repeated without doing its work twice: it is, once, when the connection breaks.
    pub fn idempotent(mut self) -> Self {
        self.key = Some(Uuid::now_v7());
        self
    }
}

/// A successful answer.
pub struct Reply {
    /// The body as it came.
    pub body: Bytes,
    pub(super) doing: String,
}

impl Reply {
    /// The body, understood.
    ///
    /// # Errors
    /// It is not what this version of `loopctl` knows.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| Error::Local {
            doing: self.doing.clone(),
            cause: format!("the reply is not understood: {error}"),
            hint: Some(
                "loopctl and loopd may be of different versions; `loopctl doctor` shows both"
                    .into(),
            ),
        })
    }
}
