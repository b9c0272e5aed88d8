//! Keys in snarkjs' format for small circuits, set up in-process, and their witnesses.

use ark_bn254::{Bn254, Fq, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{BigInt, Field, One, PrimeField, UniformRand, Zero};
use ark_groth16::{
    Groth16, ProvingKey,
    r1cs_to_qap::{LibsnarkReduction, R1CSToQAP},
};
use ark_poly::EvaluationDomain;
use ark_relations::r1cs::{
    ConstraintMatrices, ConstraintSynthesizer, ConstraintSystem, ConstraintSystemRef, LinearCombination,
    SynthesisError, SynthesisMode, Variable,
};
use rand::{SeedableRng, rngs::StdRng};
use zkpool_verifiers::groth16::points::{BASE_FIELD_PRIME_LE, SCALAR_FIELD_PRIME_LE};

/// A circuit, as ark-relations synthesises it.
pub trait Circuit: ConstraintSynthesizer<Fr> + Clone {}
impl<C: ConstraintSynthesizer<Fr> + Clone> Circuit for C {}

/// The circuit that [`super::generator_wasm`] computes: out = a · b₀ · b₁, and a public tag.
///
/// Wires: 1, out, tag, a, b₀, b₁, a·b₀.
#[derive(Clone)]
struct Product;

impl ConstraintSynthesizer<Fr> for Product {
    fn generate_constraints(self, cs: ConstraintSystemRef<Fr>) -> Result<(), SynthesisError> {
        let one = || Ok(Fr::one());
        let (out, tag) = (cs.new_input_variable(one)?, cs.new_input_variable(one)?);
        let [a, b0, b1, ab] = [(); 4].map(|()| cs.new_witness_variable(one));
        let (a, b0, b1, ab) = (a?, b0?, b1?, ab?);
        cs.enforce_constraint(a.into(), b0.into(), ab.into())?;
        cs.enforce_constraint(ab.into(), b1.into(), out.into())?;
        cs.enforce_constraint(tag.into(), Variable::One.into(), tag.into())
    }
}

/// The circuit of [`super::generator_wasm`].
pub fn product() -> impl Circuit {
    Product
}

/// A witness of [`product`].
pub fn product_witness(tag: u64, a: u64, b: [u64; 2]) -> Vec<BigInt<4>> {
    let ab = Fr::from(a) * Fr::from(b[0]);
    let values = [Fr::one(), ab * Fr::from(b[1]), Fr::from(tag), Fr::from(a), Fr::from(b[0]), Fr::from(b[1]), ab];
    values.map(PrimeField::into_bigint).to_vec()
}

/// out = f(f(…f(x))) for f(x) = (x + k)⁵: three constraints a link, of all sizes a backend may want.
///
/// Wires: 1, out, x, and the inner ones.
#[derive(Clone)]
struct Chain {
    links: usize,
}

impl ConstraintSynthesizer<Fr> for Chain {
    fn generate_constraints(self, cs: ConstraintSystemRef<Fr>) -> Result<(), SynthesisError> {
        let one = || Ok(Fr::one());
        let out = cs.new_input_variable(one)?;
        let mut x = cs.new_witness_variable(one)?;
        for link in 0..self.links {
            let sum = LinearCombination::from(x) + (Fr::from(link as u64 + 1), Variable::One);
            let square = cs.new_witness_variable(one)?;
            let fourth = cs.new_witness_variable(one)?;
            let fifth = if link + 1 == self.links { out } else { cs.new_witness_variable(one)? };
            cs.enforce_constraint(sum.clone(), sum.clone(), square.into())?;
            cs.enforce_constraint(square.into(), square.into(), fourth.into())?;
            cs.enforce_constraint(fourth.into(), sum, fifth.into())?;
            x = fifth;
        }
        Ok(())
    }
}

/// A circuit of 3 · `links` constraints, one public output and no witness generator.
pub fn chain(links: usize) -> impl Circuit {
    Chain { links }
}

/// A witness of [`chain`].
pub fn chain_witness(links: usize, x: u64) -> Vec<BigInt<4>> {
    let mut x = Fr::from(x);
    let mut values = vec![Fr::one(), Fr::zero(), x];
    for link in 0..links {
        let sum = x + Fr::from(link as u64 + 1);
        let square = sum.square();
        values.extend([square, square.square(), square.square() * sum]);
        x = square.square() * sum;
    }
    // The last link's result is the output.
    values[1] = values.pop().unwrap();
    values.into_iter().map(PrimeField::into_bigint).collect()
}

/// A `.wtns` file.
pub fn wtns(values: &[BigInt<4>]) -> Vec<u8> {
    let mut header = 32u32.to_le_bytes().to_vec();
    header.extend(SCALAR_FIELD_PRIME_LE);
    header.extend((values.len() as u32).to_le_bytes());
    container(b"wtns", 2, &[(1, header), (2, values.iter().flat_map(|value| le(*value)).collect())])
}

/// A `.zkey` file for a circuit, after a ceremony of one. The same seed makes the same key.
pub fn zkey(circuit: impl Circuit, seed: u64) -> Vec<u8> {
    let mut rng = StdRng::seed_from_u64(seed);
    let key = setup(circuit.clone(), &mut rng);
    let matrices = matrices(circuit);
    let (inputs, constraints) = (matrices.num_instance_variables, matrices.num_constraints);
    let domain = (constraints + inputs).next_power_of_two();

    let vk = &key.vk;
    let mut header = Vec::new();
    for prime in [BASE_FIELD_PRIME_LE, SCALAR_FIELD_PRIME_LE] {
        header.extend(32u32.to_le_bytes());
        header.extend(prime);
    }
    for size in [key.a_query.len(), inputs - 1, domain] {
        header.extend((size as u32).to_le_bytes());
    }
    header.extend([g1(&vk.alpha_g1), g1(&key.beta_g1), g2(&vk.beta_g2), g2(&vk.gamma_g2)].concat());
    header.extend([g1(&key.delta_g1), g2(&vk.delta_g2)].concat());

    let points = |points: &[G1Affine]| points.iter().flat_map(g1).collect();
    let sections = [
        (1, 1u32.to_le_bytes().to_vec()),
        (2, header),
        (3, points(&vk.gamma_abc_g1)),
        (4, entries(&matrices)),
        (5, points(&key.a_query)),
        (6, points(&key.b_g1_query)),
        (7, key.b_g2_query.iter().flat_map(g2).collect()),
        (8, points(&key.l_query)),
        (9, points(&key.h_query)),
        // The circuit's hash, and no contributions on record.
        (10, vec![0; 68]),
    ];
    container(b"zkey", 1, &sections)
}

/// libsnark's reduction, but with the H query that snarkjs' prover needs: the Lagrange basis of the domain twice as
/// large, at its odd places.
struct SnarkjsReduction;

impl R1CSToQAP for SnarkjsReduction {
    #[allow(clippy::type_complexity, reason = "the trait's")]
    fn instance_map_with_evaluation<F: PrimeField, D: EvaluationDomain<F>>(
        cs: ConstraintSystemRef<F>,
        t: &F,
    ) -> Result<(Vec<F>, Vec<F>, Vec<F>, F, usize, usize), SynthesisError> {
        LibsnarkReduction::instance_map_with_evaluation::<F, D>(cs, t)
    }

    fn witness_map_from_matrices<F: PrimeField, D: EvaluationDomain<F>>(
        _: &ConstraintMatrices<F>,
        _: usize,
        _: usize,
        _: &[F],
    ) -> Result<Vec<F>, SynthesisError> {
        // Only keys are made with it.
        Err(SynthesisError::AssignmentMissing)
    }

    fn h_query_scalars<F: PrimeField, D: EvaluationDomain<F>>(
        max_power: usize,
        t: F,
        _: F,
        delta_inverse: F,
    ) -> Result<Vec<F>, SynthesisError> {
        let domain = D::new(2 * (max_power + 1)).ok_or(SynthesisError::PolynomialDegreeTooLarge)?;
        let lagrange = domain.evaluate_all_lagrange_coefficients(t);
        Ok(lagrange.into_iter().skip(1).step_by(2).map(|value| value * delta_inverse).collect())
    }
}

fn setup(circuit: impl Circuit, rng: &mut StdRng) -> ProvingKey<Bn254> {
    let mut random = || Fr::rand(rng);
    let toxic = [random(), random(), Fr::one(), random()];
    let [alpha, beta, gamma, delta] = toxic;
    // gamma = 1: the generator, as in every key of snarkjs.
    Groth16::<Bn254, SnarkjsReduction>::generate_parameters_with_qap(
        circuit,
        alpha,
        beta,
        gamma,
        delta,
        G1Affine::generator().into_group(),
        G2Affine::generator().into_group(),
        rng,
    )
    .unwrap()
}

fn matrices(circuit: impl Circuit) -> ConstraintMatrices<Fr> {
    let cs = ConstraintSystem::new_ref();
    cs.set_mode(SynthesisMode::Setup);
    circuit.generate_constraints(cs.clone()).unwrap();
    cs.finalize();
    cs.to_matrices().unwrap()
}

fn entries(matrices: &ConstraintMatrices<Fr>) -> Vec<u8> {
    let mut count = 0u32;
    let mut bytes = vec![];
    let mut put = |matrix: u32, row: usize, value: Fr, wire: usize| {
        count += 1;
        bytes.extend([matrix, row as u32, wire as u32].iter().flat_map(|word| word.to_le_bytes()));
        // value · R²: in Montgomery form twice over.
        bytes.extend(le(Fr::new(value.0).0));
    };
    for (row, (a, b)) in matrices.a.iter().zip(&matrices.b).enumerate() {
        a.iter().for_each(|(value, wire)| put(0, row, *value, *wire));
        b.iter().for_each(|(value, wire)| put(1, row, *value, *wire));
    }
    for input in 0..matrices.num_instance_variables {
        put(0, matrices.num_constraints + input, Fr::one(), input);
    }
    [count.to_le_bytes().to_vec(), bytes].concat()
}

fn container(magic: &[u8; 4], version: u32, sections: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut file = magic.to_vec();
    file.extend(version.to_le_bytes());
    file.extend((sections.len() as u32).to_le_bytes());
    for (id, bytes) in sections {
        file.extend(id.to_le_bytes());
        file.extend((bytes.len() as u64).to_le_bytes());
        file.extend(bytes);
    }
    file
}

fn le(int: BigInt<4>) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (chunk, limb) in bytes.chunks_exact_mut(8).zip(int.0) {
        chunk.copy_from_slice(&limb.to_le_bytes());
    }
    bytes
}

/// In Montgomery form, infinity as zeros.
fn g1(point: &G1Affine) -> Vec<u8> {
    let (x, y) = point.xy().unwrap_or((Fq::zero(), Fq::zero()));
    [le(x.0), le(y.0)].concat()
}

fn g2(point: &G2Affine) -> Vec<u8> {
    let (x, y) = point.xy().unwrap_or_default();
    [le(x.c0.0), le(x.c1.0), le(y.c0.0), le(y.c1.0)].concat()
}
