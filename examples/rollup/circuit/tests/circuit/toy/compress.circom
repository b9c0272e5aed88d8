pragma circom 2.1.6;

include "bits.circom";

// In place of SHA-256's compression function, for tests of all that is around it: every bit that comes in changes most
// bits that go out, for a tenth of the constraints. `toy.rs` computes the same.
template Compress() {
    signal input state[8][32];
    signal input block[16][32];
    signal output out[8][32];
    signal sum[8][32][9];
    for (var i = 0; i < 8; i++) {
        for (var j = 0; j < 32; j++) {
            for (var k = 0; k < 9; k++) {
                var x = block[2 * k % 16][(j + 2 * k * (i + 1)) % 32] + block[2 * k % 16 + 1][(j + (2 * k + 1) * (i + 1)) % 32];
                if (k == 8) {
                    x = state[i][j] + state[(i + 1) % 8][(j + 5) % 32];
                }
                if (k > 0) {
                    x += sum[i][j][k - 1];
                }
                sum[i][j][k] <-- x % 2;
                x * (x - 2 * sum[i][j][k] - 2) === -3 * sum[i][j][k];
            }
            out[i][j] <== sum[i][j][8];
        }
    }
}
