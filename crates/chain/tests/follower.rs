//! The follower against a real anvil: nothing missed, nothing twice, reorganisations undone.

#![allow(clippy::unwrap_used, clippy::too_many_lines)]

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use support::{Deed, EMITTER, Proxy, chain, hasty, publish};
use zkpool_chain::{Cursor, Follower, FollowerOptions, PoolEvent, Rpc, Step, testing::Anvil};
use zkpool_protocol::ErrorCode;

/// Small enough for every way of reading to be used.
fn small() -> FollowerOptions {
    FollowerOptions { unsettled: 6, max_range: 4, batch: 3, remember: 8 }
}

/// A reader that applies steps as a service would, and stores the cursor as one would.
struct Reader {
    follower: Follower,
    cursor: String,
    /// (block, task)
    seen: Vec<(u64, u64)>,
    rollbacks: u64,
}

impl Reader {
    fn new(rpc: Rpc) -> Self {
        let follower = Follower::with_options(rpc, EMITTER, small());
        let cursor = serde_json::to_string(&Cursor::starting_at(0)).unwrap();
        Self { follower, cursor, seen: Vec::new(), rollbacks: 0 }
    }

    async fn poll(&mut self) -> Result<bool, zkpool_chain::ChainError> {
        let cursor: Cursor = serde_json::from_str(&self.cursor).unwrap();
        let polled = self.follower.poll(&cursor).await?;
        for step in &polled.steps {
            match step {
                Step::Rollback { to } => {
                    self.rollbacks += 1;
                    self.seen.retain(|(block, _)| block <= to);
                }
                Step::Block(block) => {
                    assert!(self.seen.last().is_none_or(|(last, _)| *last < block.number), "in order");
                    for event in &block.events {
                        assert!(block.timestamp > 0 && !event.transaction.is_zero());
                        let PoolEvent::Published { task, slot: 3, .. } = &event.event else {
                            panic!("a stranger: {event:?}")
                        };
                        let n: alloy::primitives::U256 = (*task).into();
                        self.seen.push((block.number, n.to()));
                    }
                }
            }
        }
        self.cursor = serde_json::to_string(&polled.cursor).unwrap();
        Ok(polled.caught_up())
    }

    async fn catch_up(&mut self) {
        for _ in 0..200 {
            if self.poll().await.unwrap() {
                return;
            }
        }
        panic!("it never catches up");
    }

    fn tasks(&self) -> Vec<u64> {
        self.seen.iter().map(|(_, n)| *n).collect()
    }
}

async fn publish_all(chain: &Anvil, tasks: std::ops::Range<u64>) {
    for n in tasks {
        publish(chain, n).await;
    }
}

#[tokio::test]
async fn everything_is_seen_once_and_in_order_however_far_behind() {
    let chain = chain().await;
    publish_all(&chain, 0..3).await;
    chain.mine(30).await.unwrap();
    publish_all(&chain, 3..9).await;
    chain.mine(5).await.unwrap();
    publish_all(&chain, 9..12).await;
    let mut reader = Reader::new(chain.rpc());
    reader.catch_up().await;
    assert_eq!(reader.tasks(), (0..12).collect::<Vec<_>>());
    publish_all(&chain, 12..14).await;
    reader.catch_up().await;
    assert_eq!(reader.tasks(), (0..14).collect::<Vec<_>>());
    assert_eq!(reader.rollbacks, 0);
}

#[tokio::test]
async fn a_poll_from_a_stored_cursor_gives_the_same_steps_again() {
    let chain = chain().await;
    publish_all(&chain, 0..2).await;
    let mut reader = Reader::new(chain.rpc());
    reader.catch_up().await;
    let stored = reader.cursor.clone();
    publish_all(&chain, 2..4).await;
    reader.catch_up().await;
    // As after a crash between reading and storing.
    let mut again = Reader::new(chain.rpc());
    again.cursor = stored;
    again.catch_up().await;
    assert_eq!(again.tasks(), [2, 3]);
}

