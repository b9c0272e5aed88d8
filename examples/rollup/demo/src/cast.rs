//! Who is there before anybody transfers: contracts, an operator that serves, a committee with its stakes, a registrar.

use crate::{
    enclave::Enclave,
    ground::{Ground, Parties},
    users::Users,
};
use std::path::Path;
use zkpool_demo::{
    actors::{Actor, Character, Operator, SLOTS, Scenery, Trusted, start_prover},
    committee,
    error::{Attempt, DemoError, Result},
    money::{Ledger, SlotOf},
    process::Process,
    stage::ether,
};
use zkpool_protocol::{BundleLeg, ProgramManifest, ProofKind};
use zkpool_rollup_circuit::Artifacts;
use zkpool_rollup_node::bundle::{blob_of, guest};

/// See the module.
pub struct Cast {
    /// The rollup's contracts.
    pub ground: Ground,
    /// Its circuit, with a development key.
    pub circuit: Artifacts,
    /// The operator.
    pub operator: Operator,
    /// Its service.
    pub service: Process,
    /// The committee for the zkVM's leg: two of three must sign. Without that leg there is none.
    pub members: Vec<Actor>,
    /// Registers enclaves.
    pub registrar: Actor,
    /// The circuit as a program.
    pub circuit_program: ProgramManifest,
}

/// What stands, for whom.
pub struct Plot<'a> {
    /// The circuit.
    pub circuit: Artifacts,
    /// Who have accounts at the beginning.
    pub users: &'a Users,
    /// Who proposes batches.
    pub sequencer: &'a Actor,
    /// Whether the zkVM proves a leg, too.
    pub zkvm: bool,
}

/// The rollup's circuit: compiled, with a development key, beside what is built. The first time takes minutes.
pub async fn circuit(scenery: &Scenery) -> Result<Artifacts> {
    let what = "making the rollup's circuit and its development key";
    let built = scenery.zkpool.parent().and_then(Path::parent).attempt(what)?;
    let cache = built.join("rollup");
    scenery.timeline.say("circuit", "compiled, and a development key drawn, if that was not done before (minutes)");
    let artifacts =
        tokio::task::spawn_blocking(move || zkpool_rollup_circuit::artifacts(&cache)).await.attempt(what)?;
    artifacts.attempt(what)
}

impl Cast {
    /// Deploys the contracts, seats the committee, and starts the operator's service. Its slots are open, and its provers
    /// there, when [`Operator::ready`] says so.
    pub async fn gather(scenery: &Scenery, plot: Plot<'_>) -> Result<Self> {
        let (timeline, stage) = (scenery.timeline, &scenery.stage);
        let Plot { circuit, users, sequencer, zkvm } = plot;
        let names = if zkvm { &["member 1", "member 2", "member 3"][..] } else { &[] };
        let members: Vec<Actor> = names.iter().map(|name| Actor::new(name)).collect();
        let registrar = Actor::new("registrar");
        let addresses: Vec<_> = members.iter().map(Actor::address).collect();
        let parties = Parties {
            members: zkvm.then_some(&addresses[..]),
            registrar: registrar.address(),
            sequencer: sequencer.address(),
        };
        let ground = Ground::lay(stage, &circuit.development_key, users.root(), parties).await?;
        timeline.say("chain", format!("Rollup at {}, its verifier of all legs at {}", ground.rollup, ground.verifier));

        let what = "naming the circuit's files";
        let (zkey, generator) = (circuit.development_key.clone(), circuit.circuit.generator.clone());
        let ids = tokio::task::spawn_blocking(move || {
            Ok::<_, zkpool_rollup_node::error::NodeError>((blob_of(&zkey)?, blob_of(&generator)?))
        });
        let (zkey, generator) = ids.await.attempt(what)?.attempt(what)?;
        let circuit_program = ProgramManifest::Groth16Bn254 { zkey, witness_generator: Some(generator) };
        let trusted = trusted(&ground, &circuit_program);
        let mut character = Character::plain("operator");
        if ground.committee.is_none() {
            // Without a zkVM leg, which reads what the enclave reads, only the sequencer says what that comes to.
            character.trusted_payers.push(sequencer.address());
        }
        let operator = Operator::new(scenery, &character, &trusted)?;
        stage.fund(operator.owner.address(), ether(100)).await?;
        for (who, what) in
            [(operator.hot.address(), "funding a signer"), (registrar.address(), "funding the registrar")]
        {
            stage.anvil.set_ether(who, ether(10)).await.attempt(what)?;
        }
        stage.mine_by_the_second().await?;
        if let Some(committee) = ground.committee {
            for member in &members {
                committee::join(scenery, committee, member).await?;
            }
            if !committee::seated(stage, committee).await? {
                return Err(DemoError::new("seating the committee", "the contract says that it has no quorum"));
            }
            timeline.say("committee", "three members have put up their stakes; two must sign");
        }
        let service = operator.serve(scenery)?;
        Ok(Self { ground, circuit, operator, service, members, registrar, circuit_program })
    }

