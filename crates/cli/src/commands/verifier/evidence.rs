//! `zkpool verifier slash`: two pieces of evidence that contradict each other.

use super::{Party, SlashArgs};
use crate::{
    chain::chain_error,
    commands::{Context, operator::sent},
    error::{CliError, CliResult},
};
use alloy::{
    primitives::{Address, B256, Signature},
    sol_types::Eip712Domain,
};
use serde::Deserialize;
use zkpool_bindings::CommitteeVerifier::{
    Attestation, Testimony, reportByProofCall, reportJournalsCall, reportReceiptCall,
};
use zkpool_chain::MemberState;
use zkpool_protocol::{BlobId, Bytes, ErrorCode};

/// A member's signature.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    image_id: B256,
    journal: Bytes,
    receipt: BlobId,
    signature: Bytes,
}

/// What an arbiter takes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Proven {
    image_id: B256,
    journal: Bytes,
    seal: Bytes,
}

/// A piece of evidence.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Piece {
    Said(Said),
    Proven(Proven),
}

const ATTEMPT: &str = "report the member";

pub(super) async fn slash(args: SlashArgs, context: &Context) -> CliResult {
    let attempt = format!("read the evidence {}", args.evidence.display());
    let text = std::fs::read(&args.evidence).map_err(|error| CliError::file(&attempt, error))?;
    let pieces: [Piece; 2] = serde_json::from_slice(&text).map_err(|_| {
        CliError::file(attempt, "it is not a list of two pieces of evidence")
            .advise("`zkpool verifier slash --help` shows the form")
    })?;
    let party = Party::open(&args.common, &args.send, context).await?;
    let (member, report) = report(pieces, &party.view.domain()).map_err(refused)?;
    let state = party.view.member(member).await.map_err(|e| chain_error(ATTEMPT, e))?.state;
    match state {
        MemberState::Stranger => return Err(refused(format!("both are signed by {member}, which is no member"))),
        MemberState::Slashed => return Err(refused(format!("{member} was slashed already"))),
        MemberState::Absent | MemberState::Staked => {}
    }
    let record = match report {
        Report::Receipt(call) => party.call(ATTEMPT, &call).await?,
        Report::Journals(call) => party.call(ATTEMPT, &call).await?,
        Report::Proof(_) if party.committee.arbiter.is_none() => {
            return Err(refused("the committee has no arbiter that could take a proof".into()));
        }
        Report::Proof(call) => party.call(ATTEMPT, &call).await?,
    };
    context.output.note(format!("{member} is slashed; `zkpool verifier collect` pays out the reporter's part"));
    sent(context, &record)
}

fn refused(why: String) -> CliError {
    CliError::coded(ATTEMPT, why, ErrorCode::Forbidden)
}

/// What to call.
enum Report {
    Receipt(reportReceiptCall),
    Journals(reportJournalsCall),
    Proof(reportByProofCall),
}

impl Report {
    #[cfg(test)]
    fn name(&self) -> &'static str {
        use zkpool_chain::alloy::sol_types::SolCall;
        match self {
            Self::Receipt(_) => reportReceiptCall::SIGNATURE,
            Self::Journals(_) => reportJournalsCall::SIGNATURE,
            Self::Proof(_) => reportByProofCall::SIGNATURE,
        }
    }
}

/// Who contradicts itself, and how that is reported.
fn report(pieces: [Piece; 2], domain: &Eip712Domain) -> Result<(Address, Report), String> {
    let (first, second) = match pieces {
        [Piece::Said(first), Piece::Said(second)] => (first, second),
        [Piece::Said(lie), Piece::Proven(proof)] | [Piece::Proven(proof), Piece::Said(lie)] => {
            return by_proof(lie, proof, domain);
        }
        [Piece::Proven(_), Piece::Proven(_)] => return Err("neither piece is signed by a member".into()),
    };
    let (member, other) = (first.signer(domain)?, second.signer(domain)?);
    if member != other {
        return Err(format!("the signatures are of two keys, {member} and {other}, for this committee and chain"));
    }
    let (one, two) = (first.attestation(), second.attestation());
    if first.receipt == second.receipt && one != two {
        let call = reportReceiptCall {
            first: one,
            firstSignature: first.signature,
            second: two,
            secondSignature: second.signature,
        };
        return Ok((member, Report::Receipt(call)));
    }
    if first.image_id != second.image_id || first.journal == second.journal {
        return Err("they do not contradict each other: neither two claims for one receipt, nor two journals".into());
    }
    // Whether the journals begin with the same question is for the contract to say: it knows how long it is.
    let image = first.image_id;
    let call = reportJournalsCall { imageId: image, first: first.testimony(), second: second.testimony() };
    Ok((member, Report::Journals(call)))
}

