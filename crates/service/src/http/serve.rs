//! Connections: accepted up to a number, dropped when their head is late or their client does not read, finished in
//! good order when the service stops.

use super::{App, router};
use axum::{Router, extract::ConnectInfo};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context as Poller, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, Sleep},
};
use tower::ServiceExt;

/// Largest head of a request, in bytes.
const MAX_HEAD: usize = 32 * 1024;
/// Most headers of a request.
const MAX_HEADERS: usize = 64;
/// How often what has expired is forgotten.
const SWEEP: Duration = Duration::from_secs(60);

/// Serves until the app is told to stop, then lets what is under way finish, for a while.
pub async fn serve(app: App, listener: TcpListener) {
    let router = router(app.clone());
    let graceful = GracefulShutdown::new();
    let stop = app.stop().clone();
    // Dropped with this function, and all that is still in it.
    let mut tasks = JoinSet::new();
    tasks.spawn(sweep(app.clone()));
    loop {
        while tasks.try_join_next().is_some() {}
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file handles, or a connection that was gone before it was accepted: neither ends the service.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let ip = peer.ip().to_canonical();
        let is_proxy = app.settings().trusted_proxies.contains(&ip);
        // A full house waits: the operating system holds those at the door.
        let permit = tokio::select! {
            () = stop.cancelled() => break,
            permit = app.rates().connection(ip, is_proxy) => permit,
        };
        let Some(permit) = permit else {
            tracing::debug!(%ip, "too many connections from one place");
            continue;
        };
        let connection = graceful.watch(connection(&app, router.clone(), stream, peer));
        tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::trace!(%error, "a connection broke");
            }
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(app.bounds().grace, graceful.shutdown()).await.is_err() {
        tracing::warn!(seconds = app.bounds().grace.as_secs(), "requests still under way are cut off");
    }
}

/// Forgets what has expired, now and then.
async fn sweep(app: App) {
    while tokio::time::timeout(SWEEP, app.stop().cancelled()).await.is_err() {
        app.rates().sweep();
        app.metrics().run_upkeep();
    }
}

fn connection(
    app: &App,
    router: Router,
    stream: TcpStream,
    peer: SocketAddr,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> + Send + use<> {
    // Answers are small: waiting to fill a packet only delays them.
    let _ = stream.set_nodelay(true);
    let service = router.map_request(move |request: hyper::Request<hyper::body::Incoming>| {
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        request
    });
    let bounds = app.bounds();
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(Impatient::new(stream, bounds.idle)), TowerToHyperService::new(service))
}

/// A connection that breaks when its client does not take what is written to it. Reading has its own bounds: a client
/// that waits for an answer has nothing to send.
struct Impatient<S> {
    stream: S,
    patience: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> Impatient<S> {
    fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, waiting: None }
    }

    /// Passes `progress` on; if there was none for too long, breaks the connection.
    fn judge<T>(&mut self, cx: &mut Poller<'_>, progress: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.waiting = None;
            return progress;
        }
        let until = Instant::now() + self.patience;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        ready!(waiting.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Poller<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Poller<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(cx, data);
        self.judge(cx, progress)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Poller<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write_vectored(cx, data);
        self.judge(cx, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<io::Result<()>> {
        let progress = Pin::new(&mut self.stream).poll_flush(cx);
        self.judge(cx, progress)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<io::Result<()>> {
        let progress = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.judge(cx, progress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_dropped_and_a_slow_one_is_not() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut near = Impatient::new(near, Duration::from_secs(30));
        let writer = tokio::spawn(async move { near.write_all(&[0; 1024]).await });
        let mut taken = [0; 64];
        for _ in 0..8 {
            tokio::time::sleep(Duration::from_secs(29)).await;
            far.read_exact(&mut taken).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(31)).await;
        assert_eq!(writer.await.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