#[tokio::test]
async fn a_reorganisation_is_undone_down_to_the_fork() {
    let chain = chain().await;
    publish_all(&chain, 0..5).await;
    let mut reader = Reader::new(chain.rpc());
    reader.catch_up().await;
    // The last two blocks are replaced by empty ones: their events are gone.
    chain.reorganise(2).await.unwrap();
    reader.catch_up().await;
    assert_eq!(reader.tasks(), [0, 1, 2]);
    assert_eq!(reader.rollbacks, 1);
    publish_all(&chain, 7..8).await;
    reader.catch_up().await;
    assert_eq!(reader.tasks(), [0, 1, 2, 7]);
}

#[tokio::test]
async fn a_chain_that_grew_again_after_a_rollback_is_read_again() {
    let chain = chain().await;
    publish_all(&chain, 0..5).await;
    let mut reader = Reader::new(chain.rpc());
    reader.catch_up().await;
    chain.roll_back(3).await.unwrap();
    // Shorter but the same branch: nothing can be said yet, and nothing is wrong.
    reader.poll().await.unwrap();
    assert_eq!((reader.tasks(), reader.rollbacks), (vec![0, 1, 2, 3, 4], 0));
    // Still shorter, and now another branch.
    publish_all(&chain, 20..21).await;
    reader.catch_up().await;
    assert_eq!((reader.tasks(), reader.rollbacks), (vec![0, 1, 20], 1));
    publish_all(&chain, 21..26).await;
    reader.catch_up().await;
    assert_eq!(reader.tasks(), [0, 1, 20, 21, 22, 23, 24, 25]);
}

#[tokio::test]
async fn a_reorganisation_deeper_than_anything_remembered_starts_over() {
    let chain = chain().await;
    publish_all(&chain, 0..14).await;
    let mut reader = Reader::new(chain.rpc());
    reader.catch_up().await;
    chain.roll_back(12).await.unwrap();
    publish_all(&chain, 30..44).await;
    reader.catch_up().await;
    assert_eq!(reader.rollbacks, 1);
    assert_eq!(reader.tasks(), [0, 1].into_iter().chain(30..44).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_endpoint_that_limits_ranges_is_asked_for_less_and_nothing_is_missed() {
    let chain = chain().await;
    for n in 0..6 {
        publish(&chain, n).await;
        chain.mine(4).await.unwrap();
    }
    chain.mine(10).await.unwrap();
    let refused = Arc::new(AtomicU64::new(0));
    let count = refused.clone();
    let proxy = Proxy::before(&chain, move |method, params| {
        if method == "eth_getLogs" {
            let number = |key: &str| {
                let text = params[0][key].as_str()?;
                u64::from_str_radix(text.trim_start_matches("0x"), 16).ok()
            };
            if let (Some(from), Some(to)) = (number("fromBlock"), number("toBlock"))
                && to - from >= 2
            {
                count.fetch_add(1, Ordering::SeqCst);
                return Deed::Refuse("query returned more than 10000 results");
            }
        }
        Deed::Forward
    })
    .await;
    let mut reader = Reader::new(hasty(&proxy.url));
    reader.catch_up().await;
    assert_eq!(reader.tasks(), (0..6).collect::<Vec<_>>());
    assert!(refused.load(Ordering::SeqCst) > 0, "the limit was met");
}

#[tokio::test]
async fn an_endpoint_that_dies_and_comes_back_leaves_no_gap() {
    let chain = chain().await;
    publish_all(&chain, 0..2).await;
    let proxy = Proxy::before(&chain, |_, _| Deed::Forward).await;
    let mut reader = Reader::new(hasty(&proxy.url));
    reader.catch_up().await;
    proxy.judge(|_, _| Deed::Hang);
    publish_all(&chain, 2..4).await;
    let error = reader.poll().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::RpcUnreachable);
    assert!(error.is_transient());
    // Comes back, but cannot read logs yet.
    proxy.judge(|method, _| if method == "eth_getLogs" { Deed::Status(503) } else { Deed::Forward });
    assert_eq!(reader.poll().await.unwrap_err().code(), ErrorCode::RpcUnreachable);
    proxy.judge(|_, _| Deed::Forward);
    reader.catch_up().await;
    assert_eq!(reader.tasks(), [0, 1, 2, 3]);
}
