//! After the death: everybody goes on as they would, and then it is looked at what has come of it.

use super::{Case, S};
use crate::{
    operator::DOMAIN,
    prover::{Habit, Prover},
};
use zkpool_chain::PoolEvent;
use zkpool_protocol::{JobState, TaskState};
use zkpool_store::{Role, faults::Move};

impl Case {
    /// Starts again, and lets everybody go on as they would.
    pub(in crate::crash) async fn live_on(&mut self) {
        let world = self.pool.world.clone();
        world.hold(false);
        world.force(|ledger, _| {
            ledger.refused = None;
            vec![]
        });
        *self.pool.operator.worker.refusal.lock().unwrap() = None;
        self.pool.operator.restart().await;
        let mut helper = Prover::new(0xc7, Habit::Works(0));
        if !matches!(self.prover.habit, Habit::Works(_)) {
            self.prover.habit = Habit::Works(0);
        }
        let mut settled = 0;
        for round in 0..160 {
            self.requester().await;
            world.mine(match self.role {
                // Past the time after a start in which nothing is promised.
                Role::Own if self.quote.is_none() => 30,
                Role::Own if round < 30 => 1,
                Role::Own => 30,
                Role::Rescue => 10,
                Role::Leg => unreachable!("the chain knows no legs"),
            });
            self.prover.join(&self.pool.operator).await.unwrap();
            helper.join(&self.pool.operator).await.unwrap();
            for prover in [&mut self.prover, &mut helper] {
                prover.claim_and(&self.pool.operator).await.unwrap();
                prover.work(&self.pool.operator).await.unwrap();
            }
            let over = match &self.quote {
                Some(quote) => {
                    let task = self.pool.operator.ctx().store.task(quote.quote.id(&DOMAIN)).await.unwrap();
                    task.is_some_and(|task| task.state.is_final())
                }
                None => false,
            };
            settled = if over { settled + 1 } else { 0 };
            if settled == 4 {
                return;
            }
        }
    }

    /// Asks, publishes, tells, collects: again and again until it has what it wants.
    async fn requester(&mut self) {
        let (world, operator) = (self.pool.world.clone(), &self.pool.operator);
        if self.role == Role::Own {
            if self.quote.is_none() {
                self.ask().await.unwrap();
                self.quote = self.quoted().await;
            }
            let Some(quote) = &self.quote else { return };
            let id = quote.quote.id(&DOMAIN);
            let known = world.ledger().is_live(id) || world.ledger().is_settled(id);
            let sent = world.waiting().iter().any(|purpose| purpose.starts_with("publish"));
            if !known && !sent && world.head().timestamp < quote.quote.terms.valid_until {
                self.pool.publish(quote);
            }
        } else if operator.ctx().store.task(self.id()).await.unwrap().is_none() {
            // The chain may not hold it any more; then there is nothing to tell.
            let _ = self.tell().await;
        }
        let quote = self.quote.as_ref().unwrap();
        let late =
            world.ledger().live_task(self.id()).is_some_and(|live| live.liability_deadline < world.head().timestamp);
        if late && !world.waiting().iter().any(|purpose| purpose.starts_with("collect")) {
            self.pool.collect(quote);
        }
    }

    /// What the service believes is what the chain says, and what could be delivered was.
    pub(in crate::crash) async fn check(&self, name: &str) {
        let state = self.state().await;
        let events = self.pool.world.events_of(self.id());
        let ends: Vec<&PoolEvent> = events.iter().filter(|event| event.is_end()).collect();
        assert!(ends.len() <= 1, "{name}: settled more than once: {events:?}");
        let taken_by = events.iter().rev().find_map(|event| match event {
            PoolEvent::Novated { rescuer, .. } => Some(*rescuer),
            _ => None,
        });
        let ours = self.pool.operator.address();
        let expected = match (ends.first(), self.role) {
            (Some(PoolEvent::Dishonoured { .. }), _) => S::Dishonoured,
            (Some(_), Role::Own) if taken_by.is_some() => S::Rescued,
            (Some(_), Role::Rescue) if taken_by != Some(ours) => S::Released,
            (Some(PoolEvent::Delivered { .. }), _) => S::Delivered,
            (Some(PoolEvent::Defaulted { .. }), _) => S::Defaulted,
            (Some(PoolEvent::Unwound { .. }), _) => S::Unwound,
            (None, Role::Own) if events.iter().any(|event| matches!(event, PoolEvent::RescueAnnounced { .. })) => {
                S::Rescued
            }
            (None, Role::Own) if !self.pool.world.ledger().is_live(self.id()) => S::Lapsed,
            other => panic!("{name}: no end, and {state}: {other:?}"),
        };
        assert_eq!(state, expected, "{name}: {events:?}");
        if self.could_be_delivered() {
            assert!(matches!(ends.first(), Some(PoolEvent::Delivered { .. })), "{name}: {state}, {events:?}");
        }
        let open = self.pool.operator.ctx().store.tasks_in(&[S::Submitting, S::Announcing]).await.unwrap();
        assert!(open.is_empty(), "{name}");
    }

    /// Unless the transition itself is an end, or lets the time run out.
    fn could_be_delivered(&self) -> bool {
        let ends = |state: TaskState| {
            matches!(
                state,
                S::Refused
                    | S::Lapsed
                    | S::Dishonoured
                    | S::Missed
                    | S::Rescued
                    | S::Defaulted
                    | S::Unwound
                    | S::Released
            )
        };
        match self.step {
            Move::Task(from, to) => !(ends(to) || from == Some(S::Missed) && to == S::Delivered),
            Move::Job(_, to) => to != JobState::Cancelled,
            Move::Transaction(_) | Move::Note(_) => true,
        }
    }
}
