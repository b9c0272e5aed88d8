//! The application over a real chain: what it bought goes on after a restart, and whose answer it reads.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol,
    sol_types::{SolCall, SolValue},
};
use digit_core::PIXELS;
use std::{path::Path, time::Duration};
use zkpool_chain::{
    Key,
    testing::{Anvil, Deployer},
};
use zkpool_digits::{
    desk::Desk,
    error::DigitsError,
    oracle::Oracle,
    view::Stage,
    wish::{Digits, Guest, Terms, image_id, model},
};
use zkpool_protocol::{BlobId, Domain, ProofKind, Quote, SignedQuote, Task, Terms as QuoteTerms};
use zkpool_requester::{Config, Options, Payment, Requester};

sol! {
    function ask(bytes32 inputCommitment) external returns (uint256 id);
    function answer(uint256 id, bytes journal, bytes seal) external;
    function sealFor(bytes32 imageId, bytes32 journalDigest) external view returns (bytes);
}

struct World {
    chain: Anvil,
    domain: Domain,
    token: Address,
    verifier: Address,
    oracle: Address,
}

impl World {
    async fn new() -> Self {
        let chain = Anvil::start().unwrap();
        let owner = chain.account(0);
        let mut deployer = Deployer::new(&chain, owner);
        let pool = deployer.deploy_pool().await.unwrap();
        let token = deployer.deploy("TestToken").await.unwrap();
        let name = B256::repeat_byte(1).abi_encode();
        let verifier = deployer.deploy_with("DigitOracle.t.sol:NamedVerifier", &name).await.unwrap();
        let arguments = (image_id(), model(), verifier, owner).abi_encode_params();
        let oracle = deployer.deploy_with("DigitOracle.sol:DigitOracle", &arguments).await.unwrap();
        let domain = Domain { chain_id: chain.chain_id(), pool };
        Self { chain, domain, token, verifier, oracle }
    }

    async fn oracle(&self) -> Oracle {
        Oracle::open(self.chain.rpc(), self.oracle, image_id(), model()).await.unwrap()
    }

    async fn requester(&self, state: &Path) -> Requester {
        let config = Config {
            rpc: self.chain.rpc(),
            domain: self.domain,
            key: self.chain.key(1),
            state: state.to_owned(),
            operators: vec![],
            options: Options { poll: Duration::from_millis(20), ..Options::default() },
        };
        Requester::open(config).await.unwrap()
    }

    async fn desk(&self, state: &Path) -> Desk {
        let terms = Terms {
            kind: ProofKind::Risc0Composite,
            encoder: self.verifier,
            token: self.token,
            liability: 5,
            bond: 1,
            max_reward: None,
            proof_window: 60,
            liability_window: 120,
            call_gas: 500_000,
        };
        let requester = self.requester(state).await;
        let token = requester.view().token(self.token).await.unwrap();
        Desk::new(requester, self.oracle().await, Guest::unpack(state).unwrap(), terms, token)
    }

    async fn send(&self, account: u32, call: impl SolCall) -> B256 {
        let data = call.abi_encode().into();
        self.chain
            .send(self.chain.account(account), Some(self.oracle), data, U256::ZERO)
            .await
            .unwrap()
            .transaction_hash
    }

    /// A quote about question `number` that nobody backs.
    async fn unbacked(&self, number: U256) -> (SignedQuote, zkpool_protocol::Call) {
        let call = self.oracle().await.answering(number);
        let terms = QuoteTerms {
            requester: self.chain.account(1),
            operator: self.chain.account(2),
            target: self.oracle,
            encoder: self.verifier,
            verifier: self.verifier,
            call_gas: 500_000,
            proof_window: 60,
            liability_window: 120,
            valid_until: self.chain.rpc().head().await.unwrap().timestamp + 200,
            reward_token: self.token,
            reward: 10,
            advance: 0,
            liability_token: self.token,
            liability: 5,
            bond: 1,
            burn: 0,
            honour: 0,
        };
        let task = Task {
            slot: 0,
            statement: B256::repeat_byte(2),
            call_hash: call.hash(),
            input_hash: BlobId::of(b"an input").into(),
            salt: B256::repeat_byte(3),
        };
        let quote = Quote { terms, task };
        let signature = Key::random().sign_digest(&quote.id(&self.domain)).unwrap();
        (SignedQuote { quote, signature }, call)
    }

