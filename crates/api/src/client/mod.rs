//! The typed client of an operator's service.
//!
//! Every wait has a bound. Calls that can be repeated without harm are repeated when the service cannot be reached or
//! asks to be called later; `claim` is not, because a lost answer may hold a job. Tokens are renewed on the way. Neither
//! tokens nor bodies are ever logged.

mod blobs;
mod call;
mod error;
mod events;
mod reach;
mod session;

pub use error::ClientError;
pub use events::TaskEvents;
pub use reach::{Reach, is_public};
pub use session::Identity;

use crate::{
    AttestationReply, AttestationRequest, AttestationsQuery, AttestationsReply, ClaimReply, ClaimRequest,
    EarmarksReply, FailReply, FailRequest, HeartbeatReply, HeartbeatRequest, Info, JoinReply, JoinRequest,
    LeaveRequest, ProgramView, PublishedReply, PublishedRequest, QuoteReply, QuoteRequest, QuoteStatus, ReceiptsQuery,
    ReceiptsReply, RequestId, ResultReply, ResultRequest, TaskPayReply, TaskView, TrancheReply, TranchesReply,
};
use call::Call;
use session::Token;
use std::{sync::Arc, time::Duration};
use tokio::sync::Mutex;
use zkpool_protocol::{Address, JobId, ProgramId, ProgramManifest, TaskId};

/// Bounds and habits of a client.
#[derive(Clone, Debug)]
pub struct Options {
    /// The chain that the caller works on; signing in at a service of another chain is refused.
    pub chain_id: Option<u64>,
    /// Where it may connect to.
    pub reach: Reach,
    /// Bound on connecting.
    pub connect_timeout: Duration,
    /// Bound on a whole call, except transfers, claims and event streams.
    pub request_timeout: Duration,
    /// Bound on the time without a byte in a transfer or an event stream.
    pub idle_timeout: Duration,
    /// Bound on a signature by the caller's key.
    pub sign_timeout: Duration,
    /// The slowest transfer that is waited for, in bytes per second.
    pub min_bytes_per_second: u64,
    /// How often a call that can be repeated is repeated.
    pub retries: u32,
    /// Wait before the first repetition; doubles with each, with jitter.
    pub retry_wait: Duration,
    /// Longest wait before a repetition; a service that asks for a longer one gets its error returned.
    pub max_retry_wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            chain_id: None,
            reach: Reach::Anywhere,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(45),
            sign_timeout: Duration::from_secs(120),
            min_bytes_per_second: 16 * 1024,
            retries: 4,
            retry_wait: Duration::from_millis(200),
            max_retry_wait: Duration::from_secs(5),
        }
    }
}

/// A connection to one operator's service. Cheap to clone; clones share connections and token.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    base: reqwest::Url,
    http: reqwest::Client,
    identity: Option<Identity>,
    token: Mutex<Option<Token>>,
    options: Options,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("host", &self.host()).field("identity", &self.inner.identity).finish()
    }
}

impl Client {
    /// A client that can do what anyone may do.
    pub fn anonymous(url: &str, options: Options) -> Result<Self, ClientError> {
        Self::build(url, None, options)
    }

    /// A client that signs in as `identity` when a call needs it.
    pub fn new(url: &str, identity: Identity, options: Options) -> Result<Self, ClientError> {
        Self::build(url, Some(identity), options)
    }

