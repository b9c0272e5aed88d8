//! The four tasks.

use crate::{
    actors::{Actor, Operator, Scenery, start_prover, text},
    chainlog::{self, Entry},
    error::{Attempt, DemoError, Result},
    process::Process,
    report::{Outcome, TaskReport, amount},
    semaphore::{Circuit, Member, OnChain, ProofValidated, Signal, random},
};
use alloy::{
    primitives::{Address, U256},
    signers::SignerSync,
    sol_types::SolEvent,
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use zkpool_api::{Client, ClientOptions, TaskView};
use zkpool_bindings::IZKPool;
use zkpool_protocol::{JobState, ProofKind, Quote, SignedQuote, Task, TaskId, Terms};

/// How long a command may take that waits for nothing but blocks.
const SOON: Duration = Duration::from_secs(60);
/// What a requester wants if nothing comes, in wei.
const LIABILITY: &str = "1ether";
/// What it wants if it comes late, in wei.
const BOND: &str = "0.2ether";

/// Everything that the scenes share.
pub struct Play<'a> {
    /// Where it is played.
    pub scenery: &'a Scenery,
    /// What is proven.
    pub circuit: Circuit,
    /// The requester's contract, and what belongs to it.
    pub semaphore: OnChain,
    /// Who says something.
    pub member: Member,
    /// The group that it belongs to.
    pub group: U256,
    /// The requester.
    pub requester: Actor,
}

/// A quote that is written to a file, and its id.
struct Quoted {
    file: PathBuf,
    id: TaskId,
    signal: Signal,
}

/// How the demo saw a task end.
struct Seen {
    entries: Vec<Entry>,
    millis: u64,
}

