//! The application's contract, `contracts/src/examples/DigitOracle.sol`.

use crate::error::DigitsError;
use alloy::{
    primitives::{Address, B256, Bytes, U256},
    providers::Provider,
    rpc::types::TransactionReceipt,
    sol,
    sol_types::{SolCall, SolEvent},
};
use zkpool_chain::Rpc;
use zkpool_protocol::Call;

sol! {
    /// What this application uses of it.
    #[sol(rpc)]
    interface DigitOracle {
        event Asked(uint256 indexed id, bytes32 indexed inputCommitment, address verifier);
        event Answered(uint256 indexed id, bytes32 indexed inputCommitment, bytes classes);

        function IMAGE_ID() external view returns (bytes32);
        function MODEL() external view returns (bytes32);
        function verifier() external view returns (address);
        function ask(bytes32 inputCommitment) external returns (uint256 id);
        function answer(uint256 id, bytes journal, bytes seal) external;
        function classesOf(uint256 id) external view returns (bytes);
    }
}

/// A delivery, as the chain has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// One class for each image.
    pub classes: Vec<u8>,
    /// Block that has it.
    pub block: u64,
    /// Gas that its transaction took.
    pub gas: u64,
    /// What its sender paid for it, in wei.
    pub fee: U256,
}

/// The contract on a chain.
#[derive(Clone, Debug)]
pub struct Oracle {
    rpc: Rpc,
    address: Address,
}

impl Oracle {
    /// Reads, and checks that it is about the program and the model of this build.
    ///
    /// # Errors
    /// [`DigitsError::Oracle`] if it is about others or is no such contract.
    pub async fn open(rpc: Rpc, address: Address, image_id: B256, model: B256) -> Result<Self, DigitsError> {
        let oracle = Self { rpc, address };
        let contract = DigitOracle::new(address, oracle.rpc.provider().clone());
        let fault = |error: alloy::contract::Error| oracle.fault(error.to_string());
        for (what, expected, found) in [
            ("program", image_id, contract.IMAGE_ID().call().await.map_err(fault)?),
            ("model", model, contract.MODEL().call().await.map_err(fault)?),
        ] {
            if expected != found {
                return Err(
                    oracle.fault(format!("it takes answers of {what} {found}, this application's is {expected}"))
                );
            }
        }
        Ok(oracle)
    }

    /// Another contract of the same kind on the same chain.
    pub fn at(&self, address: Address) -> Self {
        Self { rpc: self.rpc.clone(), address }
    }

    /// Where it is.
    pub const fn address(&self) -> Address {
        self.address
    }

    /// The verifier that questions to come are asked under.
    ///
    /// # Errors
    /// [`DigitsError::Oracle`].
    pub async fn verifier(&self) -> Result<Address, DigitsError> {
        let contract = DigitOracle::new(self.address, self.rpc.provider().clone());
        contract.verifier().call().await.map_err(|error| self.fault(error.to_string()))
    }

    /// Calldata that asks about an input.
    pub fn asking(&self, input_commitment: B256) -> Bytes {
        DigitOracle::askCall { inputCommitment: input_commitment }.abi_encode().into()
    }

    /// How the call is built that answers a question: `RiscZeroEncoder` puts journal and seal behind this.
    pub fn answering(&self, question: U256) -> Call {
        let mut prefix = DigitOracle::answerCall::SELECTOR.to_vec();
        prefix.extend(question.to_be_bytes::<32>());
        Call { prefix: prefix.into(), ..Call::default() }
    }

    /// Which question a call answers that [`Oracle::answering`] built.
    pub fn asked_by(call: &Call) -> Option<U256> {
        let number = call.prefix.strip_prefix(&DigitOracle::answerCall::SELECTOR)?;
        U256::try_from_be_slice(number).filter(|_| number.len() == 32)
    }

    /// The number that a question was given by the transaction that asked it.
    ///
    /// # Errors
    /// [`DigitsError::Oracle`] if that transaction asked nothing; the chain's faults.
    pub async fn question(&self, transaction: B256) -> Result<U256, DigitsError> {
        let receipt = self.receipt(transaction).await?;
        match self.events::<DigitOracle::Asked>(&receipt).next() {
            Some(asked) => Ok(asked.id),
            None => Err(self.fault(format!("transaction {transaction} asked nothing"))),
        }
    }

    /// What a question was answered by a delivery, or by somebody who was first with the same proof.
    ///
    /// # Errors
    /// [`DigitsError::Oracle`] if it has no answer; [`DigitsError::OracleAway`].
    pub async fn answered(&self, question: U256, transaction: B256) -> Result<Answered, DigitsError> {
        let receipt = self.receipt(transaction).await?;
        let found = self.events::<DigitOracle::Answered>(&receipt).find(|answered| answered.id == question);
        let classes = match found {
            Some(answered) => answered.classes,
            None => self.classes_of(question, transaction).await?,
        };
        Ok(Answered {
            classes: classes.to_vec(),
            block: receipt.block_number.unwrap_or_default(),
            gas: receipt.gas_used,
            fee: U256::from(receipt.gas_used) * U256::from(receipt.effective_gas_price),
        })
    }

    /// The answer that stands in the contract.
    async fn classes_of(&self, question: U256, transaction: B256) -> Result<Bytes, DigitsError> {
        let contract = DigitOracle::new(self.address, self.rpc.provider().clone());
        contract.classesOf(question).call().await.map_err(|error| match error.as_revert_data() {
            Some(_) => self.fault(format!(
                "transaction {transaction} delivered a proof, but question {question} has no answer that is kept"
            )),
            None => self.away(error.to_string()),
        })
    }

    async fn receipt(&self, transaction: B256) -> Result<TransactionReceipt, DigitsError> {
        let receipt = self.rpc.provider().get_transaction_receipt(transaction).await;
        let receipt = receipt.map_err(|error| self.away(error.to_string()))?;
        receipt.ok_or_else(|| self.away(format!("transaction {transaction} is in no block any more")))
    }

    fn events<E: SolEvent>(&self, receipt: &TransactionReceipt) -> impl Iterator<Item = E> {
        let address = self.address;
        receipt
            .logs()
            .iter()
            .filter(move |log| log.address() == address)
            .filter_map(|log| E::decode_log(&log.inner).ok())
            .map(|log| log.data)
    }

    pub(crate) fn fault(&self, reason: String) -> DigitsError {
        DigitsError::Oracle { address: self.address, reason }
    }

    fn away(&self, reason: String) -> DigitsError {
        DigitsError::OracleAway { address: self.address, reason }
    }
}
