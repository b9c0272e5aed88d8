pragma circom 2.1.6;

include "rollup.circom";

// The shape that is deployed: eight accounts, two transfers a batch.
component main = Rollup(3, 2);