impl Play<'_> {
    /// First: asked, quoted, paid, proven, delivered.
    pub async fn delivered(&self, operators: &[&Operator], processes: &mut [&mut Process]) -> Result<TaskReport> {
        let s = self.scenery;
        s.timeline.title("1  A proof is bought and delivered");
        let quoted = self.quote("one", operators, s.stage.weth, 60, 180).await?;
        let seen = self.publish(&quoted, operators, "prove", SOON, processes).await?;
        let delivery = seen.last()?;
        if !chainlog::logged(&s.stage, delivery.tx, self.semaphore.semaphore, ProofValidated::SIGNATURE_HASH).await? {
            return Err(DemoError::new("looking for Semaphore's own event", "ProofValidated was not logged"));
        }
        s.timeline.say("chain", "Semaphore emitted ProofValidated: the requester's unchanged contract has its proof");
        self.report(&quoted, "bought and delivered", Outcome::Done, seen, operators[0]).await
    }

    /// Second: the provers die while they work; nobody delivers; the requester collects.
    pub async fn defaulted(&self, operator: &Operator, provers: Vec<Process>) -> Result<TaskReport> {
        let s = self.scenery;
        s.timeline.title("2  The provers are killed while they work");
        let quoted = self.quote("two", &[operator], s.stage.token, 8, 16).await?;
        let client = client(operator)?;
        let id = quoted.id;
        let killed = async {
            let at_work = async || {
                let view = client.task(id).await.ok()?;
                view.jobs.iter().any(|job| job.state == JobState::Leased).then_some(())
            };
            s.wait("a prover to take the job", SOON, &mut [], at_work).await?;
            for prover in provers {
                let name = prover.name().to_owned();
                prover.kill().attempt("killing a prover")?;
                s.timeline.say(&name, "killed (SIGKILL) while the job was in its hands");
            }
            Ok(())
        };
        let told = [operator];
        let (seen, killed) = tokio::join!(self.publish(&quoted, &told, "publish", SOON, &mut []), killed);
        killed?;
        let start = Instant::now();
        s.timeline.say("requester", "waits for the end of the liability window, then collects");
        let task = id.to_string();
        self.run(&["request", "collect", &task, "--wait"], Duration::from_secs(120)).await?;
        let mut seen = seen?;
        seen.entries = chainlog::of(&s.stage, id).await?;
        seen.millis += millis(start);
        seen.expect("collect")?;
        self.report(&quoted, "provers killed, liability collected", Outcome::Defaulted, seen, operator).await
    }

    /// Third: the operator stalls; another one takes the task over.
    pub async fn rescued(
        &self,
        stalling: (&Operator, &mut Process),
        rescuer: (&Operator, &mut Process),
    ) -> Result<TaskReport> {
        let s = self.scenery;
        s.timeline.title("3  The operator stalls, another one takes over");
        let operators = [stalling.0, rescuer.0];
        let quoted = self.quote("three", &operators, s.stage.token, 8, 60).await?;
        stalling.1.pause().attempt("pausing the operator")?;
        s.timeline.say(&stalling.0.owner.name, "stalls (SIGSTOP): it neither works nor answers");
        let seen = self.publish(&quoted, &operators, "prove", Duration::from_secs(90), &mut [rescuer.1]).await;
        stalling.1.resume().attempt("resuming the operator")?;
        let seen = seen?;
        s.timeline.say(&stalling.0.owner.name, "goes on (SIGCONT) and learns that it has lost advance and bond");
        seen.expect("rescue")?;
        self.report(&quoted, "operator stalled, taken over", Outcome::Rescued, seen, rescuer.0).await
    }

    /// Fourth: an operator signs one slot twice. The second requester is paid in the transaction that finds out.
    pub async fn dishonoured(&self, crook: &Actor, other: &Actor) -> Result<[TaskReport; 2]> {
        let s = self.scenery;
        s.timeline.title("4  An operator signs one slot twice");
        let token = s.stage.weth.to_string();
        let address = crook.address().to_string();
        for args in [
            &["operator", "set-signer", &address][..],
            &["operator", "deposit", "2ether", "--token", &token],
            &["operator", "open-slot", "0", "--token", &token, "--collateral", "1.5ether", "--honour", "0.1ether"],
        ] {
            s.run(crook, args, SOON).await?;
        }
        let first = self.signed_by_hand(crook, &self.requester, "four-a").await?;
        let second = self.signed_by_hand(crook, other, "four-b").await?;
        s.timeline.say(&crook.name, "has promised its only slot to two requesters; each sees that it is backed");
        // Both look, both find the slot free, both publish: as it happens when two transactions wait for one block.
        s.stage.set_interval(0).await?;
        let clock = Instant::now();
        let (a, b, mined) = tokio::join!(
            self.publish_as(&self.requester, &first, "publish"),
            self.publish_as(other, &second, "publish"),
            async {
                let both = async || (s.stage.waiting().await.ok()? >= 2).then_some(());
                let waited = s.wait("both publications to be in the mempool", SOON, &mut [], both).await;
                let mined = s.stage.anvil.mine(1).await.attempt("mining a block");
                s.stage.set_interval(1).await?;
                waited.and(mined)
            }
        );
        mined?;
        a.and(b)?;
        let (a, b) = (chainlog::of(&s.stage, first.id).await?, chainlog::of(&s.stage, second.id).await?);
        let ((kept, keeper, kept_log), (broken, victim, broken_log)) = match a.iter().any(|e| e.name == "dishonoured") {
            false => ((&first, &self.requester, a), (&second, other, b)),
            true => ((&second, other, b), (&first, &self.requester, a)),
        };
        let event = broken_log.iter().find(|e| e.name == "dishonoured").attempt("looking for the breach")?;
        let event = IZKPool::Dishonoured::decode_log(&event.log.inner).attempt("reading the breach")?;
        let (paid, burned) = (amount(event.paid), amount(event.burned));
        s.timeline.say(&victim.name, format!("got its reward back and {paid} WETH of honour at once; {burned} burned"));
        let dishonoured = Seen { entries: broken_log, millis: millis(clock) };
        let dishonoured =
            self.report_of(broken, "one slot signed twice", Outcome::Dishonoured, dishonoured, None).await?;

        s.timeline.say(&keeper.name, "has the slot, but nobody proves for such an operator: it collects");
        let task = kept.id.to_string();
        s.run(keeper, &["request", "collect", &task, "--wait"], Duration::from_secs(120)).await?;
        let entries = chainlog::of(&s.stage, kept.id).await?;
        let mut seen = Seen { entries: kept_log, millis: millis(clock) };
        seen.entries = entries;
        seen.expect("collect")?;
        let kept = self.report_of(kept, "the slot's other promise", Outcome::Defaulted, seen, None).await?;
        Ok([dishonoured, kept])
    }

    // ---- steps ----

    async fn run(&self, args: &[&str], bound: Duration) -> Result<Value> {
        Ok(self.scenery.run(&self.requester, args, bound).await?.value)
    }

    /// Asks `operators` for a quote on a fresh signal; the best one is written to a file.
    async fn quote(
        &self,
        name: &str,
        operators: &[&Operator],
        token: Address,
        proof_window: u32,
        liability_window: u32,
    ) -> Result<Quoted> {
        let s = self.scenery;
        let signal = self.circuit.signal(&s.dir, &self.member, self.group)?;
        let file = s.dir.join(format!("quote-{name}.json"));
        let chain = self.semaphore;
        let target = chain.semaphore.to_string();
        let (verifier, encoder) = (chain.verifier.to_string(), chain.encoder.to_string());
        let (prefix, statement, token) =
            (signal.call.prefix.to_string(), signal.statement.to_string(), token.to_string());
        let (proof, liability) = (format!("{proof_window}s"), format!("{liability_window}s"));
        let mut args = vec!["request", "quote", "--out", text(&file)?];
        args.extend(["--zkey", text(&self.circuit.zkey)?, "--wasm", text(&self.circuit.wasm)?]);
        args.extend(["--inputs", text(&signal.inputs)?, "--statement", &statement]);
        args.extend(["--target", &target, "--verifier", &verifier, "--encoder", &encoder, "--call-prefix", &prefix]);
        args.extend(["--call-gas", "600000", "--token", &token, "--liability", LIABILITY, "--bond", BOND]);
        args.extend(["--burn", "0.05ether", "--proof-window", &proof, "--liability-window", &liability]);
        args.extend(operators.iter().flat_map(|operator| ["--operator", operator.url.as_str()]));
        s.timeline.say("requester", format!("asks {} for a proof within {proof}", names(operators)));
        self.run(&args, SOON).await?;
        let signed = read_quote(&file)?;
        let id = signed.quote.id(&s.stage.domain);
        let terms = &signed.quote.terms;
        let who = operators.iter().find(|o| o.owner.address() == terms.operator).map_or("?", |o| &o.owner.name);
        let price = amount(U256::from(terms.reward));
        s.timeline.say(who, format!("signs: {price} for proof {id:.10}, {LIABILITY} if it never comes"));
        Ok(Quoted { file, id, signal })
    }

    /// Publishes and watches the chain until `end`.
    async fn publish(
        &self,
        quoted: &Quoted,
        told: &[&Operator],
        end: &'static str,
        bound: Duration,
        processes: &mut [&mut Process],
    ) -> Result<Seen> {
        let s = self.scenery;
        let watching = async {
            let mut known = 0;
            let mut published = None;
            let look = async || {
                let entries = chainlog::of(&s.stage, quoted.id).await.ok()?;
                for entry in entries.iter().skip(known) {
                    if entry.name == "publish" {
                        published = Some(Instant::now());
                    }
                    s.timeline.say("chain", told_as(entry.name));
                }
                known = entries.len();
                let done = entries.iter().any(|entry| entry.name == end);
                done.then(|| Seen { millis: published.map_or(0, millis), entries })
            };
            s.wait(&format!("the task's end ({end})"), bound, processes, look).await
        };
        let mut args = vec!["request", "publish", text(&quoted.file)?, "--deposit"];
        args.extend(told.iter().flat_map(|operator| ["--operator", operator.url.as_str()]));
        let (published, seen) = tokio::join!(self.run(&args, SOON), watching);
        published?;
        seen
    }

    async fn publish_as(&self, actor: &Actor, quoted: &Quoted, what: &str) -> Result<()> {
        let ran = self.scenery.run(actor, &["request", what, text(&quoted.file)?, "--deposit"], SOON).await?;
        // 6: the task ended otherwise than delivered, which for one of the two is the point.
        if ran.code != 0 {
            self.scenery.timeline.say(&actor.name, "was told that the operator could not back what it signed");
        }
        Ok(())
    }

    /// A quote that `crook` signs with its own key, without a service that would have kept it from doing so.
    async fn signed_by_hand(&self, crook: &Actor, requester: &Actor, name: &str) -> Result<Quoted> {
        let s = self.scenery;
        let signal = self.circuit.signal(&s.dir, &self.member, self.group)?;
        let chain = self.semaphore;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).attempt("reading the clock")?.as_secs();
        let milli = 1_000_000_000_000_000_u128;
        let quote = Quote {
            terms: Terms {
                requester: requester.address(),
                operator: crook.address(),
                target: chain.semaphore,
                encoder: chain.encoder,
                verifier: chain.verifier,
                call_gas: 600_000,
                proof_window: 5,
                liability_window: 10,
                valid_until: now + 60,
                reward_token: s.stage.weth,
                reward: 5 * milli,
                advance: milli,
                liability_token: s.stage.weth,
                liability: 1_000 * milli,
                bond: 200 * milli,
                burn: 50 * milli,
                honour: 100 * milli,
            },
            task: Task {
                slot: 0,
                statement: signal.statement,
                call_hash: signal.call.hash(),
                input_hash: random().into(),
                salt: random().into(),
            },
        };
        let id = quote.id(&s.stage.domain);
        let signature = crook.signer.sign_hash_sync(&id).attempt("signing a quote")?.as_bytes().into();
        let file = s.dir.join(format!("quote-{name}.json"));
        // As `zkpool request quote --out` writes it.
        let json = serde_json::json!({ "quote": SignedQuote { quote, signature }, "call": signal.call });
        fs::write(&file, json.to_string()).attempt("writing a quote")?;
        Ok(Quoted { file, id, signal })
    }

    async fn report(
        &self,
        quoted: &Quoted,
        title: &'static str,
        outcome: Outcome,
        seen: Seen,
        operator: &Operator,
    ) -> Result<TaskReport> {
        self.report_of(quoted, title, outcome, seen, Some(operator)).await
    }

    async fn report_of(
        &self,
        quoted: &Quoted,
        title: &'static str,
        outcome: Outcome,
        seen: Seen,
        operator: Option<&Operator>,
    ) -> Result<TaskReport> {
        let view: Option<TaskView> = match operator {
            Some(operator) => client(operator)?.task(quoted.id).await.ok(),
            None => None,
        };
        fs::remove_file(&quoted.signal.inputs).attempt("removing a signal's inputs")?;
        Ok(TaskReport {
            id: quoted.id,
            title,
            proof_kind: ProofKind::Groth16Bn254.as_str(),
            target: self.semaphore.semaphore,
            outcome,
            publish_to_done_ms: seen.millis,
            proving_ms: view.and_then(|view| view.timings.proving_ms),
            gas: chainlog::gas(&self.scenery.stage, &seen.entries).await?,
        })
    }
}

