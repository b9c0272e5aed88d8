//! A task's events as a stream that resumes by itself.

use super::{Client, ClientError};
use crate::{EventKind, TaskEvent};
use reqwest::{Method, Response, header::ACCEPT};
use std::collections::VecDeque;
use zkpool_protocol::TaskId;

/// The largest event that is read.
const MAX_EVENT: usize = 4 * 1024 * 1024;

/// The events of one task. Ends after the final one; a broken connection is resumed where it broke.
#[derive(Debug)]
pub struct TaskEvents {
    client: Client,
    task: TaskId,
    last: Option<u64>,
    connection: Option<Connection>,
    failures: u32,
    ended: bool,
}

#[derive(Debug)]
struct Connection {
    response: Response,
    parser: Parser,
    ready: VecDeque<Message>,
}

impl Client {
    /// The events of a task, after `last` if that is given. Nothing is sent before the first [`TaskEvents::next`].
    pub fn task_events(&self, task: TaskId, last: Option<u64>) -> TaskEvents {
        TaskEvents { client: self.clone(), task, last, connection: None, failures: 0, ended: false }
    }
}

impl TaskEvents {
    /// Sequence number of the last event that was read.
    pub const fn last(&self) -> Option<u64> {
        self.last
    }

    /// The next event; `None` after the final one.
    ///
    /// Waits for as long as the service shows that it is alive (it sends pings); a silent or broken connection is
    /// opened again a few times, then the error is returned. Calling it again after an error tries anew. Can be
    /// cancelled (in `select!` or `timeout`) without losing an event.
    pub async fn next(&mut self) -> Option<Result<TaskEvent, ClientError>> {
        if self.ended {
            return None;
        }
        loop {
            match self.step().await {
                Ok(event) => {
                    self.failures = 0;
                    self.last = Some(event.seq);
                    self.ended = event.kind == EventKind::Final;
                    return Some(Ok(event));
                }
                Err(error) => {
                    self.connection = None;
                    let options = &self.client.inner.options;
                    if !error.is_transient() || self.failures >= options.retries {
                        self.failures = 0;
                        return Some(Err(error));
                    }
                    let wait =
                        options.retry_wait.saturating_mul(1 << self.failures.min(16)).min(options.max_retry_wait);
                    self.failures += 1;
                    tokio::time::sleep(wait.max(error.retry_after().unwrap_or_default().min(options.max_retry_wait)))
                        .await;
                }
            }
        }
    }

    fn route(&self) -> String {
        format!("GET /v1/tasks/{}/events", self.task)
    }

    /// Reads until there is an event, or the stream has to be opened again.
    async fn step(&mut self) -> Result<TaskEvent, ClientError> {
        let route = self.route();
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => {
                let response = self.open(&route).await?;
                self.connection.insert(Connection { response, parser: Parser::default(), ready: VecDeque::new() })
            }
        };
        loop {
            if let Some(message) = connection.ready.pop_front() {
                let event = self.client.read_event(&route, &message)?;
                // A service may repeat the event at which the stream is resumed.
                if self.last.is_some_and(|last| event.seq <= last) && event.kind != EventKind::Final {
                    continue;
                }
                return Ok(event);
            }
            let Some(chunk) = self.client.chunk(&route, &mut connection.response).await? else {
                return Err(ClientError::Unreachable {
                    host: self.client.host(),
                    route,
                    reason: "the stream ended before the task did".into(),
                    timed_out: false,
                });
            };
            let messages = connection.parser.push(&chunk);
            connection.ready.extend(messages.map_err(|reason| self.client.bad_answer(&route, reason))?);
        }
    }

    async fn open(&self, route: &str) -> Result<Response, ClientError> {
        let path = format!("/v1/tasks/{}/events", self.task);
        let mut request = self.client.request(&Method::GET, &path, None)?.header(ACCEPT, "text/event-stream");
        if let Some(last) = self.last {
            request = request.header("last-event-id", last);
        }
        let bound = self.client.inner.options.request_timeout;
        let open = async {
            let response = request.send().await.map_err(|e| self.client.unreachable(route, &e))?;
            self.client.check(route, response).await
        };
        self.client.within(route, bound, open).await
    }
}

impl Client {
    fn read_event(&self, route: &str, message: &Message) -> Result<TaskEvent, ClientError> {
        let bad = |error: serde_json::Error| {
            self.bad_answer(route, format!("an event's data is not JSON of a task: {:?} error", error.classify()))
        };
        if message.event == "error" {
            let error = serde_json::from_str(&message.data).map_err(bad)?;
            return Err(self.refused(route, error, None));
        }
        serde_json::from_str(&message.data).map_err(bad)
    }
}

/// A server-sent event as it arrives.
#[derive(Debug, Default, PartialEq, Eq)]
struct Message {
    event: String,
    data: String,
}

/// Splits a byte stream into server-sent events (WHATWG HTML, section 9.2): lines end with LF, CR or CRLF, comments
/// start with a colon, an empty line ends an event.
#[derive(Debug, Default)]
struct Parser {
    line: Vec<u8>,
    event: String,
    data: String,
    has_data: bool,
    after_cr: bool,
}

impl Parser {
    fn push(&mut self, bytes: &[u8]) -> Result<Vec<Message>, String> {
        let mut messages = Vec::new();
        for &byte in bytes {
            let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut self.line);
                    messages.extend(self.end_line(&line)?);
                }
                _ => self.line.push(byte),
            }
            if self.line.len() + self.data.len() > MAX_EVENT {
                return Err(format!("an event is larger than {MAX_EVENT} bytes"));
            }
        }
        Ok(messages)
    }

    fn end_line(&mut self, line: &[u8]) -> Result<Option<Message>, String> {
        if line.is_empty() {
            let (event, data) = (std::mem::take(&mut self.event), std::mem::take(&mut self.data));
            return Ok(std::mem::take(&mut self.has_data).then_some(Message { event, data }));
        }
        let line = std::str::from_utf8(line).map_err(|_| "an event is not UTF-8".to_owned())?;
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.data.push_str(value);
                self.has_data = true;
            }
            "event" => value.clone_into(&mut self.event),
            _ => {}
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datas(chunks: &[&[u8]]) -> Vec<String> {
        let mut parser = Parser::default();
        chunks.iter().flat_map(|chunk| parser.push(chunk).unwrap()).map(|message| message.data).collect()
    }

    #[test]
    fn events_survive_any_cut_and_line_end() {
        let text =
            b": ping\n\nid: 1\nevent: changed\ndata: {\"a\":\ndata:1}\n\nretry: 5\n\ndata: two\r\n\r\ndata: three\r\r";
        let expected = ["{\"a\":\n1}", "two", "three"];
        assert_eq!(datas(&[text]), expected);
        for cut in 0..text.len() {
            assert_eq!(datas(&[&text[..cut], &text[cut..]]), expected, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(datas(&bytes), expected);
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut parser = Parser::default();
        let chunk = vec![b'x'; 1024 * 1024];
        assert!((0..8).any(|_| parser.push(&chunk).is_err()));
    }
}
