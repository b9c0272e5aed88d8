//! The matrices of a circuit, by rows.

use crate::{BackendError, program::reserved};
use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field};
use rayon::prelude::*;

/// A coefficient of a wire in a row.
pub(super) struct Entry {
    pub(super) row: u32,
    pub(super) wire: u32,
    pub(super) value: Fr,
}

/// A sparse matrix over the domain.
pub(super) struct Matrix {
    /// Where each row starts, and where the last one ends.
    starts: Vec<u32>,
    wires: Vec<u32>,
    values: Vec<Fr>,
}

impl Matrix {
    /// From entries whose rows are below `rows`, of which there are fewer than 2^32.
    pub(super) fn new(mut entries: Vec<Entry>, rows: usize) -> Result<Self, BackendError> {
        // snarkjs writes them in order.
        if !entries.is_sorted_by_key(|entry| entry.row) {
            entries.par_sort_by_key(|entry| entry.row);
        }
        let (mut starts, mut wires, mut values) =
            (reserved(rows + 1)?, reserved(entries.len())?, reserved(entries.len())?);
        starts.push(0);
        for entry in entries {
            // The rows before this one end here.
            while starts.len() <= entry.row as usize {
                starts.push(wires.len() as u32);
            }
            wires.push(entry.wire);
            values.push(entry.value);
        }
        starts.resize(rows + 1, wires.len() as u32);
        Ok(Self { starts, wires, values })
    }

    /// The matrix times a vector, whose length is above every wire.
    pub(super) fn times(&self, vector: &[Fr]) -> Vec<Fr> {
        let row = |bounds: &[u32]| {
            let range = bounds[0] as usize..bounds[1] as usize;
            let mut sum = Fr::ZERO;
            for (wire, value) in self.wires[range.clone()].iter().zip(&self.values[range]) {
                let factor = vector[*wire as usize];
                sum += if *value == Fr::ONE { factor } else { factor * value };
            }
            sum
        };
        self.starts.par_windows(2).with_min_len(256).map(row).collect()
    }

    /// What it takes in memory, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        (4 * self.starts.capacity() + 4 * self.wires.capacity() + 32 * self.values.capacity()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiplies_whatever_the_order_of_its_entries() {
        let entry = |row, wire, value: u64| Entry { row, wire, value: Fr::from(value) };
        // Rows 0 and 3 and the last are empty; row 1 has two entries for one wire.
        let entries = vec![entry(4, 0, 7), entry(1, 1, 2), entry(2, 2, 1), entry(1, 0, 3), entry(1, 1, 1)];
        let matrix = Matrix::new(entries, 6).unwrap();
        let vector = [1u64, 10, 100].map(Fr::from);
        assert_eq!(matrix.times(&vector), [0u64, 33, 100, 0, 7, 0].map(Fr::from));
        assert_eq!(Matrix::new(vec![], 2).unwrap().times(&vector), [Fr::ZERO; 2]);
    }
}