fn by_proof(lie: Said, proof: Proven, domain: &Eip712Domain) -> Result<(Address, Report), String> {
    if lie.image_id != proof.image_id || lie.journal == proof.journal {
        return Err("the proof does not contradict what was signed".into());
    }
    let member = lie.signer(domain)?;
    let call =
        reportByProofCall { imageId: lie.image_id, lie: lie.testimony(), journal: proof.journal, seal: proof.seal };
    Ok((member, Report::Proof(call)))
}

impl Said {
    fn attestation(&self) -> Attestation {
        Attestation {
            imageId: self.image_id,
            journalDigest: BlobId::of(&self.journal).into(),
            receiptHash: self.receipt.into(),
        }
    }

    fn testimony(self) -> Testimony {
        Testimony { journal: self.journal, receiptHash: self.receipt.into(), signature: self.signature }
    }

    fn signer(&self, domain: &Eip712Domain) -> Result<Address, String> {
        Signature::from_raw(&self.signature)
            .and_then(|signature| signature.recover_address_from_prehash(&self.attestation().digest(domain)))
            .map_err(|error| format!("a signature is none: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zkpool_bindings::committee_domain;
    use zkpool_chain::Key;

    fn said(key: &Key, image: u8, journal: &[u8], receipt: u8) -> Said {
        let mut said = Said {
            image_id: B256::repeat_byte(image),
            journal: Bytes::copy_from_slice(journal),
            receipt: BlobId::of(&[receipt]),
            signature: Bytes::new(),
        };
        said.signature = key.sign_digest(&said.attestation().digest(&domain())).unwrap();
        said
    }

    fn domain() -> Eip712Domain {
        committee_domain(1, Address::repeat_byte(7))
    }

    #[test]
    fn the_contradiction_chooses_the_report() {
        let (key, other) = (Key::random(), Key::random());
        let first = said(&key, 1, b"ask:1", 1);
        let proof = |journal: &[u8]| {
            Piece::Proven(Proven {
                image_id: first.image_id,
                journal: Bytes::copy_from_slice(journal),
                seal: Bytes::from_static(b"seal"),
            })
        };
        let two = |second: Said| report([Piece::Said(first.clone()), Piece::Said(second)], &domain());
        let name = |report: Result<(Address, Report), String>| {
            let (member, report) = report?;
            assert_eq!(member, key.address());
            Ok::<_, String>(report.name().split('(').next().unwrap_or_default().to_owned())
        };
        assert_eq!(name(two(said(&key, 1, b"ask:2", 1))).unwrap(), "reportReceipt");
        assert_eq!(name(two(said(&key, 2, b"ask:1", 1))).unwrap(), "reportReceipt");
        assert_eq!(name(two(said(&key, 1, b"ask:2", 2))).unwrap(), "reportJournals");
        let by_proof = report([proof(b"ask:2"), Piece::Said(first.clone())], &domain());
        assert_eq!(name(by_proof).unwrap(), "reportByProof");
        for harmless in [first.clone(), said(&key, 1, b"ask:1", 2), said(&key, 2, b"ask:2", 2)] {
            assert!(two(harmless).is_err());
        }
        assert!(two(said(&other, 1, b"ask:2", 2)).is_err());
        assert!(report([proof(b"ask:1"), Piece::Said(first.clone())], &domain()).is_err());
        assert!(report([proof(b"ask:1"), proof(b"ask:2")], &domain()).is_err());
        let elsewhere = committee_domain(2, Address::repeat_byte(7));
        let pieces = [Piece::Said(first.clone()), Piece::Said(said(&key, 1, b"ask:2", 2))];
        assert!(report(pieces, &elsewhere).is_err(), "another chain's signatures are of other keys");
    }

    #[test]
    fn pieces_are_told_apart_by_what_they_hold() {
        let word = format!("0x{}", "11".repeat(32));
        let said = serde_json::json!({
            "image_id": word, "journal": "0x01", "receipt": "22".repeat(32), "signature": "0x03",
        });
        let proven = serde_json::json!({ "image_id": word, "journal": "0x01", "seal": "0x04" });
        let pieces: [Piece; 2] = serde_json::from_value(serde_json::json!([said, proven])).unwrap();
        assert!(matches!(pieces, [Piece::Said(_), Piece::Proven(_)]));
        let both = serde_json::json!({
            "image_id": word, "journal": "0x01", "receipt": "22".repeat(32), "signature": "0x03", "seal": "0x04",
        });
        assert!(serde_json::from_value::<Piece>(both).is_err());
    }
}