    fn build(url: &str, identity: Option<Identity>, options: Options) -> Result<Self, ClientError> {
        let base = base_of(url, options.reach)?;
        let http = reqwest::Client::builder()
            .user_agent(concat!("zkpool/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(options.connect_timeout)
            .pool_idle_timeout(Duration::from_secs(30))
            // A redirect could carry the token elsewhere.
            .redirect(reqwest::redirect::Policy::none());
        // A machine without root certificates can still talk to its own service.
        let http = if base.scheme() == "http" { http.tls_certs_only([]) } else { http };
        let http = match options.reach {
            Reach::Anywhere => http,
            Reach::Public => http.dns_resolver(Arc::new(reach::PublicOnly)).no_proxy(),
        };
        let http = http.build().map_err(|error| ClientError::Tls { reason: call::innermost(&error) })?;
        Ok(Self { inner: Arc::new(Inner { base, http, identity, token: Mutex::new(None), options }) })
    }

    /// Whether a client could be made for this address. Nobody is asked, so a name may still lead to where `reach` does
    /// not.
    ///
    /// # Errors
    /// [`ClientError::BadUrl`].
    pub fn check_url(url: &str, reach: Reach) -> Result<(), ClientError> {
        base_of(url, reach).map(drop)
    }

    /// Where a client made for this address calls: one text for one service, however it was written down.
    ///
    /// # Errors
    /// As [`Client::check_url`].
    pub fn base_of(url: &str, reach: Reach) -> Result<String, ClientError> {
        let mut base = base_of(url, reach)?;
        // The root's dot changes nothing about where a name leads.
        if let Some(host) = base.host_str().and_then(|host| host.strip_suffix('.')).map(str::to_owned) {
            let _ = base.set_host(Some(&host));
        }
        Ok(base.as_str().trim_end_matches('/').to_owned())
    }

    /// The service's address.
    pub fn url(&self) -> &str {
        self.inner.base.as_str()
    }

    /// The address that this client signs in with.
    pub fn address(&self) -> Option<Address> {
        self.inner.identity.as_ref().map(Identity::address)
    }

    /// `host:port`, as it stands in error messages.
    fn host(&self) -> String {
        self.inner.base.authority().to_owned()
    }

    /// Who the operator is and what it takes.
    pub async fn info(&self) -> Result<Info, ClientError> {
        self.send(&Call::get("/v1/info").anonymous()).await
    }

    /// Registers a program whose blobs have been uploaded. Registering it again changes nothing.
    pub async fn register_program(&self, manifest: &ProgramManifest) -> Result<ProgramView, ClientError> {
        self.send(&Call::post("/v1/programs").json(manifest).timeout(self.inner.options.request_timeout * 4)).await
    }

    /// A registered program.
    pub async fn program(&self, id: ProgramId) -> Result<ProgramView, ClientError> {
        self.send(&Call::get(format!("/v1/programs/{id}"))).await
    }

    /// Asks for a quote. The service waits for the preflight for up to 20 s; after that the answer's status is
    /// `preflight`. The same request gives the same quote.
    pub async fn request_quote(&self, request: &QuoteRequest) -> Result<QuoteReply, ClientError> {
        let timeout = self.inner.options.request_timeout + Duration::from_secs(crate::MAX_QUOTE_WAIT.into());
        self.send(&Call::post("/v1/quotes").json(request).timeout(timeout)).await
    }

    /// How far a request for a quote is.
    pub async fn quote(&self, request: RequestId) -> Result<QuoteReply, ClientError> {
        self.send(&Call::get(format!("/v1/quotes/{request}"))).await
    }

    /// Asks for a quote and polls until the preflight is over, for at most `bound` (plus one call).
    pub async fn quote_within(&self, request: &QuoteRequest, bound: Duration) -> Result<QuoteReply, ClientError> {
        let end = tokio::time::Instant::now() + bound;
        let mut reply = self.request_quote(request).await?;
        let mut wait = Duration::from_millis(250);
        while reply.status == QuoteStatus::Preflight {
            if tokio::time::Instant::now() + wait > end {
                return Err(ClientError::Unreachable {
                    host: self.host(),
                    route: "POST /v1/quotes".into(),
                    reason: format!("the preflight was not over within {} s", bound.as_secs()),
                    timed_out: true,
                });
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(2));
            reply = self.quote(reply.request).await?;
        }
        Ok(reply)
    }

    /// Tells of a quote that was published with another operator.
    pub async fn published(&self, request: &PublishedRequest) -> Result<PublishedReply, ClientError> {
        self.send(&Call::post("/v1/published").json(request)).await
    }

    /// What a task is at.
    pub async fn task(&self, id: TaskId) -> Result<TaskView, ClientError> {
        self.send(&Call::get(format!("/v1/tasks/{id}")).anonymous()).await
    }

    /// Offers a device's work.
    pub async fn join(&self, request: &JoinRequest) -> Result<JoinReply, ClientError> {
        self.send(&Call::post("/v1/provers/join").json(request)).await
    }

    /// Takes a device's offer back.
    pub async fn leave(&self, request: &LeaveRequest) -> Result<(), ClientError> {
        self.send_empty(&Call::post("/v1/provers/leave").json(request)).await
    }

    /// Lets a prover in again that was put out: for the operator itself, with either of its keys.
    pub async fn readmit(&self, prover: Address) -> Result<(), ClientError> {
        self.send_empty(&Call::post(format!("/v1/provers/{prover}/readmit"))).await
    }

    /// Waits for a job, at most `request.wait` seconds (plus the bound on a call). Not repeated: if the answer is lost,
    /// the next claim gets the job back, because it is not in `holding`.
    pub async fn claim(&self, request: &ClaimRequest) -> Result<ClaimReply, ClientError> {
        let timeout = self.inner.options.request_timeout + Duration::from_secs(request.wait.into());
        self.send(&Call::post("/v1/jobs/claim").once().json(request).timeout(timeout)).await
    }

    /// Renews a lease.
    pub async fn heartbeat(&self, job: JobId, request: &HeartbeatRequest) -> Result<HeartbeatReply, ClientError> {
        self.send(&Call::post(format!("/v1/jobs/{job}/heartbeat")).json(request)).await
    }

    /// Hands a proof in. Handing the same one in again gives the same answer.
    pub async fn result(&self, job: JobId, request: &ResultRequest) -> Result<ResultReply, ClientError> {
        self.send(&Call::post(format!("/v1/jobs/{job}/result")).json(request)).await
    }

    /// Gives a job up.
    pub async fn fail(&self, job: JobId, request: &FailRequest) -> Result<FailReply, ClientError> {
        self.send(&Call::post(format!("/v1/jobs/{job}/fail")).json(request)).await
    }

    /// What is set apart for a prover.
    pub async fn earmarks(&self, prover: Address) -> Result<EarmarksReply, ClientError> {
        self.send(&Call::get(format!("/v1/pay/provers/{prover}")).anonymous()).await
    }

    /// A prover's receipts: its own all of them, of others those of tasks that have ended.
    pub async fn receipts(&self, prover: Address, query: &ReceiptsQuery) -> Result<ReceiptsReply, ClientError> {
        let call = Call::get(format!("/v1/pay/provers/{prover}/receipts"));
        let call = if self.address() == Some(prover) { call } else { call.anonymous() };
        self.send(&call.query("tranche", query.tranche).query("after", query.after)).await
    }

    /// All tranches of the operator.
    pub async fn tranches(&self) -> Result<TranchesReply, ClientError> {
        self.send(&Call::get("/v1/pay/tranches").anonymous()).await
    }

    /// A tranche with everybody who is in it.
    pub async fn tranche(&self, index: u64) -> Result<TrancheReply, ClientError> {
        self.send(&Call::get(format!("/v1/pay/tranches/{index}")).anonymous()).await
    }

    /// What a task that has ended has paid.
    pub async fn task_pay(&self, id: TaskId) -> Result<TaskPayReply, ClientError> {
        self.send(&Call::get(format!("/v1/pay/tasks/{id}")).anonymous()).await
    }

    /// Waits for receipts that the caller should sign as a member of a committee, at most `query.wait` seconds (plus the
    /// bound on a call).
    pub async fn attestations(&self, query: &AttestationsQuery) -> Result<AttestationsReply, ClientError> {
        let timeout = self.inner.options.request_timeout + Duration::from_secs(query.wait.into());
        let mut call = Call::get("/v1/attestations").query("verifier", query.verifier).query("wait", query.wait);
        if let Some(after) = query.after {
            call = call.query("after", after);
        }
        self.send(&call.timeout(timeout)).await
    }

    /// Signs for a receipt. The same signature again gives the same answer.
    pub async fn attest(&self, request: &AttestationRequest) -> Result<AttestationReply, ClientError> {
        self.send(&Call::post("/v1/attestations").json(request)).await
    }
}

fn base_of(url: &str, reach: Reach) -> Result<reqwest::Url, ClientError> {
    let error = |reason: String| ClientError::BadUrl { url: without_credentials(url), reason };
    let mut base = reqwest::Url::parse(url.trim()).map_err(|e| error(e.to_string()))?;
    if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none_or(str::is_empty) {
        return Err(error("it must start with http:// or https:// and name a host".into()));
    }
    if !base.username().is_empty() || base.password().is_some() {
        return Err(error("it must not contain credentials".into()));
    }
    if reach == Reach::Public {
        if base.scheme() != "https" {
            return Err(error("a stranger's service is called over https:// only".into()));
        }
        if base.host_str().and_then(reach::literal).is_some_and(|address| !is_public(address)) {
            return Err(error("it is no public address".into()));
        }
    }
    base.set_query(None);
    base.set_fragment(None);
    Ok(base)
}

/// The text of an address without what could be a password.
fn without_credentials(url: &str) -> String {
    let text: String = url.chars().take(200).collect();
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => format!("{}…{}", &text[..scheme + 3], &text[at..]),
        _ => text,
    }
}
