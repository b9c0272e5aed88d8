//! Contracts and Rust agree on what operators and provers sign for each other, on the chain of receipts and on the tree of
//! caps: the vectors that the contracts' tests write and check (`contracts/test/vectors/ledger.json`).

#![allow(clippy::unwrap_used)]

use alloy::primitives::{Address, B256, Bytes, Signature, U256};
use alloy::sol_types::SolStruct;
use serde_json::Value;
use zkpool_bindings::IRevenueLedger;
use zkpool_protocol::pay::{
    Cap, CapProof, CapTree, LeasedJob, Ledger, Receipt, SignedResult, SignedVoucher, SumNode, Voucher,
};

fn vectors() -> (Value, Ledger) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/test/vectors/ledger.json");
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let ledger = Ledger { chain_id: vectors["chainId"].as_u64().unwrap(), address: read(&vectors["ledger"]) };
    (vectors, ledger)
}

fn read<T: std::str::FromStr<Err: std::fmt::Debug>>(value: &Value) -> T {
    match value {
        Value::String(text) => text.parse().unwrap(),
        other => other.to_string().parse().unwrap(),
    }
}

fn list<'a>(vectors: &'a Value, name: &str) -> &'a Vec<Value> {
    let list = vectors[name].as_array().unwrap();
    assert!(!list.is_empty());
    list
}

#[test]
fn receipts_chain_to_the_same_heads() {
    let (vectors, _) = vectors();
    let mut head = B256::ZERO;
    for vector in list(&vectors, "receipts") {
        let receipt = Receipt {
            task: read(&vector["task"]),
            index: read(&vector["index"]),
            fence: read(&vector["fence"]),
            prover: read(&vector["prover"]),
            output: read(&vector["output"]),
            units: read(&vector["units"]),
            amount: read(&vector["amount"]),
            previous: read(&vector["previous"]),
        };
        assert_eq!(receipt.previous, head);
        head = receipt.hash();
        assert_eq!(head, read::<B256>(&vector["head"]));
        let LeasedJob { task, index, fence } = receipt.job();
        assert_eq!(LeasedJob { task, index, fence }.id(), read::<B256>(&vector["job"]));
    }
}

#[test]
fn vouchers_have_the_same_digests_and_signer() {
    let (vectors, ledger) = vectors();
    let signer: Address = read(&vectors["signer"]);
    for vector in list(&vectors, "vouchers") {
        let (tranche, digest): (U256, B256) = (read(&vector["tranche"]), read(&vector["digest"]));
        let voucher = Voucher {
            operator: read(&vector["operator"]),
            tranche: tranche.saturating_to(),
            prover: read(&vector["prover"]),
            amount: read(&vector["amount"]),
            count: read(&vector["count"]),
            head: read(&vector["head"]),
        };
        let Voucher { operator, prover, amount, count, head, .. } = voucher;
        let abi = IRevenueLedger::Voucher { operator, tranche, prover, amount, count, head };
        assert_eq!(abi.eip712_signing_hash(&ledger.eip712()), digest);
        // More tranches than 64 bits count nobody opens.
        if tranche <= U256::from(u64::MAX) {
            assert_eq!(voucher.digest(&ledger), digest);
        }
        let signature = Signature::from_raw(&read::<Bytes>(&vector["signature"])).unwrap();
        assert_eq!(signature.recover_address_from_prehash(&digest).unwrap(), signer);
    }
}

#[test]
fn what_the_ledger_does_not_take_is_no_signature() {
    let (vectors, ledger) = vectors();
    let vector = &list(&vectors, "results")[0];
    let (operator, job) = (read(&vector["operator"]), read(&vector["job"]));
    let result = SignedResult { operator, job, output: read(&vector["output"]) };
    let good = read::<Bytes>(&vector["signature"]);
    let signer = result.signer(&ledger, &good).unwrap();
    let (s, v) = (U256::from_be_slice(&good[32..64]), good[64]);
    let with = |s: U256, v: u8| [&good[..32], &s.to_be_bytes::<32>(), &[v]].concat();
    let order = "0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141".parse::<U256>().unwrap();
    let high = order - s;
    // Each of them names the same signer to whoever is not strict.
    let malleated = [with(s, v - 27), with(s, v + 8), with(s, v + 10), with(high, 55 - v), with(high, 28 - v)];
    for signature in malleated {
        let lax = Signature::from_raw(&signature).unwrap().recover_address_from_prehash(&result.digest(&ledger));
        assert_eq!(lax.unwrap(), signer);
        result.signer(&ledger, &signature).unwrap_err();
    }
    let short = Signature::from_raw(&good).unwrap().as_erc2098().to_vec();
    for signature in [short, good[..64].to_vec(), [&good[..], &[27]].concat(), vec![], vec![27; 65], vec![0; 65]] {
        assert_ne!(result.signer(&ledger, &signature).ok(), Some(signer));
    }
    // Vouchers likewise.
    for vector in list(&vectors, "vouchers") {
        let Ok(tranche) = u64::try_from(read::<U256>(&vector["tranche"])) else { continue };
        let (operator, prover) = (read(&vector["operator"]), read(&vector["prover"]));
        let (amount, count) = (read(&vector["amount"]), read(&vector["count"]));
        let voucher = Voucher { operator, tranche, prover, amount, count, head: read(&vector["head"]) };
        let good = read::<Bytes>(&vector["signature"]);
        let signed = SignedVoucher { voucher, signature: good.clone() };
        assert_eq!(signed.signer(&ledger).unwrap(), read::<Address>(&vectors["signer"]));
        let bare = [&good[..64], &[good[64] - 27]].concat();
        SignedVoucher { signature: bare.into(), ..signed }.signer(&ledger).unwrap_err();
    }
}

#[test]
fn results_have_the_same_digests_and_signer() {
    let (vectors, ledger) = vectors();
    let prover: Address = read(&vectors["receipts"][0]["prover"]);
    for vector in list(&vectors, "results") {
        let result = SignedResult {
            operator: read(&vector["operator"]),
            job: read(&vector["job"]),
            output: read(&vector["output"]),
        };
        assert_eq!(result.digest(&ledger), read::<B256>(&vector["digest"]));
        assert_eq!(result.signer(&ledger, &read::<Bytes>(&vector["signature"])).unwrap(), prover);
    }
}

#[test]
fn proofs_of_caps_lead_to_the_same_roots_and_every_tree_that_is_built_here_is_one() {
    let (vectors, _) = vectors();
    for tree in list(&vectors, "trees") {
        let (root, total): (B256, u128) = (read(&tree["root"]), read(&tree["total"]));
        let (mut caps, mut parts) = (Vec::new(), Vec::new());
        for (index, leaf) in (0..).zip(list(tree, "leaves")) {
            let cap = Cap { prover: read(&leaf["prover"]), amount: read(&leaf["cap"]) };
            let node = |node: &Value| SumNode { hash: read(&node["node"]), sum: read(&node["sum"]) };
            let siblings = leaf["siblings"].as_array().unwrap().iter().map(node).collect();
            let proof = CapProof { index, siblings };
            let offset = proof.verify(&cap, root, total).expect("the contract pays it");
            parts.push((offset, offset + cap.amount));
            caps.push(cap);
        }
        parts.sort_unstable();
        assert!(parts.windows(2).all(|pair| pair[0].1 <= pair[1].0), "parts of their own");
        assert_eq!(CapTree::new(&caps).unwrap().root(), (root, total), "the same tree");
    }
}
