//! What is long can be spawned: its futures may move between threads.

#![allow(clippy::unwrap_used)]

use std::{sync::Arc, time::Duration};
use zkpool_chain::{
    Cursor, Follower, Key, MemoryJournal, PoolView, Rpc, Sender, SenderOptions, TaskHistory, TxRequest,
};
use zkpool_protocol::{Address, B256, Domain};

fn sendable<T: Send>(_: T) {}

#[test]
fn futures_may_move_between_threads() {
    let rpc = Rpc::new("http://127.0.0.1:1").unwrap();
    let pool = Address::ZERO;
    let view = PoolView::new(rpc.clone(), Domain { chain_id: 1, pool });
    let journal = Arc::new(MemoryJournal::new());
    let sender = Sender::new(rpc.clone(), 1, Key::random(), journal, SenderOptions::default());
    sendable(sender.tick());
    sendable(sender.send(TxRequest::call("a", pool, Vec::new()), Duration::ZERO));
    let mut follower = Follower::new(rpc.clone(), pool);
    let cursor = Cursor::starting_at(0);
    sendable(follower.poll(&cursor));
    sendable(TaskHistory::new(rpc, pool, B256::ZERO, 0).read());
    sendable(view.slot(pool, pool, 0));
    sendable(view.simulate_target(pool, Vec::new().into(), 0));
}