    /// As if a process of the application had bought question 7 and died.
    async fn bought_before(&self, state: &Path) {
        let (quote, call) = self.unbacked(U256::from(7)).await;
        let requester = self.requester(state).await;
        requester.record_quote(quote, call, None, Payment::Pool, None).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_bought_goes_on_after_a_restart() {
    let (world, dir) = (World::new().await, tempfile::tempdir().unwrap());
    world.bought_before(dir.path()).await;
    let desk = world.desk(dir.path()).await;
    assert!(matches!(desk.watch(7), Err(DigitsError::UnknownQuestion(7))));
    assert_eq!(desk.resume().unwrap(), 1);
    // Under the number that the page knows; and it is not only listed: the contract is asked, which says no.
    let mut view = desk.watch(7).unwrap();
    assert_eq!(
        (view.borrow().question.as_str(), view.borrow().offer.liability.as_str()),
        ("7", "0.000000000000000005")
    );
    let ended = tokio::time::timeout(Duration::from_secs(30), view.wait_for(|view| view.ended)).await.unwrap().unwrap();
    assert_eq!(ended.stage, Stage::Failed);
    assert!(ended.error.as_ref().unwrap().contains("not signed by its signer"), "{:?}", ended.error);
    assert!(matches!(desk.prove(7), Err(DigitsError::AlreadyBought)));
}

#[tokio::test]
async fn an_endpoint_that_is_away_fails_nothing() {
    let (world, dir) = (World::new().await, tempfile::tempdir().unwrap());
    world.bought_before(dir.path()).await;
    let desk = world.desk(dir.path()).await;
    let World { chain, .. } = world;
    chain.kill();
    desk.resume().unwrap();
    let mut view = desk.watch(7).unwrap();
    let troubled = view.wait_for(|view| view.error.is_some());
    let troubled = tokio::time::timeout(Duration::from_secs(60), troubled).await.unwrap().unwrap();
    assert!(!troubled.ended && troubled.error.as_ref().unwrap().contains("tried again"), "{troubled:?}");
}

#[tokio::test]
async fn the_answer_is_read_whoever_was_first_with_it() {
    let world = World::new().await;
    let digits = Digits::of(&[[3; PIXELS], [0; PIXELS]]).unwrap();
    world.send(1, askCall { inputCommitment: digits.commitment() }).await;
    let (journal, digest) = (Bytes::from(digits.journal.clone()), B256::from(BlobId::of(&digits.journal)));
    let call = sealForCall { imageId: image_id(), journalDigest: digest }.abi_encode();
    let request = serde_json::json!([{ "to": world.verifier, "data": Bytes::from(call) }, "latest"]);
    let seal: Bytes = world.chain.request("eth_call", request).await.unwrap();
    let seal = sealForCall::abi_decode_returns(&seal).unwrap();
    let answer = || answerCall { id: U256::ZERO, journal: journal.clone(), seal: seal.clone() };

    let oracle = world.oracle().await;
    let unrelated = world.send(1, askCall { inputCommitment: B256::ZERO }).await;
    let error = oracle.answered(U256::ZERO, unrelated).await.unwrap_err();
    assert!(!error.may_pass() && error.to_string().contains("no answer"), "{error}");
    let copied = world.send(5, answer()).await;
    let delivered = world.send(2, answer()).await;
    for transaction in [copied, delivered] {
        assert_eq!(oracle.answered(U256::ZERO, transaction).await.unwrap().classes, digits.classes().unwrap());
    }
    let gone = oracle.answered(U256::ZERO, B256::repeat_byte(9)).await.unwrap_err();
    assert!(gone.may_pass(), "a reorganisation, or an endpoint that lags: {gone}");
}

#[tokio::test]
async fn a_call_says_which_question_it_answers() {
    let oracle = World::new().await.oracle().await;
    let call = oracle.answering(U256::from(7));
    assert_eq!(Oracle::asked_by(&call), Some(U256::from(7)));
    for strange in [&call.prefix[..35], &[call.prefix.as_ref(), b"1"].concat(), &[1; 36], &[]] {
        let call = zkpool_protocol::Call { prefix: strange.to_vec().into(), ..Default::default() };
        assert_eq!(Oracle::asked_by(&call), None);
    }
}
