//! Keys and proofs of a small circuit, made by ark-groth16, and the files of a real ceremony.

use ark_bn254::{Bn254, Fr};
use ark_ff::{Field, UniformRand};
use ark_groth16::{Groth16, ProvingKey};
use ark_relations::r1cs::{ConstraintSynthesizer, ConstraintSystemRef, LinearCombination, SynthesisError, Variable};
use ark_snark::SNARK;
use rand::{SeedableRng, rngs::StdRng};
use std::path::PathBuf;
use zkpool_verifiers::groth16::{Proof, PublicInputs, VerifyingKey};

/// x³ + 5 = y for a secret x, and z is any second public input.
struct Cubic {
    x: Fr,
    z: Fr,
}

impl ConstraintSynthesizer<Fr> for Cubic {
    fn generate_constraints(self, cs: ConstraintSystemRef<Fr>) -> Result<(), SynthesisError> {
        let y = cs.new_input_variable(|| Ok(self.x.pow([3]) + Fr::from(5u64)))?;
        let z = cs.new_input_variable(|| Ok(self.z))?;
        let x = cs.new_witness_variable(|| Ok(self.x))?;
        let square = cs.new_witness_variable(|| Ok(self.x.square()))?;
        let minus_five = LinearCombination::from(y) - (Fr::from(5u64), Variable::One);
        cs.enforce_constraint(x.into(), x.into(), square.into())?;
        cs.enforce_constraint(square.into(), x.into(), minus_five)?;
        cs.enforce_constraint(z.into(), Variable::One.into(), z.into())
    }
}

/// A key and whoever can prove with it.
pub(crate) struct Setup {
    pub(crate) key: VerifyingKey,
    pub(crate) ark: ProvingKey<Bn254>,
    rng: StdRng,
}

impl Setup {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let circuit = Cubic { x: Fr::from(1u64), z: Fr::from(1u64) };
        let (ark, vk) = Groth16::<Bn254>::circuit_specific_setup(circuit, &mut rng).unwrap();
        let key = VerifyingKey::new(vk.alpha_g1, vk.beta_g2, vk.gamma_g2, vk.delta_g2, vk.gamma_abc_g1).unwrap();
        Self { key, ark, rng }
    }

    pub(crate) fn prove(&mut self) -> (PublicInputs, Proof) {
        let (x, z) = (Fr::rand(&mut self.rng), Fr::rand(&mut self.rng));
        let proof = Groth16::<Bn254>::prove(&self.ark, Cubic { x, z }, &mut self.rng).unwrap();
        let inputs = PublicInputs::new(vec![x.pow([3]) + Fr::from(5u64), z]);
        (inputs, Proof::new(proof.a, proof.b, proof.c).unwrap())
    }
}

/// A file of the Semaphore ceremony, as `npm ci` in `contracts/` installs it.
pub(crate) fn semaphore(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../contracts/node_modules/@zk-kit/semaphore-artifacts")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `make setup` first", path.display()))
}