    /// Starts the members' nodes.
    pub fn attest(&self, scenery: &Scenery) -> Result<Vec<Process>> {
        let Some(committee) = self.ground.committee else { return Ok(vec![]) };
        self.members.iter().map(|member| committee::attest(scenery, committee, member, &self.operator)).collect()
    }

    /// Gives a prover a simulated enclave and has it registered.
    pub async fn register_enclave(&self, scenery: &Scenery, prover: &Actor) -> Result<Enclave> {
        let enclave = Enclave::of(scenery, prover)?;
        let registered = enclave.register(scenery, &self.ground, &self.registrar).await?;
        let instance = registered["instance"].as_str().unwrap_or("?");
        let text =
            format!("has checked the quote of instance {instance} (SIMULATED: it proves nothing) and registered it");
        scenery.timeline.say("registrar", text);
        Ok(enclave)
    }

    /// Starts the prover that has an enclave.
    pub fn start_enclave(&self, scenery: &Scenery, prover: &Actor, enclave: &Enclave) -> Result<Process> {
        let option = enclave.option(&self.ground)?;
        start_prover(scenery, prover, &self.operator, &["--kinds", "sgx", "--enclave", &option])
    }

    /// Starts the prover that makes the circuit's proof.
    pub fn start_circuit(&self, scenery: &Scenery, prover: &Actor) -> Result<Process> {
        start_prover(scenery, prover, &self.operator, &["--kinds", "groth16-bn254"])
    }

    /// Whom to count the money of: everybody who has any.
    pub fn ledger(&self, scenery: &Scenery, sequencer: &Actor) -> Ledger {
        let stage = &scenery.stage;
        let people = [&self.operator.owner, &self.operator.hot, sequencer].into_iter().zip([
            "operator",
            "operator's signer",
            "sequencer",
        ]);
        let mut parties: Vec<_> = people.map(|(actor, name)| (name.to_owned(), actor.address())).collect();
        parties.extend(self.members.iter().map(|member| (member.name.clone(), member.address())));
        parties.extend(self.ground.committee.map(|committee| ("committee contract".to_owned(), committee)));
        let operator = self.operator.owner.address();
        let slots = [stage.weth, stage.token].into_iter();
        let slots = slots.flat_map(|token| (0..SLOTS).map(move |index| SlotOf { operator, token, index }));
        let tokens = vec![("WETH".into(), stage.weth), ("TEST".into(), stage.token)];
        Ledger { parties, tokens, slots: slots.collect() }
    }
}

/// What the operator signs for without a trial proof: the bundle, and each of its legs.
fn trusted(ground: &Ground, circuit: &ProgramManifest) -> Vec<Trusted> {
    let mut legs = vec![(ground.groth16, ProofKind::Groth16Bn254, circuit.clone())];
    legs.extend(ground.committee.map(|committee| (committee, ProofKind::Risc0Composite, guest())));
    legs.push((ground.sgx, ProofKind::Sgx, ProgramManifest::Sgx { enclave: ground.enclave }));
    let of_bundle = legs.iter().map(|(_, kind, program)| BundleLeg { program: program.id(), kind: *kind });
    let bundle = ProgramManifest::Bundle { legs: of_bundle.collect() };
    legs.push((ground.verifier, ProofKind::Bundle, bundle));
    legs.into_iter().map(|(verifier, kind, program)| Trusted { verifier, kind, program: program.id() }).collect()
}