impl Seen {
    fn last(&self) -> Result<&Entry> {
        self.entries.iter().rev().find(|entry| entry.name == "prove").attempt("looking for the delivery")
    }

    fn expect(&self, name: &str) -> Result<()> {
        let names: Vec<_> = self.entries.iter().map(|entry| entry.name).collect();
        match names.contains(&name) {
            true => Ok(()),
            false => Err(DemoError::new(format!("looking for `{name}` on chain"), format!("there is {names:?}"))),
        }
    }
}

/// Starts both provers of an operator.
pub fn start_provers(scenery: &Scenery, provers: &[Actor], operator: &Operator) -> Result<Vec<Process>> {
    provers.iter().map(|prover| start_prover(scenery, prover, operator, &[])).collect()
}

/// A client that only looks.
fn client(operator: &Operator) -> Result<Client> {
    Client::anonymous(&operator.url, ClientOptions::default()).attempt("connecting to a service")
}

fn read_quote(file: &Path) -> Result<SignedQuote> {
    let what = format!("reading {}", file.display());
    let value: Value = serde_json::from_slice(&fs::read(file).attempt(&what)?).attempt(&what)?;
    let quote = if value.get("signature").is_some() { value } else { value["quote"].clone() };
    serde_json::from_value(quote).attempt(what)
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn names(operators: &[&Operator]) -> String {
    operators.iter().map(|operator| operator.owner.name.as_str()).collect::<Vec<_>>().join(" and ")
}

fn told_as(event: &str) -> &'static str {
    match event {
        "publish" => "Published: the reward is paid, the liability locked",
        "prove" => "Delivered: the proof was accepted, the money has moved",
        "target_failed" => "TargetFailed: the proof was accepted, the target's call was not",
        "rescue" => "RescueAnnounced: another operator has put up its own collateral",
        "novate" => "Novated: the task has changed hands, the first operator has paid for it",
        "collect" => "Defaulted: refund and liability are the requester's",
        "dishonoured" => "Dishonoured: honour is paid",
        _ => "Unwound",
    }
}
